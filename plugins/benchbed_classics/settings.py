"""Settings of the classical GANs."""

from __future__ import annotations

from typing import Literal

from benchbed import MethodSettings, setting


class DCGANSettings(MethodSettings):
    """Settings of DCGAN."""

    batch_size: int = setting(
        128, help="Images per training step.", source="section 4", ge=1, le=4096
    )
    latent_dim: int = setting(
        100, help="Length of the noise vector, uniform in [-1, 1].", source="figure 1", ge=1
    )
    features: int = setting(
        64,
        help="Channels of the layer next to the image, doubled with every halving of the size.",
        source="figure 1 has 128; most implementations use 64",
        ge=1,
    )
    max_features: int = setting(
        512,
        help="Maximum channels of a layer.",
        source="unstated above 64 px; without a limit, 512 px would need 185 million parameters",
        ge=1,
    )
    learning_rate: float = setting(2e-4, help="Learning rate of Adam.", source="section 4", gt=0)
    beta1: float = setting(
        0.5, help="Beta1 of Adam (decay of the first moment).", source="section 4", ge=0, lt=1
    )


class WGANSettings(MethodSettings):
    """Settings of WGAN."""

    batch_size: int = setting(
        64, help="Images per training step.", source="algorithm 1", ge=1, le=4096
    )
    latent_dim: int = setting(
        100, help="Length of the noise vector, N(0, 1).", source="unstated; authors' code", ge=1
    )
    features: int = setting(
        64,
        help="Channels of the layer next to the image, doubled with every halving of the size.",
        source="section 4.1 uses DCGAN's networks; authors' code",
        ge=1,
    )
    max_features: int = setting(
        512,
        help="Maximum channels of a layer.",
        source="unstated above 64 px; as for DCGAN",
        ge=1,
    )
    learning_rate: float = setting(
        5e-5, help="Learning rate of RMSProp.", source="algorithm 1", gt=0
    )
    clip: float = setting(
        0.01, help="Critic weights are clipped to [-clip, clip].", source="algorithm 1", gt=0
    )
    critic_steps: int = setting(
        5, help="Critic updates before each generator update.", source="algorithm 1", ge=1
    )
    warmup_updates: int = setting(
        25,
        help="Number of initial generator updates that use long_critic_steps critic updates "
        "instead.",
        source="authors' code",
        ge=0,
    )
    long_critic_steps: int = setting(
        100,
        help="Critic updates before a generator update of the warm-up or of long_every.",
        source="authors' code",
        ge=1,
    )
    long_every: int = setting(
        500,
        help="Every n-th generator update also uses long_critic_steps; 0 disables this.",
        source="authors' code",
        ge=0,
    )


class WGANGPSettings(MethodSettings):
    """Settings of WGAN-GP."""

    batch_size: int = setting(
        64, help="Images per training step.", source="algorithm 1", ge=1, le=4096
    )
    latent_dim: int = setting(
        128, help="Length of the noise vector, N(0, 1).", source="unstated; authors' code", ge=1
    )
    features: int = setting(
        64,
        help="Channels of the layer next to the image, doubled with every halving of the size.",
        source="section 5.1 uses DCGAN's networks; authors' code",
        ge=1,
    )
    max_features: int = setting(
        512,
        help="Maximum channels of a layer.",
        source="unstated for DCGAN's networks above 64 px; as for DCGAN",
        ge=1,
    )
    critic_norm: Literal["layer", "none"] = setting(
        "layer",
        help="Normalisation in the critic: per image (layer) or none.",
        source="section 4",
    )
    learning_rate: float = setting(1e-4, help="Learning rate of Adam.", source="algorithm 1", gt=0)
    betas: tuple[float, float] = setting((0.0, 0.9), help="Betas of Adam.", source="algorithm 1")
    penalty_weight: float = setting(10.0, help="Lambda in eq. 3.", source="algorithm 1", ge=0)
    critic_steps: int = setting(
        5, help="Critic updates before each generator update.", source="algorithm 1", ge=1
    )


class PGGANSettings(MethodSettings):
    """Settings of PGGAN."""

    batch_size: int = setting(
        16, help="Images per training step.", source="appendix A.1, up to 128 px", ge=1, le=4096
    )
    latent_dim: int = setting(
        512, help="Length of the noise vector, N(0, 1).", source="table 2", ge=1
    )
    base: int = setting(
        8192,
        help="Layers at s px have min(2 base / s, max_channels) channels.",
        source="table 2",
        ge=16,
    )
    max_channels: int = setting(512, help="See base.", source="table 2", ge=1)
    learning_rate: float = setting(1e-3, help="Learning rate of Adam.", source="appendix A.1", gt=0)
    betas: tuple[float, float] = setting((0.0, 0.99), help="Betas of Adam.", source="appendix A.1")
    penalty_weight: float = setting(
        10.0, help="Weight of the gradient penalty.", source="appendix A.1", ge=0
    )
    drift_weight: float = setting(0.001, help="Weight of E[D(x)^2].", source="appendix A.1", ge=0)
    average_decay: float = setting(
        0.999,
        help="EMA decay of the generator used for sampling.",
        source="appendix A.1",
        ge=0,
        lt=1,
    )
    level_weights: tuple[float, ...] = setting(
        (),
        help="Relative time at 4, 8, ... px; of more weights than sizes the last ones. Default: "
        "equal times, half of that at 4 px.",
        source="appendix A.1",
    )
    level_fade: float = setting(
        0.5,
        help="Share of a level's time used to fade it in.",
        source="appendix A.1",
        ge=0,
        lt=1,
    )


class ACGANSettings(MethodSettings):
    """Settings of ACGAN."""

    batch_size: int = setting(
        100, help="Images per training step.", source="appendix A", ge=1, le=4096
    )
    latent_dim: int = setting(
        100,
        help="Length of the noise vector, N(0, 1), which is concatenated with the class.",
        source="appendix A: 110 with 10 classes",
        ge=1,
    )
    generator_width: float = setting(
        1.0,
        help="Channel multiplier of the generator.",
        source="appendix A",
        ge=1 / 16,
        le=4,
    )
    discriminator_width: float = setting(
        1.0,
        help="Channel multiplier of the discriminator.",
        source="appendix A",
        ge=1 / 16,
        le=4,
    )
    dropout: float = setting(
        0.5,
        help="Dropout probability after every discriminator layer.",
        source="appendix A",
        ge=0,
        lt=1,
    )
    learning_rate: float = setting(
        2e-4,
        help="Learning rate of Adam.",
        source="appendix A searches 1e-4, 2e-4 and 3e-4",
        gt=0,
    )
    beta1: float = setting(
        0.5, help="Beta1 of Adam (decay of the first moment).", source="appendix A", ge=0, lt=1
    )
