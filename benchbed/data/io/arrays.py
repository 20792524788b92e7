"""Read npz files: headers and labels at once, image rows through memory maps in the cache."""

from __future__ import annotations

import json
import math
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from benchbed.api.dataset import ARRAY_SUFFIX
from benchbed.data.cache import ensure_cached, read_array
from benchbed.errors import BenchbedError, describe_error
from benchbed.utils.files import hash_json

_MEMBER_SUFFIX = ".npy"

_CHUNK_BYTES = 2**22
"""Bytes that are decompressed at once: arrays may be larger than memory."""

_HEADER_READERS = {
    (1, 0): np.lib.format.read_array_header_1_0,
    (2, 0): np.lib.format.read_array_header_2_0,
}

# What zipfile and numpy raise for damaged files and for files of other kinds.
_READ_ERRORS = (
    OSError,
    EOFError,
    KeyError,
    NotImplementedError,
    OverflowError,
    RuntimeError,
    SyntaxError,
    TypeError,
    ValueError,
    zipfile.BadZipFile,
    zlib.error,
)


@dataclass(frozen=True)
class ArrayHeader:
    """Form of an array in a file.

    Attributes:
        shape: Its shape; the first axis counts the rows.
        dtype: Type of its values.
    """

    shape: tuple[int, ...]
    dtype: np.dtype[Any]

    @property
    def row_kind(self) -> Literal["image", "volume"] | None:
        """What a row is: an image ``(H, W)`` or ``(H, W, C)``, or a volume ``(D, H, W)``.

        None if the array is not of 8 bits or has no such rows. A last axis of 1 or 3 is that of
        channels.
        """
        if self.dtype != np.uint8 or len(self.shape) not in (3, 4) or min(self.shape) < 1:
            return None
        is_image = len(self.shape) == 3 or self.shape[3] in (1, 3)
        return "image" if is_image else "volume"


def read_array_headers(path: Path) -> dict[str, ArrayHeader]:
    """Return the form of every array of an npz file by name, without decompressing the arrays.

    Raises:
        BenchbedError: The file cannot be read.
    """
    with _open_archive(path) as archive:
        return {
            member.filename.removesuffix(_MEMBER_SUFFIX): _read_header(archive, member)
            for member in archive.infolist()
            if member.filename.endswith(_MEMBER_SUFFIX)
        }


def read_whole_array(path: Path, name: str) -> npt.NDArray[Any]:
    """Read one array of an npz file into memory; pickled objects are not loaded.

    Raises:
        BenchbedError: The array is missing or cannot be read.
    """
    with _open_archive(path) as archive, archive.open(f"{name}{_MEMBER_SUFFIX}") as stream:
        return np.asarray(np.lib.format.read_array(stream, allow_pickle=False))


def map_array(path: Path, name: str) -> npt.NDArray[Any]:
    """Return one array of an npz file as a read-only memory map.

    The array is decompressed into the cache first, once for every version of the file.

    Raises:
        BenchbedError: The array is missing or cannot be read, or the cache is not writable.
    """
    try:
        status = path.stat()
    except OSError as error:
        raise BenchbedError(f"{path} cannot be read: {error.strerror}.") from error
    version = (status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)
    return _map_version(path, name, version)


@lru_cache(maxsize=8)
def _map_version(path: Path, name: str, version: tuple[int, ...]) -> npt.NDArray[Any]:
    """Map one version of an array; cached, since a dataset reads it once for each of its cases."""
    key = hash_json([str(path.resolve()), name, version])
    folder = ensure_cached(
        f"{path.stem}-array-{key}", lambda target: _unpack_array(path, name, target)
    )
    return read_array(folder / "rows.npy")


def _unpack_array(path: Path, name: str, folder: Path) -> None:
    with (folder / "rows.npy").open("wb") as target:
        for chunk in _iter_chunks(path, name):
            target.write(chunk)


