"""The method of a plugin that talks."""

import os
from collections.abc import Iterable
from dataclasses import replace

from benchbed_hostile.spec import HOSTILE

from benchbed import MethodSpec, hookimpl

print("I am being imported")
os.write(1, b"below python, too\n")

LOUD = replace(HOSTILE, name="loud", settings="benchbed_loud.settings:LoudSettings")


@hookimpl
def benchbed_methods() -> Iterable[MethodSpec]:
    """The method."""
    print("I am asked what I offer")
    return [LOUD]
