"""Read cases that are volumes, at their own size and as blocks of the run's size."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from benchbed.api.specs import DatasetSpec
from benchbed.api.types import CropBox
from benchbed.data.io.volumes import (
    Codes,
    Voxels,
    measure_offset,
    normalize_robust,
    read_label_volume,
    read_volume,
)
from benchbed.data.preprocessing.blocks import compute_box, crop_box, resize_labels, resize_volume
from benchbed.data.sources.cases import Case
from benchbed.errors import BenchbedError

MAX_OFFSET_VOXELS = 1.0
"""Maximum offset between the files of one case in voxels, since headers are rounded."""


def read_sequences(case: Case, spec: DatasetSpec) -> Voxels:
    """Read the sequences of a case ``(C, D, H, W)``, each in [-1, 1].

    Raises:
        BenchbedError: A file cannot be read, or the number of sequences is wrong.
    """
    assert spec.volumes is not None
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
