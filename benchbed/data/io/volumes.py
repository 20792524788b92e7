"""Read NIfTI files as arrays with fixed orientation and range."""

from __future__ import annotations

import gzip
import itertools
import math
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import numpy.typing as npt
from nibabel import as_closest_canonical
from nibabel.filebasedimages import ImageFileError
from nibabel.orientations import OrientationError, inv_ornt_aff, io_orientation
from nibabel.spatialimages import HeaderDataError

from benchbed.api.dataset import GZIP_SUFFIX
from benchbed.data.io.images import ROBUST_PERCENTILES
from benchbed.errors import BenchbedError, describe_error

Voxels = npt.NDArray[np.float32]
Codes = npt.NDArray[np.uint8]

MAX_VOXELS = 2**30
"""Maximum number of voxels: a larger header is damaged; a whole-body CT has a quarter of this."""

_CHUNK_BYTES = 2**20
"""Bytes per read when only the checksum is verified."""

# What nibabel raises for damaged headers and for files of other kinds.
_READ_ERRORS = (
    OSError,
    EOFError,
    OverflowError,
    TypeError,
    ValueError,
    zlib.error,
    np.linalg.LinAlgError,
    ImageFileError,
    HeaderDataError,
    OrientationError,
)

BACKGROUND_SHARE = 0.05
"""Share of voxels with one value from which that value is the background."""


def read_volume(path: Path) -> Voxels:
    """Read a volume with its axes in standard order and direction.

    The file's axes are permuted and flipped to the nearest of right, anterior, superior; oblique
    volumes are not resampled.

    Args:
        path: A NIfTI file of three axes, or of four with the sequences last. A file of two axes is
            an axial slice, first row on top, and becomes a volume of one slice.

    Returns:
        ``(C, D, H, W)``, C = 1 for three axes.

    Raises:
        BenchbedError: The file cannot be read, has other axes or non-finite voxels, or a
            sequence is constant.
    """
    values = _load_values(path)
    for number, sequence in enumerate(values, 1):
        if sequence.min() == sequence.max():
            suffix = f" in its sequence {number} of {len(values)}" if len(values) > 1 else ""
            raise BenchbedError(f"{path} is constant: all voxels are {sequence.flat[0]:g}{suffix}.")
    return values


def read_label_volume(path: Path, codes: Mapping[int, int]) -> Codes:
    """Read a label volume.

    Args:
        path: A NIfTI file of three axes.
        codes: Label in the file to index of the structure; 0 is always background. Empty if they
            are equal.

    Returns:
        ``(D, H, W)``; all 0 if the file has none of the structures.

    Raises:
        BenchbedError: The file cannot be read, or has an unknown label.
    """
    values = _load_values(path)
    if len(values) != 1:
        raise BenchbedError(
            f"{path} contains {len(values)} volumes, but a mask must be a single volume."
        )
    labels, indices = _find_unique_values(values[0])
    known = {0: 0, **codes} if codes else {n: n for n in range(256)}
    unknown = [f"{value:g}" for value in labels if value not in known]
    if unknown:
        raise BenchbedError(
            f"{path} contains the unknown label{'s' if len(unknown) > 1 else ''} "
            f"{', '.join(unknown[:5])}. Known labels: "
            f"{', '.join(str(number) for number in known) if codes else '0 to 255'}."
        )
    table = np.zeros(max(known) + 1, np.uint8)
    table[list(known)] = list(known.values())
    return np.asarray(table[indices.astype(np.intp, copy=False)])


def _find_unique_values(values: Voxels) -> tuple[list[float], npt.NDArray[Any]]:
    """Return the unique values of a volume, ascending, and the volume, as uint8 if possible."""
    if values.min() >= 0 and values.max() <= 255:
        small = values.astype(np.uint8)
        if np.array_equal(small, values):
            # Counting bytes is faster than sorting; plane by plane, since bincount widens them.
            counts = sum(np.bincount(plane.ravel(), minlength=256) for plane in small)
            return [float(number) for number in np.flatnonzero(counts)], small
    return [float(value) for value in np.unique(values)], values


