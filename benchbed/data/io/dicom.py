"""Read DICOM files: single images, frames, and series of slices as volumes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from benchbed.api.dataset import DICOM_SUFFIXES, GZIP_SUFFIX, IMAGE_SUFFIXES, VOLUME_SUFFIXES
from benchbed.data.io.dicom_file import DicomFile, DicomSlice
from benchbed.errors import BenchbedError

Values = npt.NDArray[Any]
Vector = npt.NDArray[np.float64]

_MAGIC_OFFSET = 128
_SPACING_TOLERANCE = 0.1
"""Deviation from even spacing, in slices, up to which positions are rounded, not irregular."""

_LATERAL_TOLERANCE = 1.0
"""Shift in mm from one slice to the next up to which positions are rounded."""

_ANGLE_TOLERANCE = 1e-3
"""Largest difference of direction cosines of slices that have the same orientation."""


@dataclass(frozen=True)
class DicomHeader:
    """What is used of a DICOM header; no other field leaves `dicom_file`.

    Attributes:
        patient: First 12 hexadecimal digits of the SHA-256 of the patient id; empty without one.
        series: The same of the series UID.
        position: Position along the normal of the slices in mm; None if it has none.
        number: Number in the series, or None.
        frames: Number of frames.
        shape: Rows and columns.
        modality: Modality, such as ``"CT"``; empty if not stated.
        window: Values that the file's first window shows as black and white; None if there is
            none, or a table that is applied instead.
        spacing: Distance of rows and of columns in mm, or None.
    """

    patient: str
    series: str
    position: float | None
    number: int | None
    frames: int
    shape: tuple[int, int]
    modality: str
    window: tuple[float, float] | None
    spacing: tuple[float, float] | None


def is_dicom(path: Path) -> bool:
    """Return whether a file has a suffix of DICOM, or none that is known and DICOM's signature."""
    name = path.name.lower()
    if name.endswith(DICOM_SUFFIXES):
        return True
    if name.endswith((*IMAGE_SUFFIXES, *VOLUME_SUFFIXES, GZIP_SUFFIX)):
        return False
    try:
        with path.open("rb") as file:
            file.seek(_MAGIC_OFFSET)
            return file.read(4) == b"DICM"
    except OSError:
        return False


def read_dicom_header(path: Path) -> DicomHeader:
    """Read what is used of a header, without the pixels.

    Raises:
        BenchbedError: The file is no DICOM image.
    """
    file = DicomFile(path, with_pixels=False)
    return DicomHeader(
        patient=file.patient,
        series=file.series,
        position=file.position,
        number=file.number,
        frames=file.frames,
        shape=file.shape,
        modality=file.modality,
        window=file.window,
        spacing=file.spacing,
    )


def read_dicom_values(path: Path, frame: int = 0) -> Values:
    """Read a frame.

    The modality LUT and VOI LUT tables are applied, MONOCHROME1 is inverted, and padding becomes
    the smallest other value. A window is not applied, since one window is used for a dataset.

    Returns:
        Grey ``(H, W)`` float32 in the file's units, higher is brighter; or RGB ``(H, W, 3)`` uint8.

    Raises:
        BenchbedError: The file is no DICOM image, is damaged, has no such frame, or a transfer
            syntax that cannot be decoded, which is named.
    """
    values, _ = next(decode_dicom_frames(path, (frame,)))
    return values


def decode_dicom_frames(path: Path, frames: Sequence[int]) -> Iterator[tuple[Values, str]]:
    """Decode frames of a file as `read_dicom_values` does.

    Yields:
        The values, and the bits per channel: ``"1"``, ``"8"`` if the values are from 0 to 255, or
        deeper, such as ``"16"`` or ``"32f"``.

    Raises:
        BenchbedError: As in `read_dicom_values`.
    """
    file = DicomFile(path)
    for frame in frames:
        yield file.decode_frame(frame)


