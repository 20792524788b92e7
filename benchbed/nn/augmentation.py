"""Random changes of training cases that their masks go along with."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import cast

import torch
from torch import Tensor
from torchvision.transforms import v2
from torchvision.transforms.v2 import functional as T

from benchbed.api.types import Batch

JITTER = 0.2
"""Brightness, contrast and saturation are multiplied with a factor in [1 - JITTER, 1 + JITTER]."""

OUTSIDE = {"fov": 0.0}
"""What lies beyond the border of a turned tensor; -1, black or background, for all others."""


def augment_batch(batch: Batch, crop: int = 0) -> Batch:
    """Turn, mirror and recolour each case of a batch at random.

    By any angle, left to right with probability one half, and for images in 1 or 3 channels with
    other brightness, contrast and saturation. Mask, field of view and derived tensors are turned
    and mirrored as their image is; masks and fields of view stay binary.

    Args:
        batch: Images ``(B, C, H, W)`` in [-1, 1] and what belongs to them.
        crop: Side in pixels of the one random square of the turned images that is returned, of
            everything in the batch; only its pixels are turned. 0, or a side that is no smaller
            than the image, returns all.

    Returns:
        A new batch of the same ranges; random numbers come from torch's global CPU generator.
    """
    return turn_batch(recolour_batch(batch), crop)


def recolour_batch(batch: Batch) -> Batch:
    """The recolouring of `augment_batch` alone; images of other than 1 or 3 channels are left.

    Args:
        batch: Images ``(B, C, H, W)`` in [-1, 1] and what belongs to them.
    """
    if batch.image.shape[1] not in (1, 3):
        return batch
    jitter = v2.ColorJitter(brightness=JITTER, contrast=JITTER, saturation=JITTER)
    images = torch.stack([jitter(image) for image in batch.image / 2 + 0.5]) * 2 - 1
    return replace(batch, image=images)


def turn_batch(batch: Batch, crop: int = 0) -> Batch:
    """The turning and mirroring of `augment_batch` alone.

    Args:
        batch: Images ``(B, C, H, W)`` in [-1, 1] and what belongs to them.
        crop: As for `augment_batch`.
    """
    angles = (torch.rand(len(batch)) * 360).tolist()
    mirrored = (torch.rand(len(batch)) < 0.5).tolist()
    square = _square(batch, crop)

    def moved(name: str, tensor: Tensor) -> Tensor:
        if name == "label":
            return tensor
        crisp = name in ("mask", "fov")
        how = T.InterpolationMode.NEAREST if crisp else T.InterpolationMode.BILINEAR
        fill = OUTSIDE.get(name, -1.0)
        turned = [
            _turned(T.horizontal_flip(case) if mirror else case, angle, how, fill, square)
            for case, angle, mirror in zip(tensor, angles, mirrored, strict=True)
        ]
        return torch.stack(turned)

    return batch.each(moved)


def crop_batch(batch: Batch, side: int) -> Batch:
    """The same random square of everything in a batch.

    Args:
        batch: Images ``(B, C, H, W)`` and what belongs to them.
        side: Side in pixels; 0, or a side that is no smaller than the image, leaves all as it is.
    """
    square = _square(batch, side)
    if square is None:
        return batch
    top, left, side = square
    rows, columns = slice(top, top + side), slice(left, left + side)
    return batch.each(lambda name, t: t if name == "label" else t[..., rows, columns])


def _square(batch: Batch, side: int) -> tuple[int, int, int] | None:
    """Top, left and side of a random square, unless it would be the whole image."""
    height, width = batch.image.shape[-2:]
    if side == 0 or side >= min(height, width):
        return None
    top = int(torch.randint(height - side + 1, ()))
    return top, int(torch.randint(width - side + 1, ())), side


def _turned(
    case: Tensor,
    angle: float,
    how: T.InterpolationMode,
    fill: float,
    square: tuple[int, int, int] | None,
) -> Tensor:
    """One case turned about its centre, or a square of that.

    Turning is the dear part: for a square, only the pixels that can fall into it are turned, about
    the place that lands in its centre, to the nearest pixel.
    """
    fills = [fill] * len(case)
    if square is None:
        return cast(Tensor, T.rotate(case, angle, how, fill=fills))
    top, left, side = square
    down, right = (
        place + (side - extent) / 2
        for place, extent in zip((top, left), case.shape[1:], strict=True)
    )
    cosine, sine = math.cos(math.radians(angle)), math.sin(math.radians(angle))
    reach = math.ceil(side * math.sqrt(0.5)) + 1
    # Angles count anti-clockwise with y downwards, so the way back is clockwise.
    row = round(case.shape[1] / 2 + cosine * down + sine * right) - reach
    column = round(case.shape[2] / 2 + cosine * right - sine * down) - reach
    # T.crop fills with zeros what lies beyond the border.
    window = T.crop(case - fill, row, column, 2 * reach, 2 * reach) + fill
    turned = T.rotate(window, angle, how, fill=fills)
    return cast(Tensor, T.center_crop(turned, [side, side]))
