"""What it does, and when."""

from benchbed_example.settings import LSGANSettings

from benchbed import setting


class HostileSettings(LSGANSettings):
    """Settings of a method that is a tiny LSGAN but for one deed."""

    deed: str = setting("none", help="What it does: a function of deeds.", source="none")
    where: str = setting("step", help="build, step or sample.", source="none")
    at: int = setting(5, help="The step at which it does it.", source="none")
