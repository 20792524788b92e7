"""Methods that call sys.exit on import: one in its settings, one in its networks."""

from collections.abc import Iterable
from dataclasses import replace

from benchbed_hostile.spec import HOSTILE

from benchbed import MethodSpec, hookimpl

EARLY = replace(HOSTILE, name="leaver", settings="benchbed_leaver.settings:LeaverSettings")
LATE = replace(HOSTILE, name="late-leaver", implementation="benchbed_leaver.method:Leaver")


@hookimpl
def benchbed_methods() -> Iterable[MethodSpec]:
    return [EARLY, LATE]
