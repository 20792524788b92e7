"""Random changes of training cases that their masks go along with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor
from torchvision.transforms import v2
from torchvision.transforms.v2 import functional as T

from benchbed.api.types import Batch

JITTER = 0.2
"""Brightness, contrast and saturation are multiplied with a factor in [1 - JITTER, 1 + JITTER]."""

OUTSIDE = {"fov": 0.0}
"""What lies beyond the border of a turned tensor; -1, black or background, for all others."""


def augment_batch(batch: Batch) -> Batch:
    """Turn, mirror and recolour each case of a batch at random.

    By any angle, left to right with probability one half, and for images in 1 or 3 channels with
    other brightness, contrast and saturation. Mask, field of view and derived tensors are turned
    and mirrored as their image is; masks and fields of view stay binary.

    Args:
        batch: Images ``(B, C, H, W)`` in [-1, 1] and what belongs to them.

    Returns:
        A new batch of the same shapes and ranges; random numbers come from torch's global CPU
        generator.
    """
    angles = (torch.rand(len(batch)) * 360).tolist()
    mirrored = (torch.rand(len(batch)) < 0.5).tolist()

    def moved(name: str, tensor: Tensor) -> Tensor:
        crisp = name in ("mask", "fov")
        how = T.InterpolationMode.NEAREST if crisp else T.InterpolationMode.BILINEAR
        fill = [OUTSIDE.get(name, -1.0)] * tensor.shape[1]
        turned = [
            T.rotate(T.horizontal_flip(case) if mirror else case, angle, how, fill=fill)
            for case, angle, mirror in zip(tensor, angles, mirrored, strict=True)
        ]
        return torch.stack(turned)

    changed = _each(batch, moved)
    if batch.image.shape[1] in (1, 3):
        changed.image = _jittered(changed.image)
    return changed


def crop_batch(batch: Batch, side: int) -> Batch:
    """The same random square of everything in a batch.

    Args:
        batch: Images ``(B, C, H, W)`` and what belongs to them.
        side: Side in pixels; 0, or a side that is no smaller than the image, leaves all as it is.
    """
    height, width = batch.image.shape[-2:]
    if side == 0 or side >= min(height, width):
        return batch
    top = int(torch.randint(height - side + 1, ()))
    left = int(torch.randint(width - side + 1, ()))
    return _each(batch, lambda _, t: t[..., top : top + side, left : left + side])


def _each(batch: Batch, change: Callable[[str, Tensor], Tensor]) -> Batch:
    """The batch with every tensor changed that has pixels."""
    parts = {name: change(name, t) for name, t in batch.tensors() if name != "label"}
    extra = {name: parts.pop(name) for name in batch.extra}
    return replace(batch, **parts, extra=extra)


def _jittered(images: Tensor) -> Tensor:
    """Images in [-1, 1] with another brightness, contrast and saturation each."""
    jitter = v2.ColorJitter(brightness=JITTER, contrast=JITTER, saturation=JITTER)
    return torch.stack([jitter(image) for image in images / 2 + 0.5]) * 2 - 1
