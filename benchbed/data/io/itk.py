"""Read NRRD and MetaImage files as they are stored."""

from __future__ import annotations

import math
import re
import zlib
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt
import SimpleITK

from benchbed.data.io.geometry import Affine, check_affine
from benchbed.data.io.text_header import (
    is_true,
    parse_numbers,
    read_metaimage_fields,
    read_nrrd_fields,
)
from benchbed.data.io.volume_header import VolumeHeader, check_header
from benchbed.errors import BenchbedError

METAIMAGE_SUFFIXES = (".mha", ".mhd")
"""Suffixes of MetaImage files; the others are NRRD."""

_CHUNK_BYTES = 2**20
"""Bytes that are decompressed at a time to verify them."""

_GZIP_NAMES = ("gzip", "gz")
"""Names of compression in NRRD headers."""

_ANY_FORMAT = 32
"""Added to the window bits, lets zlib detect its own and gzip's headers."""

_MESSAGE_PREFIX = re.compile(r"^(\[nrrd\] \w+|([\w: ]+)?ERROR(: \w+\(0x\w+\): \w+)?|Reason): ?")
"""Names of classes and functions before the reason in ITK's messages."""

# All that ITK would report is an error here.
SimpleITK.ProcessObject.SetGlobalWarningDisplay(False)

_DTYPES = {
    getattr(SimpleITK, f"sitk{vector}{name}"): np.dtype(name.lower())
    for name in (
        *("UInt8", "Int8", "UInt16", "Int16", "UInt32", "Int32", "UInt64", "Int64"),
        *("Float32", "Float64"),
    )
    for vector in ("", "Vector")
}
"""Type of the voxels by ITK's number; others are complex."""

_FROM_LPS = np.diag([-1.0, -1.0, 1.0, 1.0])
"""ITK's axes grow towards left, posterior and superior."""


def read_itk_header(path: Path) -> VolumeHeader:
    """Read the header of an NRRD or MetaImage file.

    Raises:
        BenchbedError: The file cannot be read, is not a volume, or its data are in another file.
    """
    return _open_file(path)[1]


def read_itk(path: Path) -> tuple[npt.NDArray[Any], Affine | None]:
    """Read an NRRD or MetaImage file.

    Returns:
        Voxels ``(X, Y, Z)`` or ``(X, Y, Z, C)``, and the affine to millimetres (right, anterior,
        superior). A file of two axes gives rows and columns, first row on top, and no affine.

    Raises:
        BenchbedError: The file cannot be read, is not a volume, or its data are in another file.
    """
    reader, header = _open_file(path)
    if header.affine is not None:
        check_affine(path, header.affine)  # ITK's own message is less clear
    try:
        image = reader.Execute()
    except RuntimeError as error:
        raise _make_error(path, error) from error
    values: npt.NDArray[Any] = SimpleITK.GetArrayFromImage(image)
    if header.affine is None:
        return values, None
    if image.GetNumberOfComponentsPerPixel() > 1:
        return values.transpose(2, 1, 0, 3), header.affine
    return values.transpose(), header.affine


def _open_file(path: Path) -> tuple[SimpleITK.ImageFileReader, VolumeHeader]:
    """Return a reader of a file whose header and data have been checked, and the header."""
    is_metaimage = path.name.lower().endswith(METAIMAGE_SUFFIXES)
    try:
        fields, start = (read_metaimage_fields if is_metaimage else read_nrrd_fields)(path)
        _require_attached(path, fields, ".mha" if is_metaimage else ".nrrd")
        reader = SimpleITK.ImageFileReader()
        reader.SetFileName(str(path))
        reader.SetImageIO("MetaImageIO" if is_metaimage else "NrrdImageIO")
        reader.ReadImageInformation()
        header, byte_count = _convert_header(path, reader)
        _verify_data(path, fields, start, byte_count)
    except (OSError, RuntimeError, ValueError, zlib.error) as error:
        raise _make_error(path, error) from error
    return reader, header


