"""Settings of the classical GANs."""

from __future__ import annotations

from benchbed import MethodSettings, setting


class DCGANSettings(MethodSettings):
    """Settings of DCGAN."""

    batch_size: int = setting(
        128, help="Images a training step.", source="section 4", ge=1, le=4096
    )
    latent_dim: int = setting(
        100, help="Length of the noise vector, uniform in [-1, 1].", source="figure 1", ge=1
    )
    features: int = setting(
        64,
        help="Channels of the layer next to the image, doubled with every halving of size.",
        source="figure 1 has 128; 64 is the usual implementation's",
        ge=1,
    )
    max_features: int = setting(
        512,
        help="Most channels of a layer.",
        source="unstated above 64 px, where doubling on would give 185 million parameters at 512",
        ge=1,
    )
    learning_rate: float = setting(2e-4, help="Adam's step size.", source="section 4", gt=0)
    beta1: float = setting(
        0.5, help="Adam's decay of the first moment.", source="section 4", ge=0, lt=1
    )
