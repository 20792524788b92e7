"""Crop and resize volumes to blocks of the run's size, and back."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import torch
from torch.nn import functional as F

from benchbed.api.dataset import VolumeSpec
from benchbed.api.types import CropBox

Shape = tuple[int, int, int]
Voxels = npt.NDArray[np.float32]


def compute_box(shape: Shape, volumes: VolumeSpec) -> CropBox:
    """Return the box of a volume that becomes the block.

    Args:
        shape: ``(D, H, W)`` of the volume.
        volumes: Number of central slices to use, and whether the block is a cube.

    Returns:
        A box around the centre; it extends beyond a smaller volume.
    """
    if volumes.framing == "cube":
        side = max(shape)
        size = (side, side, side)
    else:
        size = (volumes.central_slices or shape[0], shape[1], shape[2])
    start = tuple((length - target) // 2 for length, target in zip(shape, size, strict=True))
    return CropBox((start[0], start[1], start[2]), size)


def crop_box(volume: npt.NDArray[Any], box: CropBox, fill: float = 0.0) -> npt.NDArray[Any]:
    """Crop a box from a volume ``(..., D, H, W)``, filled with `fill` beyond the edge."""
    result = np.full((*volume.shape[:-3], *box.shape), fill, volume.dtype)
    inside: list[slice] = []
    target: list[slice] = []
    for start, length, size in zip(box.start, box.shape, volume.shape[-3:], strict=True):
        first, last = max(start, 0), min(start + length, size)
        inside.append(slice(first, max(first, last)))
        target.append(slice(first - start, max(first, last) - start))
    (slices, rows, columns), (planes, lines, pixels) = inside, target
    result[..., planes, lines, pixels] = volume[..., slices, rows, columns]
    return result


def resize_volume(volume: Voxels, spatial: Shape) -> Voxels:
    """Resize ``(C, D, H, W)`` to ``(C, *spatial)``: area mean to shrink, trilinear to enlarge.

    Area means count cut voxels in part: rounding to whole voxels would shift every second one of
    240 that become 128 by up to a third of its size.
    """
    shrunk = volume
    for axis, (old, new) in enumerate(zip(volume.shape[-3:], spatial, strict=True), start=1):
        if new < old:
            means = np.tensordot(_compute_overlaps(old, new), shrunk, axes=(1, axis))
            shrunk = np.moveaxis(means, 0, axis)
    tensor = torch.from_numpy(np.ascontiguousarray(shrunk, np.float32))[None]
    return np.asarray(_resize_tensor(tensor, spatial, "trilinear")[0].numpy())


def _compute_overlaps(old: int, new: int) -> Voxels:
    """Return how much of each of `new` equal parts of an axis each voxel covers."""
    edges = np.arange(new + 1) * old / new
    voxel = np.arange(old)
    inside = np.minimum(edges[1:, None], voxel + 1) - np.maximum(edges[:-1, None], voxel)
    return np.asarray(inside.clip(min=0) * new / old, np.float32)


def resize_labels(codes: npt.NDArray[np.uint8], spatial: Shape) -> npt.NDArray[np.uint8]:
    """Resize labels ``(D, H, W)`` to `spatial` by nearest neighbour."""
    tensor = torch.from_numpy(np.ascontiguousarray(codes, np.float32))[None, None]
    return _resize_tensor(tensor, spatial, "nearest-exact")[0, 0].to(torch.uint8).numpy()


def restore_volume(values: Voxels, box: CropBox, shape: Shape) -> Voxels:
    """Resize a block to its box and place it in the volume: the inverse of `crop_box`.

    Args:
        values: ``(d, h, w)`` float32.
        box: Part of the volume that the block shows.
        shape: ``(D, H, W)`` of the volume.

    Returns:
        ``(D, H, W)`` float32, trilinear; 0 outside the box.
    """
    tensor = torch.from_numpy(np.ascontiguousarray(values, np.float32))[None, None]
    resized = np.asarray(_resize_tensor(tensor, box.shape, "trilinear")[0, 0].numpy())
    return crop_box(resized, invert_box(box, shape))


def make_box_mask(box: CropBox, shape: Shape) -> npt.NDArray[np.bool_]:
    """Return a mask of the voxels of a volume ``(D, H, W)`` that are inside the box."""
    return crop_box(np.ones(box.shape, bool), invert_box(box, shape))


def invert_box(box: CropBox, shape: Shape) -> CropBox:
    """Return the box that crops the whole volume out of `box`."""
    return CropBox((-box.start[0], -box.start[1], -box.start[2]), shape)


def _resize_tensor(
    tensor: torch.Tensor, spatial: Shape, mode: Literal["trilinear", "nearest-exact"]
) -> torch.Tensor:
    if tensor.shape[2:] == spatial:
        return tensor
    corners = False if mode == "trilinear" else None
    return F.interpolate(tensor, size=spatial, mode=mode, align_corners=corners)
