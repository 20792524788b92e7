"""Settings of MI-GAN's segmentation."""

from __future__ import annotations

from typing import Literal

from benchbed import MethodSettings, setting


class MIGANSegSettings(MethodSettings):
    """Settings of MI-GAN's segmentation; values the paper does not give are V-GAN's."""

    batch_size: int = setting(
        1, help="Images per training step.", source="V-GAN's code", ge=1, le=4096
    )
    discriminator: Literal["none", "pixel", "patch1", "patch2", "image"] = setting(
        "image",
        help="Receptive field of the discriminator: pixel, patches of 61 or 537 px, or the "
        "whole image; none trains only the U-Net.",
        source="table 1, best row",
    )
    features: int = setting(
        32,
        help="Channels of the outermost generator layers, doubled with every halving of the size.",
        source="V-GAN's code",
        ge=1,
    )
    discriminator_features: int = setting(
        32,
        help="Channels of the first discriminator layers.",
        source="V-GAN's code; figure 3",
        ge=1,
    )
    adversarial_weight: float = setting(
        0.1,
        help="Weight of the adversarial loss relative to the cross-entropy.",
        source="eq. 6 with lambda = 10, divided by it; V-GAN's code",
        ge=0,
    )
    learning_rate: float = setting(
        2e-4,
        help="Learning rate of Adam for the generator.",
        source="parameters of proposed model",
        gt=0,
    )
    discriminator_learning_rate: float = setting(
        2e-4,
        help="Learning rate of Adam for the discriminator.",
        source="parameters of proposed model",
        gt=0,
    )
    beta1: float = setting(
        0.5,
        help="Beta1 of Adam (decay of the first moment).",
        source="unstated; V-GAN's code",
        ge=0,
        lt=1,
    )
    average_decay: float = setting(
        0.995,
        help="EMA decay per step of the generator used for segmentation; 0 uses the last weights.",
        source="replaces the paper's selection on validation images",
        ge=0,
        lt=1,
    )
    augment: bool = setting(
        True,
        help="Randomly rotate, flip and recolour images together with their masks.",
        source="parameters of proposed model; V-GAN's code",
    )
    crop: int = setting(
        0,
        help="Side in pixels of the random training crop; 0 uses the whole image.",
        source="datasets preparation: whole images",
        ge=0,
        multiple_of=16,
    )