def examine_arrays(path: Path) -> dict[str, str]:
    """Decompress the images of an npz file, which verifies their checksums, and return its facts.

    Returns:
        ``shape`` of a row, ``"HxW"``, or ``"1xDxHxW"`` of a volume with ``spacing`` 1 and an
        identity ``affine``, since the file has none; ``bits``, ``channels``, ``pages`` (number of
        rows), and ``low`` and ``high``, the smallest and largest value.

    Raises:
        BenchbedError: The file cannot be read, or has no array of images or volumes.
    """
    headers = {name: header for name, header in read_array_headers(path).items() if header.row_kind}
    if not headers:
        raise BenchbedError(
            f"{path} contains no images. An array of images must be uint8 with the shape "
            "(N, H, W) or (N, H, W, 3), one of volumes (N, D, H, W)."
        )
    low, high = 255, 0
    for name in headers:
        for chunk in _iter_chunks(path, name, skip_header=True):
            values = np.frombuffer(chunk, np.uint8)
            low, high = min(low, int(values.min())), max(high, int(values.max()))
    return {
        **_describe_row(next(iter(headers.values()))),
        "bits": "8",
        "pages": str(sum(header.shape[0] for header in headers.values())),
        "low": str(low),
        "high": str(high),
    }


def _describe_row(header: ArrayHeader) -> dict[str, str]:
    _, height, width, *others = header.shape
    if header.row_kind == "image":
        return {"shape": f"{height}x{width}", "channels": str(next(iter(others), 1))}
    affine = json.dumps(np.eye(4).tolist())
    size = "x".join(map(str, (1, *header.shape[1:])))
    return {"shape": size, "channels": "1", "spacing": "1,1,1", "affine": affine}


def is_array_file(path: Path) -> bool:
    """Return whether a file is an npz file, by its suffix."""
    return path.suffix.lower() == ARRAY_SUFFIX


@contextmanager
def _open_archive(path: Path) -> Iterator[zipfile.ZipFile]:
    """Open an npz file, which is a zip file of npy files; turn errors into `BenchbedError`."""
    try:
        with zipfile.ZipFile(path) as archive:
            yield archive
    except _READ_ERRORS as error:
        reason = describe_error(error)
        raise BenchbedError(f"{path} cannot be read as an npz file: {reason}.") from error


def _read_header(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> ArrayHeader:
    with archive.open(member) as stream:
        version = np.lib.format.read_magic(stream)
        if version not in _HEADER_READERS:
            raise ValueError(f"npy format {'.'.join(map(str, version))} is not supported")
        shape, _, dtype = _HEADER_READERS[version](stream)
        stored = member.file_size - stream.tell()
    if not dtype.hasobject and stored != math.prod(shape) * dtype.itemsize:
        raise ValueError(f"{member.filename} has {stored} bytes, which is not {dtype} of {shape}")
    return ArrayHeader(shape, dtype)


def _iter_chunks(path: Path, name: str, *, skip_header: bool = False) -> Iterator[bytes]:
    """Yield the content of an array in chunks, with its header unless `skip_header`.

    Errors of the consumer, such as a full disk, are not raised inside, so they are not mistaken for
    a damaged file.
    """
    with _open_archive(path) as archive:
        member = archive.getinfo(f"{name}{_MEMBER_SUFFIX}")
        with archive.open(member) as stream:
            if skip_header:
                _HEADER_READERS[np.lib.format.read_magic(stream)](stream)
            while chunk := stream.read(_CHUNK_BYTES):
                yield chunk


def read_image_row(path: Path, name: str, row: int) -> npt.NDArray[np.uint8]:
    """Return one row of an array of images, ``(H, W, C)`` with 1 or 3 channels.

    Raises:
        BenchbedError: The file cannot be read.
    """
    image = np.asarray(map_array(path, name)[row])
    return image if image.ndim == 3 else image[..., None]


def read_volume_row(path: Path, name: str, row: int) -> npt.NDArray[np.float32]:
    """Return one row of an array of volumes, ``(1, D, H, W)`` in [-1, 1].

    The range of all rows, 0 to 255, is mapped, not that of each volume.

    Raises:
        BenchbedError: The file cannot be read.
    """
    volume = np.asarray(map_array(path, name)[row], np.float32)
    return (volume / 127.5 - 1)[None]
