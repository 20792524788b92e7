"""Read cases that are volumes, at their own size and as blocks of the run's size."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from benchbed.api.specs import DatasetSpec
from benchbed.api.types import CropBox
from benchbed.data.io.arrays import read_volume_row
from benchbed.data.io.geometry import Geometry, measure_offset
from benchbed.data.io.volumes import (
    Codes,
    Volume,
    Voxels,
    load_volume,
    normalize_robust,
    read_geometry,
    read_label_volume,
)
from benchbed.data.sources.cases import Case
from benchbed.data.sources.extent import Extent
from benchbed.data.sources.rules import ReadingRules
from benchbed.errors import BenchbedError

Shape = tuple[int, int, int]


def compute_box(geometry: Geometry, extent: Extent) -> CropBox:
    """Return the box of a volume that becomes the block.

    The box is rounded to whole voxels of the volume, so its sides differ from `extent` by up to
    half a voxel.

    Args:
        geometry: Shape and spacing of the volume.
        extent: ``(D, H, W)`` of the box in millimetres, the same for all cases of a dataset.

    Returns:
        A box around the centre; it extends beyond a smaller volume.
    """
    depth, height, width = (
        max(1, round(length / distance))
        for length, distance in zip(extent, geometry.spacing, strict=True)
    )
    first, top, left = (
        (length - side) // 2
        for length, side in zip(geometry.shape, (depth, height, width), strict=True)
    )
    return CropBox((first, top, left), (depth, height, width))


def resample_box(volume: Voxels, box: CropBox, spatial: Shape, fill: float = 0.0) -> Voxels:
    """Resample a box of a volume: area mean to shrink, linear to enlarge, along each axis.

    Area means count cut voxels in part: rounding to whole voxels would shift every second one of
    240 that become 128 by up to a third of its size.

    Args:
        volume: ``(C, D, H, W)``. A single slice is repeated over the depth, since means with the
            space beside it would dim it.
        box: Part of the volume; it may extend beyond.
        spatial: ``(D, H, W)`` of the block.
        fill: Value beyond the volume.

    Returns:
        ``(C, *spatial)``.
    """
    block = volume - np.float32(fill)
    for axis, (start, length, size) in enumerate(zip(box.start, box.shape, spatial, strict=True)):
        if axis == 0 and volume.shape[1] == 1:
            weights = np.ones((size, 1), np.float32)
        else:
            # Only the voxels of the volume: the box can be much larger than it.
            weights = _compute_weights(length, size, start, volume.shape[1 + axis])
        block = _apply_weights(block, weights, 1 + axis)
    return np.asarray(block + np.float32(fill), np.float32)


def resample_labels(codes: npt.NDArray[np.uint8], box: CropBox, spatial: Shape) -> Codes:
    """Resample a box of labels ``(D, H, W)`` by nearest neighbour; 0 beyond the volume.

    A single slice is repeated over the depth.
    """
    block = codes
    for axis, (start, length, size) in enumerate(zip(box.start, box.shape, spatial, strict=True)):
        nearest = start + ((2 * np.arange(size) + 1) * length) // (2 * size)
        if axis == 0 and codes.shape[0] == 1:
            nearest = np.zeros(size, np.intp)
        inside = (nearest >= 0) & (nearest < codes.shape[axis])
        taken = np.take(block, nearest.clip(0, codes.shape[axis] - 1), axis)
        block = taken * np.expand_dims(inside, tuple(n for n in range(3) if n != axis))
    return np.ascontiguousarray(block, np.uint8)


def restore_volume(values: Voxels, box: CropBox, shape: Shape) -> Voxels:
    """Resample a block to its box and place it in the volume: the inverse of `resample_box`.

    Args:
        values: ``(d, h, w)`` float32.
        box: Part of the volume that the block shows.
        shape: ``(D, H, W)`` of the volume.

    Returns:
        ``(D, H, W)`` float32; 0 outside the box.
    """
    result = np.zeros(shape, np.float32)
    inside = _find_inside(box, shape)
    for axis, (start, length) in enumerate(zip(box.start, box.shape, strict=True)):
        weights = _compute_weights(values.shape[axis], length)
        part = inside[axis]
        values = _apply_weights(values, weights[part.start - start : part.stop - start], axis)
    result[inside] = values
    return result


def make_box_mask(box: CropBox, shape: Shape) -> npt.NDArray[np.bool_]:
    """Return a mask of the voxels of a volume ``(D, H, W)`` that are inside the box."""
    mask = np.zeros(shape, bool)
    mask[_find_inside(box, shape)] = True
    return mask


def _find_inside(box: CropBox, shape: Shape) -> tuple[slice, slice, slice]:
    """Return the part of a volume that is inside a box around its centre."""
    depth, height, width = (
        slice(max(start, 0), min(start + length, size))
        for start, length, size in zip(box.start, box.shape, shape, strict=True)
    )
    return depth, height, width


def _apply_weights(values: Voxels, weights: Voxels, axis: int) -> Voxels:
    return np.moveaxis(np.tensordot(weights, values, axes=(1, axis)), 0, axis)


def _compute_weights(old: int, new: int, start: int = 0, available: int | None = None) -> Voxels:
    """Return the weights of voxels in the resampled voxels of an axis.

    Args:
        old: Number of voxels that are resampled.
        new: Number of voxels that they become.
        start: Position of the first of the `old` voxels on the axis.
        available: Number of voxels on the axis; `old` if None.

    Returns:
        ``(new, available)``; a row has the sum 1 unless it reaches beyond the axis.
    """
    voxel = np.arange(available if available is not None else old) - start
    if new < old:
        edges = np.arange(new + 1) * old / new
        ends = np.minimum(edges[1:, None], voxel + 1) - np.maximum(edges[:-1, None], voxel)
        return np.asarray(ends.clip(min=0) * new / old, np.float32)
    centres = ((np.arange(new) + 0.5) * old / new - 0.5).clip(0, old - 1)
    return np.asarray((1 - np.abs(centres[:, None] - voxel)).clip(min=0), np.float32)


MAX_OFFSET_VOXELS = 1.0
"""Maximum offset between the files of one case in voxels, since headers are rounded."""


def read_sequences(case: Case, spec: DatasetSpec) -> Volume:
    """Read the sequences of a case ``(C, D, H, W)``, each in [-1, 1], and their geometry.

    Raises:
        BenchbedError: A file cannot be read, or the number of sequences is wrong.
    """
    assert spec.volumes is not None
    if spec.archive is not None and case.page is not None:
        values = read_volume_row(case.image, spec.archive.images[case.split], case.page)
        depth, height, width = values.shape[1:]
        return Volume(values, Geometry((depth, height, width), np.eye(4)))
    raw = [load_volume(path, _get_slices(case, path)) for path in case.sequences or (case.image,)]
    geometry = raw[0].geometry
    shapes = {volume.geometry.shape for volume in raw}
    if len(shapes) > 1:
        sizes = ", ".join("x".join(map(str, shape)) for shape in sorted(shapes))
        raise BenchbedError(f"The sequences of {case.id} have different sizes: {sizes}.")
    for path, volume in zip(case.sequences[1:], raw[1:], strict=True):
        _require_aligned(path, volume.geometry, case.sequences[0], geometry)
    volumes = np.concatenate([volume.values for volume in raw])
    expected = len(spec.volumes.sequences)
    if len(volumes) != expected:
        raise BenchbedError(
            f"{case.image} has {len(volumes)} sequences, but {spec.name} expects {expected}: "
            f"{', '.join(spec.volumes.sequences)}."
        )
    ordered = volumes[list(case.channel_indices)] if case.channel_indices else volumes
    return Volume(np.stack([normalize_robust(volume) for volume in ordered]), geometry)


def read_labels(case: Case, spec: DatasetSpec, rules: ReadingRules) -> tuple[Codes, CropBox]:
    """Read the labels of a case, and compute the box that becomes the block.

    A mapping that the layout declares takes precedence over the rule of the dataset.

    Returns:
        Labels ``(D, H, W)``, and the box.

    Raises:
        BenchbedError: The labels cannot be read or are unknown.
    """
    assert case.mask is not None
    assert rules.extent is not None
    codes = read_label_volume(case.mask, case.label_mapping or rules.mask_levels.get("mask", {}))
    if int(codes.max()) > spec.structure_count:
        raise BenchbedError(
            f"{case.mask} contains structure {codes.max()}, but {spec.name} has only "
            f"{spec.structure_count}."
        )
    return codes, compute_box(read_geometry(case.mask), rules.extent)


def build_volume_arrays(
    case: Case, spec: DatasetSpec, rules: ReadingRules, size: int
) -> dict[str, npt.NDArray[Any]]:
    """Prepare a case: ``image`` float16 and, if it has a mask, ``mask`` uint8.

    Raises:
        BenchbedError: Its files cannot be read, or do not match each other.
    """
    assert spec.volumes is not None
    assert rules.extent is not None
    image = read_sequences(case, spec)
    spatial = spec.volumes.compute_shape(size)
    box = compute_box(image.geometry, rules.extent)
    block = resample_box(image.values, box, spatial, fill=-1.0)
    arrays: dict[str, npt.NDArray[Any]] = {"image": block.astype(np.float16)}
    if case.mask is not None:
        codes, _ = read_labels(case, spec, rules)
        if codes.shape != image.geometry.shape:
            raise BenchbedError(
                f"{case.mask} has {'x'.join(map(str, codes.shape))} voxels, but its image "
                f"{case.image} has {'x'.join(map(str, image.geometry.shape))}. A mask must have "
                "the size of its image."
            )
        _require_aligned(case.mask, read_geometry(case.mask), case.image, image.geometry)
        arrays["mask"] = resample_labels(codes, box, spatial)
    return arrays


def _get_slices(case: Case, path: Path) -> tuple[Path, ...]:
    return case.slices if path == case.image else ()


def _require_aligned(path: Path, place: Geometry, image: Path, image_place: Geometry) -> None:
    """Raise if the headers place a file elsewhere than its image."""
    if (distance := measure_offset(place, image_place)) > MAX_OFFSET_VOXELS:
        raise BenchbedError(
            f"{path} is offset by {distance:.3g} voxels from {image} according to the header "
            "affines. Files of one case must be aligned."
        )
