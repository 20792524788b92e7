"""Blocks that several methods share; each is imported on first use."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from benchbed.nn.augmentation import augment_batch as augment_batch
    from benchbed.nn.augmentation import augment_volumes as augment_volumes
    from benchbed.nn.augmentation import crop_batch as crop_batch
    from benchbed.nn.augmentation import recolour_batch as recolour_batch
    from benchbed.nn.augmentation import rotate_batch as rotate_batch
    from benchbed.nn.losses import bce_with_target as bce_with_target
    from benchbed.nn.losses import gradient_penalty as gradient_penalty
    from benchbed.nn.losses import unwrap as unwrap
    from benchbed.nn.losses import wasserstein_critic as wasserstein_critic
    from benchbed.nn.optim import adam as adam
    from benchbed.nn.progressive import GrowthState as GrowthState
    from benchbed.nn.progressive import ProgressiveDiscriminator as ProgressiveDiscriminator
    from benchbed.nn.progressive import ProgressiveGenerator as ProgressiveGenerator
    from benchbed.nn.progressive import blend_reals as blend_reals
    from benchbed.nn.progressive import progressive_penalty as progressive_penalty
    from benchbed.nn.schedule import ProgressiveSchedule as ProgressiveSchedule
    from benchbed.nn.segmentation import SegmentationUNet as SegmentationUNet
    from benchbed.nn.segmentation import mask_above_otsu as mask_above_otsu
    from benchbed.nn.translation import PatchDiscriminator as PatchDiscriminator
    from benchbed.nn.translation import UNetGenerator as UNetGenerator
    from benchbed.nn.translation import normal_init as normal_init

_HOME = {
    "GrowthState": "progressive",
    "PatchDiscriminator": "translation",
    "ProgressiveDiscriminator": "progressive",
    "ProgressiveGenerator": "progressive",
    "ProgressiveSchedule": "schedule",
    "SegmentationUNet": "segmentation",
    "UNetGenerator": "translation",
    "adam": "optim",
    "augment_batch": "augmentation",
    "augment_volumes": "augmentation",
    "bce_with_target": "losses",
    "blend_reals": "progressive",
    "crop_batch": "augmentation",
    "gradient_penalty": "losses",
    "mask_above_otsu": "segmentation",
    "normal_init": "translation",
    "progressive_penalty": "progressive",
    "recolour_batch": "augmentation",
    "rotate_batch": "augmentation",
    "unwrap": "losses",
    "wasserstein_critic": "losses",
}

__all__ = sorted(_HOME)  # noqa: PLE0605


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'benchbed.nn' has no attribute {name!r}")
    value = getattr(import_module(f"benchbed.nn.{_HOME[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
