"""Read NIfTI files as they are stored."""

from __future__ import annotations

import gzip
import math
import zlib
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import numpy.typing as npt
from nibabel.filebasedimages import ImageFileError
from nibabel.spatialimages import HeaderDataError

from benchbed.api.dataset import GZIP_SUFFIX
from benchbed.data.io.geometry import Affine
from benchbed.data.io.volume_header import VolumeHeader, check_header
from benchbed.errors import BenchbedError, describe_error

_CHUNK_BYTES = 2**20
"""Bytes per read when only the checksum is verified."""

_MILLIMETRES = {1: 1000.0, 3: 0.001}
"""Length of a metre and a micrometre by their codes in headers; others are taken as millimetres."""

_UNIT_BITS = 7
"""Bits of the field that are the unit of length; others are that of time."""

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
)


def read_nifti_header(path: Path) -> VolumeHeader:
    """Read the header of a NIfTI file.

    Raises:
        BenchbedError: The file cannot be read or is not a volume.
    """
    try:
        image: Any = nibabel.load(path)
        return _make_header(path, image)
    except _READ_ERRORS as error:
        raise _make_error(path, error) from error


def read_nifti(path: Path) -> tuple[npt.NDArray[Any], Affine | None]:
    """Read a NIfTI file.

    Returns:
        Voxels ``(X, Y, Z)`` or ``(X, Y, Z, C)``, scaled as the header says, and the affine to
        millimetres (right, anterior, superior). A file of two axes gives rows and columns, first
        row on top, and no affine.

    Raises:
        BenchbedError: The file cannot be read or is not a volume.
    """
    try:
        with np.errstate(all="ignore"):  # the caller refuses values that overflow
            image: Any = nibabel.load(path)
            header = _make_header(path, image)
            if path.suffix.lower() == GZIP_SUFFIX:
                stored: Any = image.dataobj
                _verify_gzip(path, stored.offset + stored.dtype.itemsize * math.prod(image.shape))
            return np.asarray(image.dataobj), header.affine
    except _READ_ERRORS as error:
        raise _make_error(path, error) from error


def _make_header(path: Path, image: Any) -> VolumeHeader:
    check_header(path, image.shape, image.get_data_dtype())
    affine = None
    if len(image.shape) > 2:
        affine = np.asarray(image.affine, np.float64).copy()
        if isinstance(image, nibabel.Nifti1Pair):
            unit = int(image.header["xyzt_units"]) & _UNIT_BITS
            affine[:3] *= _MILLIMETRES.get(unit, 1.0)
    return VolumeHeader(tuple(image.shape), affine)


def _make_error(path: Path, error: BaseException) -> BenchbedError:
    return BenchbedError(f"{path} cannot be read as a NIfTI volume: {describe_error(error)}.")


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
