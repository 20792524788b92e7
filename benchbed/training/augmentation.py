"""Create the augmentation of what a discriminator sees."""

from __future__ import annotations

from benchbed.api.augmentation import Augmentation
from benchbed.config.augmentation import parse_augment
from benchbed.nn.ada import AdaptiveAugmentation
from benchbed.nn.diffaugment import DiffAugment


def create_augmentation(augment: str) -> Augmentation:
    """Return the augmentation of a value of ``--augment``; it changes nothing if none is named."""
    choice = parse_augment(augment)
    if choice.discriminator == "diffaugment":
        return DiffAugment(choice.policies)
    return AdaptiveAugmentation() if choice.discriminator == "ada" else Augmentation()
