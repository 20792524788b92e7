"""Settings of lsgan; imports nothing heavy."""

from benchbed import MethodSettings, setting


class Settings(MethodSettings):
    """Settings of lsgan."""

    batch_size: int = setting(
        64, help="Images per training step.", source="authors' code", ge=1, le=4096
    )
    latent_dim: int = setting(
        1024, help="Length of the noise vector.", source="authors' code", ge=1
    )
    features: int = setting(
        64, help="Channels next to the image, at most 8-fold.", source="authors' code", ge=1
    )
    learning_rate: float = setting(
        1e-3, help="Learning rate of Adam.", source="authors' code for scenes", gt=0
    )
    betas: tuple[float, float] = setting(
        (0.5, 0.999), help="Betas of Adam.", source="authors' code"
    )
    labels: tuple[float, float, float] = setting(
        (0.0, 1.0, 1.0),
        help="Targets a, b, c: of D for fake images, of D for real images, of G.",
        source="eq. 9; eq. 8 is (-1, 1, 0)",
    )
