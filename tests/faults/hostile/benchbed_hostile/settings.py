"""Settings that select a fault and its time."""

from benchbed_example.settings import LSGANSettings

from benchbed import setting


class HostileSettings(LSGANSettings):
    """Settings of a tiny LSGAN with one fault."""

    fault: str = setting("none", help="Fault: a function in faults.py.", source="none")
    where: str = setting("step", help="Where it occurs: build, step or sample.", source="none")
    at: int = setting(5, help="Step of the fault.", source="none")