def measure_offset(one: Path, other: Path) -> float:
    """Measure the offset of two equally large volumes, reoriented, from their header affines.

    Returns:
        The largest distance of corresponding corners, in voxels along an axis.
    """
    (affine, shape), (other_affine, _) = _read_affine(one), _read_affine(other)
    ends = [(0, length - 1) for length in shape]
    corners = np.asarray([(*corner, 1) for corner in itertools.product(*ends)], float).T
    return float(np.abs(np.linalg.solve(affine, other_affine @ corners) - corners).max())


def _read_affine(path: Path) -> tuple[npt.NDArray[np.float64], tuple[int, ...]]:
    """Return affine and shape of a volume, reoriented as in `read_volume`."""
    image: Any = nibabel.load(path)
    if len(image.shape) == 2:
        return np.eye(4), (*image.shape, 1)  # 2-D headers carry no position
    turned = io_orientation(image.affine)  # type: ignore[no-untyped-call]
    shape = (*image.shape, 1)[:3]
    affine = image.affine @ inv_ornt_aff(turned, shape)  # type: ignore[no-untyped-call]
    order = np.argsort(turned[:, 0])
    return affine, tuple(shape[axis] for axis in order)


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


def _load_values(path: Path) -> Voxels:
    if not path.is_file():
        raise BenchbedError(f"{path} does not exist.")
    try:
        with np.errstate(all="ignore"):  # float32 overflow is refused below
            image: Any = nibabel.load(path)
            _check_header(path, image.shape, image.get_data_dtype())
            if path.suffix.lower() == GZIP_SUFFIX:
                stored: Any = image.dataobj
                _verify_gzip(path, stored.offset + stored.dtype.itemsize * math.prod(image.shape))
            if len(image.shape) == 2:
                # Such files hold images with the first row on top, and their headers carry no
                # position.
                upright = np.asarray(image.dataobj)[::-1].T[..., None]
                image = nibabel.Nifti1Image(upright, np.eye(4))  # type: ignore[no-untyped-call]
            image = as_closest_canonical(image)  # type: ignore[no-untyped-call]
            values = np.asarray(image.dataobj, dtype=np.float32)
    except _READ_ERRORS as error:
        reason = describe_error(error)
        raise BenchbedError(f"{path} cannot be read as a NIfTI volume: {reason}.") from error
    if not np.isfinite(values).all():
        raise BenchbedError(f"{path} contains NaN or infinite voxels.")
    channels_last = values if values.ndim == 4 else values[..., None]
    return np.ascontiguousarray(channels_last.transpose(3, 2, 1, 0))


def _verify_gzip(path: Path, expected: int) -> None:
    """Read a gzip file to its end, where the checksum is: nibabel stops before it."""
    remaining = expected + _CHUNK_BYTES
    with gzip.open(path) as packed:
        while block := packed.read(_CHUNK_BYTES):
            remaining -= len(block)
            if remaining < 0:
                raise BenchbedError(
                    f"{path} decompresses to more than the {expected} bytes declared in its header."
                )


def _check_header(path: Path, shape: tuple[int, ...], kind: np.dtype[np.generic]) -> None:
    """Raise if the header alone shows that this is no volume."""
    size = "x".join(map(str, shape))
    if len(shape) not in (2, 3, 4) or min(shape) < 1:
        raise BenchbedError(
            f"{path} has shape {size}. A volume needs three axes, or four with several "
            "sequences; a slice needs two."
        )
    if np.prod(shape, dtype=float) > MAX_VOXELS:
        raise BenchbedError(f"{path} declares the shape {size}, which is too large for a volume.")
    if kind.kind not in "iuf":
        raise BenchbedError(
            f"{path} contains RGB or complex values. A volume must contain real numbers."
        )
