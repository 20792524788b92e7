"""Read cases that are volumes, at their own size and as blocks of the run's size."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import torch
from torch.nn import functional as F

from benchbed.api.dataset import VolumeSpec
from benchbed.api.specs import DatasetSpec
from benchbed.api.types import CropBox
from benchbed.data.io.arrays import read_volume_row
from benchbed.data.io.volumes import (
    Codes,
    Voxels,
    measure_offset,
    normalize_robust,
    read_label_volume,
    read_volume,
)
from benchbed.data.sources.cases import Case
from benchbed.errors import BenchbedError

Shape = tuple[int, int, int]


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


MAX_OFFSET_VOXELS = 1.0
"""Maximum offset between the files of one case in voxels, since headers are rounded."""


def read_sequences(case: Case, spec: DatasetSpec) -> Voxels:
    """Read the sequences of a case ``(C, D, H, W)``, each in [-1, 1].

    Raises:
        BenchbedError: A file cannot be read, or the number of sequences is wrong.
    """
    assert spec.volumes is not None
    if spec.archive is not None and case.page is not None:
        return read_volume_row(case.image, spec.archive.images[case.split], case.page)
    raw = [read_volume(path) for path in case.sequences or (case.image,)]
    shapes = {volume.shape[1:] for volume in raw}
    if len(shapes) > 1:
        sizes = ", ".join("x".join(map(str, shape)) for shape in sorted(shapes))
        raise BenchbedError(f"The sequences of {case.id} have different sizes: {sizes}.")
    for path in case.sequences[1:]:
        _require_aligned(path, case.sequences[0])
    volumes = np.concatenate(raw)
    expected = len(spec.volumes.sequences)
    if len(volumes) != expected:
        raise BenchbedError(
            f"{case.image} has {len(volumes)} sequences, but {spec.name} expects {expected}: "
            f"{', '.join(spec.volumes.sequences)}."
        )
    ordered = volumes[list(case.channel_indices)] if case.channel_indices else volumes
    return np.stack([normalize_robust(volume) for volume in ordered])


def read_labels(case: Case, spec: DatasetSpec) -> tuple[Codes, CropBox]:
    """Read the labels of a case, and compute the box that becomes the block.

    Returns:
        Labels ``(D, H, W)``, and the box.

    Raises:
        BenchbedError: The labels cannot be read or are unknown.
    """
    assert spec.volumes is not None
    assert case.mask is not None
    codes = read_label_volume(case.mask, case.label_mapping)
    if int(codes.max()) > spec.structure_count:
        raise BenchbedError(
            f"{case.mask} contains structure {codes.max()}, but {spec.name} has only "
            f"{spec.structure_count}."
        )
    depth, height, width = codes.shape
    return codes, compute_box((depth, height, width), spec.volumes)


def build_volume_arrays(case: Case, spec: DatasetSpec, size: int) -> dict[str, npt.NDArray[Any]]:
    """Prepare a case: ``image`` float16 and, if it has a mask, ``mask`` uint8.

    Raises:
        BenchbedError: Its files cannot be read, or do not match each other.
    """
    assert spec.volumes is not None
    image = read_sequences(case, spec)
    _, depth, height, width = image.shape
    box, spatial = (
        compute_box((depth, height, width), spec.volumes),
        spec.volumes.compute_shape(size),
    )
    block = resize_volume(_crop_box(image, box, fill=-1.0), spatial)
    arrays: dict[str, npt.NDArray[Any]] = {"image": block.astype(np.float16)}
    if case.mask is not None:
        codes, _ = read_labels(case, spec)
        if codes.shape != image.shape[1:]:
            raise BenchbedError(
                f"{case.mask} has {'x'.join(map(str, codes.shape))} voxels, but its image "
                f"{case.image} has {'x'.join(map(str, image.shape[1:]))}. A mask must have the "
                "size of its image."
            )
        _require_aligned(case.mask, case.image)
        arrays["mask"] = resize_labels(_crop_box(codes, box), spatial)
    return arrays


def _crop_box(volume: npt.NDArray[Any], box: CropBox, fill: float = 0.0) -> npt.NDArray[Any]:
    """Crop a box; repeat a single slice over the depth, since means with padding would dim it."""
    if volume.shape[-3] > 1:
        return crop_box(volume, box, fill)
    (_, row, column), (depth, *plane) = box.start, box.shape
    slice_alone = crop_box(volume, CropBox((0, row, column), (1, plane[0], plane[1])), fill)
    return np.repeat(slice_alone, depth, axis=-3)


def _require_aligned(path: Path, image: Path) -> None:
    """Raise if the headers place a file elsewhere than its image."""
    if (distance := measure_offset(path, image)) > MAX_OFFSET_VOXELS:
        raise BenchbedError(
            f"{path} is offset by {distance:.3g} voxels from {image} according to the header "
            "affines. Files of one case must be aligned."
        )
