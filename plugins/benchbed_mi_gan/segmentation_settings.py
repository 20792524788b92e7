"""Settings of MI-GAN's segmentation."""

from __future__ import annotations

from typing import Literal

from benchbed import MethodSettings, setting


class MIGANSegSettings(MethodSettings):
    """Settings of MI-GAN's segmentation; what the paper does not say is V-GAN's."""

    batch_size: int = setting(1, help="Images a step.", source="V-GAN's code", ge=1, le=4096)
    discriminator: Literal["none", "pixel", "patch1", "patch2", "image"] = setting(
        "image",
        help="What the discriminator judges: each pixel, patches of 61 or 537 px, the whole image; "
        "none is a U-Net alone.",
        source="table 1, whose best row this is",
    )
    features: int = setting(
        32,
        help="Channels of G's outermost layers, doubled with every halving of size.",
        source="V-GAN's code",
        ge=1,
    )
    discriminator_features: int = setting(
        32, help="Channels of D's first layers.", source="V-GAN's code; figure 3", ge=1
    )
    adversarial_weight: float = setting(
        0.1,
        help="Weight of the adversarial loss beside the cross-entropy.",
        source="eq. 6 with lambda = 10, divided by it; V-GAN's code",
        ge=0,
    )
    learning_rate: float = setting(
        2e-4, help="Adam's step size for G.", source="parameters of proposed model", gt=0
    )
    discriminator_learning_rate: float = setting(
        2e-4, help="Adam's step size for D.", source="parameters of proposed model", gt=0
    )
    beta1: float = setting(
        0.5, help="Adam's decay of the first moment.", source="unstated; V-GAN's code", ge=0, lt=1
    )
    average_decay: float = setting(
        0.995,
        help="Decay, at each step, of the averaged G that segments; 0 for the last G.",
        source="in place of the generator that is best on images kept for validation",
        ge=0,
        lt=1,
    )
    augment: bool = setting(
        True,
        help="Whether images are turned, mirrored and recoloured at random, masks alike.",
        source="parameters of proposed model; V-GAN's code",
    )
    crop: int = setting(
        0,
        help="Side in pixels of the random square of each image that is trained on; 0 for all.",
        source="datasets preparation: whole images",
        ge=0,
        multiple_of=16,
    )
