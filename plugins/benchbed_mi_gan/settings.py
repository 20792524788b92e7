"""Settings of MI-GAN's synthesis."""

from __future__ import annotations

from typing import Literal

from benchbed import MethodSettings, setting


class MIGANSettings(MethodSettings):
    """Settings of MI-GAN; values the paper does not give are from the code of Zhao et al. 2017."""

    batch_size: int = setting(
        1, help="Images per training step.", source="unstated; Zhao's code", ge=1, le=4096
    )
    latent_dim: int = setting(
        400, help="Length of the noise, normal with mean 0.", source="figure 2", ge=1
    )
    training_noise: float = setting(
        0.001,
        help="Standard deviation of the noise during training.",
        source="parameters of proposed model",
        ge=0,
    )
    sampling_noise: float = setting(
        1.0,
        help="Standard deviation of the noise during evaluation.",
        source="parameters of proposed model",
        ge=0,
    )
    features: int = setting(
        64,
        help="Channels of the outermost generator layers, doubled with every halving, at most "
        "8-fold.",
        source="figure 2",
        ge=1,
    )
    discriminator_features: int = setting(
        32,
        help="Channels of the first discriminator layer, doubled with every halving.",
        source="figure 3",
        ge=1,
    )
    learning_rate: float = setting(
        2e-4,
        help="Learning rate of Adam for generator and discriminator.",
        source="parameters of proposed model",
        gt=0,
    )
    beta1: float = setting(
        0.5,
        help="Beta1 of Adam (decay of the first moment).",
        source="unstated; Zhao's code",
        ge=0,
        lt=1,
    )
    generator_updates: int = setting(
        2,
        help="Generator updates per discriminator update.",
        source="parameters of proposed model",
        ge=1,
    )
    loss: Literal["l1", "style"] = setting(
        "l1",
        help="Reconstruction loss: L1 (eq. 2), or style, content and total variation.",
        source="eq. 1; style: eq. 11",
    )
    l1_weight: float = setting(
        10.0, help="Lambda in eq. 3.", source="parameters of proposed model", ge=0
    )
    content_weight: float = setting(
        1.0, help="Weight of the content loss.", source="parameters of proposed model", ge=0
    )
    style_weight: float = setting(
        10.0, help="Weight of the style loss.", source="parameters of proposed model", ge=0
    )
    variation_weight: float = setting(
        100.0,
        help="Weight of the total variation loss.",
        source="parameters of proposed model",
        ge=0,
    )
    style_norm: Literal["zhao", "paper"] = setting(
        "zhao",
        help="Style loss: mean absolute differences as in Zhao's code, or eq. 7 to 10 of the "
        "paper.",
        source="Zhao's code",
    )
    vgg: Literal["pretrained", "random"] = setting(
        "pretrained",
        help="Weights of VGG-19 for loss=style: pretrained on ImageNet, or random.",
        source="style transfer variant",
    )
    stored_masks: int = setting(
        256,
        help="Number of training masks stored for sampling.",
        source="unstated; chosen",
        ge=1,
        le=4096,
    )
