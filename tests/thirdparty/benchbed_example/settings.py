"""Settings of the method."""

from benchbed import MethodSettings, setting


class LSGANSettings(MethodSettings):
    """Settings of the tiny LSGAN."""

    width: int = setting(8, help="Channels.", source="chosen for speed", ge=2, le=64)
    learning_rate: float = setting(1e-3, help="Adam's step size.", source="section 4", gt=0)
    fail_at: int = setting(-1, help="Step at which to raise, to test the harness.", source="none")
    nan_at: int = setting(-1, help="Step whose loss is NaN, to test the harness.", source="none")
    step_ms: int = setting(0, help="Pause a step, to test the harness.", source="none", ge=0)
    plain: bool = setting(
        False, help="Neither batch normalisation nor dropout, to test the harness.", source="none"
    )
