"""Settings of lsgan; imports nothing heavy."""

from benchbed import MethodSettings, setting


class Settings(MethodSettings):
    """Settings of lsgan."""

    batch_size: int = setting(
        64, help="Images a training step.", source="authors' code", ge=1, le=4096
    )
    latent_dim: int = setting(
        1024, help="Length of the noise vector.", source="authors' code", ge=1
    )
    features: int = setting(
        64, help="Channels next to the image; 8-fold at most.", source="authors' code", ge=1
    )
    learning_rate: float = setting(
        1e-3, help="Adam's step size.", source="authors' code for scenes", gt=0
    )
    betas: tuple[float, float] = setting(
        (0.5, 0.999), help="Adam's decays.", source="authors' code"
    )
    labels: tuple[float, float, float] = setting(
        (0.0, 1.0, 1.0),
        help="a, b and c: of made images, of real ones, and what G wants D to say.",
        source="eq. 9; eq. 8 is (-1, 1, 0)",
    )
