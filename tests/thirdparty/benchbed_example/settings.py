"""Settings of the example method."""

from benchbed import MethodSettings, setting


class LSGANSettings(MethodSettings):
    """Settings of the tiny LSGAN."""

    width: int = setting(8, help="Channels.", source="chosen for speed", ge=2, le=64)
    learning_rate: float = setting(1e-3, help="Adam's step size.", source="section 4", gt=0)
    fail_at: int = setting(-1, help="Step that raises an error, for tests.", source="none")
    nan_at: int = setting(-1, help="Step whose loss is NaN, for tests.", source="none")
    step_ms: int = setting(0, help="Pause per step in ms, for tests.", source="none", ge=0)
    plain: bool = setting(
        False, help="Disable batch normalisation and dropout, for tests.", source="none"
    )
