"""Read volumes as arrays with fixed orientation, from NIfTI, NRRD, MetaImage and DICOM files."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from nibabel.orientations import (
    aff2axcodes,
    apply_orientation,
    inv_ornt_aff,
    io_orientation,
)

from benchbed.data.io.geometry import Affine, Geometry, check_affine
from benchbed.data.io.images import ROBUST_PERCENTILES
from benchbed.data.io.volume_header import VolumeHeader
from benchbed.errors import BenchbedError

Voxels = npt.NDArray[np.float32]
Codes = npt.NDArray[np.uint8]
LabelValues = npt.NDArray[np.int32]

ITK_SUFFIXES = (".nrrd", ".nhdr", ".mha", ".mhd")
"""Suffixes of files that ITK reads; nibabel reads the others."""

LABEL_TOLERANCE = 1e-3
"""Maximum distance of a label from an integer, as in masks that were resampled or scaled."""

MAX_LISTED_VALUES = 4096
"""Maximum number of different labels that are counted in the facts of a mask."""

_MAX_COUNTED_RANGE = 2**16
"""Maximum range of labels that are counted without sorting."""

BACKGROUND_SHARE = 0.05
"""Share of voxels with one value from which that value is the background."""


@dataclass(frozen=True)
class Volume:
    """Voxels and their position.

    Attributes:
        values: ``(C, D, H, W)``, as stored.
        geometry: Shape, spacing and position.
        orientation: Directions of the stored axes, such as ``LPS``; empty if the file has none.
    """

    values: npt.NDArray[Any]
    geometry: Geometry
    orientation: str = ""


def read_volume(path: Path, slices: Sequence[Path] = ()) -> Voxels:
    """Read the voxels of `load_volume`, ``(C, D, H, W)``."""
    return load_volume(path, slices).values


def load_volume(path: Path, slices: Sequence[Path] = ()) -> Volume:
    """Read a volume with its axes in standard order and direction.

    The file's axes are permuted and flipped to the nearest of right, anterior, superior; oblique
    volumes are not resampled.

    Args:
        path: A file of three axes, or of four with the sequences last. A file of two axes is an
            axial slice, first row on top, and becomes a volume of one slice with voxels of 1 mm.
        slices: Files of a DICOM series in order, the first of which is `path`; empty if `path`
            holds all.

    Returns:
        Values float32 ``(C, D, H, W)``, C = 1 for three axes, and their geometry.

    Raises:
        BenchbedError: The file cannot be read, has other axes or non-finite voxels, or a
            sequence is constant; or its spacing is impossible.
    """
    stored = _load_stored(path, slices)
    with np.errstate(over="ignore"):  # refused below
        values = np.ascontiguousarray(stored.values, np.float32)
    if not np.isfinite(values).all():
        raise BenchbedError(f"{path} contains NaN or infinite voxels.")
    for number, sequence in enumerate(values, 1):
        if sequence.min() == sequence.max():
            suffix = f" in its sequence {number} of {len(values)}" if len(values) > 1 else ""
            raise BenchbedError(f"{path} is constant: all voxels are {sequence.flat[0]:g}{suffix}.")
    return replace(stored, values=values)


def read_label_values(path: Path) -> LabelValues:
    """Read the labels of a mask as stored, ``(D, H, W)``; 0.9999999 is 1.

    Raises:
        BenchbedError: The file cannot be read, contains several volumes, or values that are no
            integers.
    """
    return _load_labels(path)[0]


def _load_labels(path: Path) -> tuple[LabelValues, Volume]:
    stored = _load_stored(path)
    if len(stored.values) != 1:
        raise BenchbedError(
            f"{path} contains {len(stored.values)} volumes, but a mask must be a single volume."
        )
    values = stored.values[0]
    if not np.isfinite(values).all():
        raise BenchbedError(f"{path} contains NaN or infinite voxels.")
    if values.dtype.kind == "f":
        rounded = np.rint(values)
        if (distant := np.abs(values - rounded) > LABEL_TOLERANCE).any():
            found = np.unique(values[distant])
            raise BenchbedError(
                f"{path} contains {_list_examples(found.tolist())}. The labels of a mask must be "
                "integers."
            )
        values = rounded
    limits = np.iinfo(np.int32)
    if values.min() < limits.min or values.max() > limits.max:
        raise BenchbedError(f"{path} contains labels beyond 32 bits.")
    return np.ascontiguousarray(values, np.int32), stored


def read_label_volume(path: Path, codes: Mapping[int, int]) -> Codes:
    """Read a label volume as classes.

    Args:
        path: A file of three axes.
        codes: Stored value to class; 0 is always background. Empty if they are equal.

    Returns:
        ``(D, H, W)``; all 0 if the file has none of the classes.

    Raises:
        BenchbedError: The file cannot be read, or has an unknown label.
    """
    values = read_label_values(path)
    known = {0: 0, **codes} if codes else {n: n for n in range(256)}
    if unknown := [value for value in count_labels(values) if value not in known]:
        raise BenchbedError(
            f"{path} contains the unknown label{'s' if len(unknown) > 1 else ''} "
            f"{_list_examples(unknown)}. Known labels: "
            f"{', '.join(str(number) for number in known) if codes else '0 to 255'}."
        )
    stored = np.asarray(sorted(known))
    classes = np.asarray([known[int(value)] for value in stored], np.uint8)
    # Plane by plane, since positions take eight bytes per voxel.
    return np.stack([classes[np.searchsorted(stored, plane)] for plane in values])


def count_labels(values: LabelValues) -> dict[int, int]:
    """Return the number of voxels of each label that occurs, in ascending order."""
    lowest, highest = int(values.min()), int(values.max())
    if highest - lowest >= _MAX_COUNTED_RANGE:
        labels, totals = np.unique(values, return_counts=True)
        return dict(zip(labels.tolist(), totals.tolist(), strict=True))
    counts = np.zeros(highest - lowest + 1, np.int64)
    # Counting is faster than sorting; plane by plane, since bincount widens them.
    for plane in values:
        counts += np.bincount((plane - lowest).ravel(), minlength=len(counts))
    return {int(n) + lowest: int(counts[n]) for n in np.flatnonzero(counts)}


def read_geometry(path: Path) -> Geometry:
    """Read shape, spacing and position of a volume in one file, without its voxels.

    Raises:
        BenchbedError: The file cannot be read, or its spacing is impossible.
    """
    if not path.is_file():
        raise BenchbedError(f"{path} does not exist.")
    header = _read_header(path)
    if header.affine is None:
        rows, columns = header.shape
        return Geometry((1, rows, columns), np.eye(4))
    check_affine(path, header.affine)
    return _orient_geometry(header.shape, header.affine)


def examine_volume(path: Path, role: str, slices: Sequence[Path] = ()) -> dict[str, str]:
    """Decode a volume and return its facts.

    Args:
        path: The file.
        role: ``"mask"``, or that of an image.
        slices: Files of a DICOM series in order; empty if `path` holds all.

    Returns:
        ``shape`` (``CxDxHxW``, of a mask ``DxHxW``), ``spacing`` (``D,H,W`` in millimetres) and
        ``affine`` (JSON), both as read, and ``orientation`` as stored; of an image also ``low``
        and ``high``, its smallest and largest value; of a mask ``values`` (JSON, stored value to
        number of voxels, or ``"many"``) and ``largest``.

    Raises:
        BenchbedError: The file cannot be read.
    """
    if role == "mask":
        labels, volume = _load_labels(path)
        counts = count_labels(labels)
        listed = json.dumps(counts) if len(counts) <= MAX_LISTED_VALUES else "many"
        facts = {"values": listed, "largest": str(max(counts))}
        shape: tuple[int, ...] = labels.shape
    else:
        volume = load_volume(path, slices)
        low, high = float(volume.values.min()), float(volume.values.max())
        shape, facts = volume.values.shape, {"low": f"{low:g}", "high": f"{high:g}"}
    geometry = volume.geometry
    return {
        "shape": "x".join(map(str, shape)),
        "spacing": ",".join(f"{distance:.6g}" for distance in geometry.spacing),
        "affine": json.dumps(geometry.affine.round(6).tolist()),
        "orientation": volume.orientation,
        **facts,
    }


def normalize_robust(volume: Voxels) -> Voxels:
    """Normalise a sequence to [-1, 1]; files of one dataset differ in range by thousands of times.

    The volume is ``(D, H, W)`` in any unit. The background is the value 0, or else the minimum, if
    at least 5 % of voxels have it; it becomes -1. Of the rest, the 0.5th percentile becomes -1 and
    the 99.5th 1.
    """
    background = next(
        (v for v in (0.0, volume.min()) if np.mean(volume == v) >= BACKGROUND_SHARE), None
    )
    # Not ``> least``: standardised brains have values on both sides of a background of 0.
    inside = np.ones(volume.shape, bool) if background is None else volume != background
    low, high = np.percentile(volume[inside], ROBUST_PERCENTILES)
    if high <= low:
        return np.where(inside, np.float32(1), np.float32(-1))
    scaled = ((volume - low) / (high - low) * 2 - 1).clip(-1, 1)
    return np.where(inside, scaled, -1).astype(np.float32)


def _load_stored(path: Path, slices: Sequence[Path] = ()) -> Volume:
    """Read stored values ``(C, D, H, W)`` in standard orientation."""
    values, affine = _read_series(slices) if slices else _read_file(path)
    if affine is None:
        # Headers of slices carry no position.
        return Volume(values[None, None, ::-1], Geometry((1, *values.shape), np.eye(4)))
    check_affine(path, affine)
    turn = io_orientation(affine)  # type: ignore[no-untyped-call]
    channels_last = values if values.ndim == 4 else values[..., None]
    turned = apply_orientation(channels_last, turn)  # type: ignore[no-untyped-call]
    codes = aff2axcodes(affine)  # type: ignore[no-untyped-call]
    geometry = _orient_geometry(values.shape, affine)
    return Volume(turned.transpose(3, 2, 1, 0), geometry, "".join(codes))


def _orient_geometry(shape: Sequence[int], affine: Affine) -> Geometry:
    turn = io_orientation(affine)  # type: ignore[no-untyped-call]
    column, row, depth = np.argsort(turn[:, 0])
    turned = affine @ inv_ornt_aff(turn, shape[:3])  # type: ignore[no-untyped-call]
    return Geometry((shape[depth], shape[row], shape[column]), turned)


def _read_series(slices: Sequence[Path]) -> tuple[npt.NDArray[Any], Affine]:
    # pydicom is slow to import, and other volumes do not need it.
    from benchbed.data.io.dicom import read_dicom_volume

    values, affine = read_dicom_volume(slices)
    return values, affine


def _read_file(path: Path) -> tuple[npt.NDArray[Any], Affine | None]:
    if not path.is_file():
        raise BenchbedError(f"{path} does not exist.")
    # Each library is slow to import, and few users need both.
    if path.name.lower().endswith(ITK_SUFFIXES):
        from benchbed.data.io.itk import read_itk

        return read_itk(path)
    from benchbed.data.io.nifti import read_nifti

    return read_nifti(path)


def _read_header(path: Path) -> VolumeHeader:
    if path.name.lower().endswith(ITK_SUFFIXES):
        from benchbed.data.io.itk import read_itk_header

        return read_itk_header(path)
    from benchbed.data.io.nifti import read_nifti_header

    return read_nifti_header(path)


def _list_examples(values: Sequence[float]) -> str:
    return ", ".join(f"{value:g}" for value in values[:5])
