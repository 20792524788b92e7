"""A volume of any shape to a block of the run's size, and back."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import torch
from torch.nn import functional as F

from benchbed.api.layouts import Volumes
from benchbed.api.types import Box

Shape = tuple[int, int, int]
Voxels = npt.NDArray[np.float32]


def box_of(shape: Shape, volumes: Volumes) -> Box:
    """The part of a volume that becomes the block.

    Args:
        shape: ``(D, H, W)`` of the volume.
        volumes: Says how many central slices are kept, and whether the block is a cube.

    Returns:
        A box about the middle; it reaches beyond the volume where that is smaller.
    """
    if volumes.framing == "cube":
        side = max(shape)
        wanted = (side, side, side)
    else:
        wanted = (volumes.slices or shape[0], shape[1], shape[2])
    start = tuple((have - want) // 2 for have, want in zip(shape, wanted, strict=True))
    return Box((start[0], start[1], start[2]), wanted)


def cut_box(volume: npt.NDArray[Any], box: Box, fill: float = 0.0) -> npt.NDArray[Any]:
    """The box of a volume ``(..., D, H, W)``; `fill` beyond its edge."""
    result = np.full((*volume.shape[:-3], *box.shape), fill, volume.dtype)
    inside: list[slice] = []
    target: list[slice] = []
    for start, length, have in zip(box.start, box.shape, volume.shape[-3:], strict=True):
        first, last = max(start, 0), min(start + length, have)
        inside.append(slice(first, max(first, last)))
        target.append(slice(first - start, max(first, last) - start))
    (slices, rows, columns), (into, onto, across) = inside, target
    result[..., into, onto, across] = volume[..., slices, rows, columns]
    return result


def resample(volume: Voxels, spatial: Shape) -> Voxels:
    """Resize ``(C, D, H, W)`` to ``(C, *spatial)``: means where it shrinks, trilinear elsewhere.

    Means are over exact areas, voxels that are cut counted in part: whole voxels alone would shift
    every second one of 240 that become 128 by up to a third of its size.
    """
    shrunk = volume
    for axis, (have, wanted) in enumerate(zip(volume.shape[-3:], spatial, strict=True), start=1):
        if wanted < have:
            means = np.tensordot(_shares(have, wanted), shrunk, axes=(1, axis))
            shrunk = np.moveaxis(means, 0, axis)
    tensor = torch.from_numpy(np.ascontiguousarray(shrunk, np.float32))[None]
    return np.asarray(_resized(tensor, spatial, "trilinear")[0].numpy())


def _shares(have: int, wanted: int) -> Voxels:
    """Of each of `wanted` equal parts of an axis, how much of it each voxel fills."""
    edges = np.arange(wanted + 1) * have / wanted
    voxel = np.arange(have)
    inside = np.minimum(edges[1:, None], voxel + 1) - np.maximum(edges[:-1, None], voxel)
    return np.asarray(inside.clip(min=0) * wanted / have, np.float32)


def resample_codes(codes: npt.NDArray[np.uint8], spatial: Shape) -> npt.NDArray[np.uint8]:
    """Resize ``(D, H, W)`` to `spatial`, each voxel the nearest one's number."""
    tensor = torch.from_numpy(np.ascontiguousarray(codes, np.float32))[None, None]
    return _resized(tensor, spatial, "nearest-exact")[0, 0].to(torch.uint8).numpy()


def put_back_box(values: Voxels, box: Box, shape: Shape) -> Voxels:
    """A block of the run's size back in its volume: the reverse of `cut_box` and of the resizing.

    Args:
        values: ``(d, h, w)`` float32.
        box: The part of the volume that the block shows.
        shape: ``(D, H, W)`` of the volume.

    Returns:
        ``(D, H, W)`` float32, trilinear; 0 where the box does not reach.
    """
    tensor = torch.from_numpy(np.ascontiguousarray(values, np.float32))[None, None]
    whole = np.asarray(_resized(tensor, box.shape, "trilinear")[0, 0].numpy())
    return cut_box(whole, inverse(box, shape))


def inside(box: Box, shape: Shape) -> npt.NDArray[np.bool_]:
    """Which voxels of a volume ``(D, H, W)`` its box holds."""
    return cut_box(np.ones(box.shape, bool), inverse(box, shape))


def inverse(box: Box, shape: Shape) -> Box:
    """The whole volume, as seen from its box."""
    return Box((-box.start[0], -box.start[1], -box.start[2]), shape)


def _resized(
    tensor: torch.Tensor, spatial: Shape, mode: Literal["trilinear", "nearest-exact"]
) -> torch.Tensor:
    if tensor.shape[2:] == spatial:
        return tensor
    corners = False if mode == "trilinear" else None
    return F.interpolate(tensor, size=spatial, mode=mode, align_corners=corners)
