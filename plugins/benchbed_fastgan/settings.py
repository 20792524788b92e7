"""Settings of FastGAN."""

from __future__ import annotations

from benchbed import MethodSettings, setting


class FastGANSettings(MethodSettings):
    """Settings of FastGAN; defaults are the paper's."""

    batch_size: int = setting(
        8, help="Images per training step.", source="section 4", ge=2, le=4096
    )
    latent_dim: int = setting(
        256, help="Length of the noise vector, N(0, 1).", source="figure 3", ge=1
    )
    generator_features: int = setting(
        64,
        help="Channel unit of the generator: 16-fold at 4 px, 2-fold at 64 px.",
        source="authors' code",
        ge=4,
        multiple_of=4,
    )
    discriminator_features: int = setting(
        64,
        help="Channels of the discriminator at the size of the image, at most 8-fold inside.",
        source="authors' code",
        ge=4,
        multiple_of=4,
    )
    learning_rate: float = setting(2e-4, help="Learning rate of Adam.", source="section 4", gt=0)
    beta1: float = setting(
        0.5, help="Beta1 of Adam (decay of the first moment).", source="authors' code", ge=0, lt=1
    )
    reconstruction_weight: float = setting(
        1.0, help="Weight of the reconstruction loss of D.", source="eq. 4", ge=0
    )
    average_decay: float = setting(
        0.999,
        help="Weight of the past in the average of G, which samples.",
        source="authors' code",
        ge=0,
        lt=1,
    )