def _require_attached(path: Path, fields: dict[str, str], suffix: str) -> None:
    """Raise if the voxels are in another file: only the named file is hashed and watched."""
    names = [fields[key] for key in ("ElementDataFile", "data file", "datafile") if key in fields]
    if names and names != ["LOCAL"]:
        raise BenchbedError(
            f"{path} has its voxels in another file ({names[0]}), which is not supported. Convert "
            f"both to one {suffix} file, for example by SimpleITK.WriteImage."
        )


def _convert_header(path: Path, reader: SimpleITK.ImageFileReader) -> tuple[VolumeHeader, int]:
    """Return the header, and the number of bytes of the voxels."""
    size, channels = reader.GetSize(), reader.GetNumberOfComponents()
    kind = _DTYPES.get(reader.GetPixelIDValue(), np.dtype(complex))
    if len(size) == 2:
        shape = (*size[::-1], channels) if channels > 1 else size[::-1]
        check_header(path, shape, kind if channels == 1 else np.dtype(complex))
        return VolumeHeader(shape, None), math.prod(size) * kind.itemsize
    shape = (*size, channels) if channels > 1 else size
    check_header(path, shape, kind)
    axes = len(size)
    affine = np.eye(4)
    directions = np.reshape(reader.GetDirection(), (axes, axes))[:3, :3]
    affine[:3, :3] = directions * reader.GetSpacing()[:3]
    affine[:3, 3] = reader.GetOrigin()[:3]
    return VolumeHeader(shape, _FROM_LPS @ affine), math.prod(shape) * kind.itemsize


def _verify_data(path: Path, fields: dict[str, str], start: int, expected: int) -> None:
    """Raise ValueError if the data are incomplete or damaged, which ITK does not always notice."""
    if any(name in fields for name in ("line skip", "lineskip", "byte skip", "byteskip")):
        return  # ITK finds the data, and the end of the file
    stored = path.stat().st_size - start
    encoding = fields.get("encoding", "raw").lower()
    if is_true(fields.get("CompressedData", "")) or encoding in _GZIP_NAMES:
        (declared,) = parse_numbers(fields, "CompressedDataSize", 1, str(stored))
        if declared > stored:
            raise ValueError(f"it has {stored} of {declared:.0f} compressed bytes")
        with path.open("rb") as file:
            file.seek(start)
            stored = _count_decompressed(file, int(declared), expected)
    elif encoding != "raw":
        return  # text, which ITK counts
    if stored < expected:
        raise ValueError(f"it has {stored} of {expected} bytes of voxels")


def _count_decompressed(file: BinaryIO, length: int, limit: int) -> int:
    """Decompress zlib or gzip data, whose checksum is at their end, and count the bytes.

    Args:
        file: File at the first compressed byte.
        length: Number of compressed bytes.
        limit: Maximum number of decompressed bytes.

    Raises:
        ValueError: The data are incomplete, or too long.
        zlib.error: The data are damaged.
    """
    total = 0
    unpacker = zlib.decompressobj(zlib.MAX_WBITS | _ANY_FORMAT)
    while not unpacker.eof:
        block = unpacker.unconsumed_tail
        if not block:
            block = file.read(min(_CHUNK_BYTES, max(length, 0)))
            length -= len(block)
        if not block:
            raise ValueError("its compressed data have no end")
        total += len(unpacker.decompress(block, _CHUNK_BYTES))
        if total > limit:
            raise ValueError(f"it decompresses to more than the {limit} bytes of its header")
    return total


def _make_error(path: Path, error: BaseException) -> BenchbedError:
    """Make an error from the last line of ITK's message; earlier ones name places in its code."""
    lines = [line for line in str(error).splitlines() if line.strip()]
    reason = _MESSAGE_PREFIX.sub("", lines[-1].strip()).rstrip(".") if lines else "unknown error"
    form = "MetaImage" if path.name.lower().endswith(METAIMAGE_SUFFIXES) else "NRRD"
    return BenchbedError(f"{path} cannot be read as a volume in {form} format: {reason}.")
