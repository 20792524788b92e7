"""Spec of a method whose plugin prints."""

import os
from collections.abc import Iterable
from dataclasses import replace

from benchbed_hostile.spec import HOSTILE

from benchbed import MethodSpec, hookimpl

print("importing")
os.write(1, b"printed by os.write\n")

LOUD = replace(HOSTILE, name="loud", settings="benchbed_loud.settings:LoudSettings")


@hookimpl
def benchbed_methods() -> Iterable[MethodSpec]:
    print("listing methods")
    return [LOUD]
