"""Blocks that several methods share; each is imported on first use."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from benchbed.nn.augmentation import augment_batch as augment_batch
    from benchbed.nn.augmentation import crop_batch as crop_batch
    from benchbed.nn.augmentation import recolour_batch as recolour_batch
    from benchbed.nn.augmentation import rotate_batch as rotate_batch
    from benchbed.nn.growth import GrowthState as GrowthState
    from benchbed.nn.init import normal_init as normal_init
    from benchbed.nn.losses import bce_with_target as bce_with_target
    from benchbed.nn.losses import wasserstein_critic as wasserstein_critic
    from benchbed.nn.optim import adam as adam
    from benchbed.nn.patchgan import PatchDiscriminator as PatchDiscriminator
    from benchbed.nn.penalties import gradient_penalty as gradient_penalty
    from benchbed.nn.penalties import unwrap as unwrap
    from benchbed.nn.progressive import ProgressiveDiscriminator as ProgressiveDiscriminator
    from benchbed.nn.progressive import ProgressiveGenerator as ProgressiveGenerator
    from benchbed.nn.progressive import blend_reals as blend_reals
    from benchbed.nn.schedule import ProgressiveSchedule as ProgressiveSchedule
    from benchbed.nn.segmenter import SegmentationUNet as SegmentationUNet
    from benchbed.nn.thresholds import mask_above_otsu as mask_above_otsu
    from benchbed.nn.translator import UNetGenerator as UNetGenerator
    from benchbed.nn.volume_augmentation import augment_volumes as augment_volumes

_HOME = {
    "Growth": "growth",
    "PatchDiscriminator": "patchgan",
    "ProgressiveDiscriminator": "progressive",
    "ProgressiveGenerator": "progressive",
    "ProgressiveSchedule": "schedule",
    "SegmentationUNet": "segmenter",
    "UNetGenerator": "translator",
    "above_otsu": "thresholds",
    "adam": "optim",
    "augment_batch": "augmentation",
    "augment_volumes": "volume_augmentation",
    "bce_with_target": "losses",
    "crop_batch": "augmentation",
    "fade_reals": "progressive",
    "gradient_penalty": "penalties",
    "normal_init": "init",
    "recolour_batch": "augmentation",
    "turn_batch": "augmentation",
    "unwrap": "penalties",
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