def read_dicom_volume(paths: Sequence[Path]) -> tuple[npt.NDArray[np.float32], Vector]:
    """Read a series of slices, or one file of several frames, as a volume.

    Slices are ordered by their position along the normal.

    Returns:
        Values ``(D, H, W)``, as in `read_dicom_values`, and the affine ``(4, 4)`` from the index
        ``(d, h, w, 1)`` to millimetres towards right, anterior and superior.

    Raises:
        BenchbedError: A file cannot be decoded or has no position; or slices are of different
            series, sizes or orientations, share a position, are missing or unevenly spaced.
    """
    slices = [found for path in paths for found in DicomFile(path, with_pixels=False).list_slices()]
    if len(slices) < 2:
        raise BenchbedError(
            f"{paths[0].parent} has one slice of its series, but a volume needs two or more."
        )
    _check_equal_geometry(slices)
    slices.sort(key=lambda found: found.position)
    step = _find_step(slices)
    affine = _build_affine(slices[0], step)
    return np.stack([*_decode_slices(slices)]), affine


def _decode_slices(slices: Sequence[DicomSlice]) -> Iterator[npt.NDArray[np.float32]]:
    for path, group in groupby(slices, key=lambda found: found.path):
        file = DicomFile(path)
        for found in group:
            values, _ = file.decode_frame(found.frame)
            if values.ndim != 2:
                raise BenchbedError(f"{path} has colours. The slices of a volume must be grey.")
            yield values


def _check_equal_geometry(slices: Sequence[DicomSlice]) -> None:
    first = slices[0]
    for other in slices[1:]:
        turns = (other.row_axis - first.row_axis, other.column_axis - first.column_axis)
        differs = {
            "series": other.series != first.series,
            "sizes": other.shape != first.shape,
            "pixel spacings": not np.allclose(other.spacing, first.spacing, rtol=1e-3),
            "orientations": np.abs(turns).max() > _ANGLE_TOLERANCE,
        }
        for name, is_different in differs.items():
            if is_different:
                raise BenchbedError(
                    f"{first.path} and {other.path} have different {name}, so they are not slices "
                    "of one volume."
                )


def _find_step(slices: Sequence[DicomSlice]) -> Vector:
    """Return the vector from one slice to the next, in mm; the slices are in order."""
    gaps = np.diff([found.position for found in slices])
    usual = float(np.median(gaps))
    for (one, other), gap in zip(pairwise(slices), gaps, strict=True):
        if gap <= _SPACING_TOLERANCE * usual or gap < 1e-3:
            raise BenchbedError(f"{_name_slice(one)} and {_name_slice(other)} have one position.")
        if abs(gap - usual) > _SPACING_TOLERANCE * usual:
            raise BenchbedError(
                f"{_name_slice(one)} and {_name_slice(other)} are {gap:.3g} mm apart, but most "
                f"slices of their series {usual:.3g} mm. Slices are missing, or unevenly spaced."
            )
    origins = np.stack([found.origin for found in slices])
    steps = np.diff(origins, axis=0)
    deviations = np.linalg.norm(steps - np.median(steps, axis=0), axis=1)
    worst = int(deviations.argmax())
    if deviations[worst] > max(_LATERAL_TOLERANCE, usual):
        raise BenchbedError(
            f"{_name_slice(slices[worst])} and {_name_slice(slices[worst + 1])} are shifted by "
            f"{deviations[worst]:.3g} mm, so they are not slices of one volume."
        )
    return np.asarray((origins[-1] - origins[0]) / (len(slices) - 1))


def _name_slice(found: DicomSlice) -> str:
    return f"{found.path}, frame {found.frame + 1}," if found.frame else str(found.path)


def _build_affine(first: DicomSlice, step: Vector) -> Vector:
    """Build the affine of a volume; DICOM's axes point to left, posterior and superior."""
    affine = np.eye(4)
    affine[:3, 0] = step
    affine[:3, 1] = first.column_axis * first.spacing[0]
    affine[:3, 2] = first.row_axis * first.spacing[1]
    affine[:3, 3] = first.origin
    affine[:2] *= -1
    return affine
