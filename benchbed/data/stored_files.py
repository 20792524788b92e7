"""Files of prepared data: their shapes, dtypes and checksums, by which damage is found."""

from __future__ import annotations

import contextlib
from pathlib import Path
from tokenize import TokenError
from typing import Any

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, ValidationError

from benchbed.data.stamps import make_stamp
from benchbed.errors import BenchbedError, describe_error
from benchbed.utils.files import hash_file, write_json

FILE_INDEX_NAME = "files.json"
"""Name of the file with the `FileIndex` of a folder."""

# What numpy's reader raises for damaged headers and for files of other kinds.
_READ_ERRORS = (
    OSError,
    EOFError,
    IndexError,
    KeyError,
    OverflowError,
    RecursionError,
    SyntaxError,
    TokenError,
    TypeError,
    ValueError,
)


class DamagedDataError(BenchbedError):
    """A file of the cache is damaged."""


class StoredFile(BaseModel):
    """Facts on a file by which damage is found.

    Attributes:
        checksum: SHA-256 in hexadecimal digits.
        stamp: State of the file when the checksum was verified, from `make_stamp`.
        shape: Shape of an array; None for another file.
        dtype: Dtype of an array, such as ``"|u1"``; None for another file.
    """

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")

    checksum: str
    stamp: str
    shape: tuple[int, ...] | None = None
    dtype: str | None = None


class FileIndex(BaseModel):
    """The files of a folder by name."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")

    files: dict[str, StoredFile]


def write_file_index(folder: Path) -> None:
    """Write the index of all files in a folder."""
    files = {path.name: _describe_file(path) for path in sorted(folder.iterdir())}
    _save_index(folder, files)


def _describe_file(path: Path) -> StoredFile:
    # The stamp is taken first: a file that changes meanwhile is hashed again at the next use.
    stamp = make_stamp(path)
    checksum = hash_file(path)
    if path.suffix != ".npy":
        return StoredFile(checksum=checksum, stamp=stamp)
    array = read_array(path)
    return StoredFile(checksum=checksum, stamp=stamp, shape=array.shape, dtype=array.dtype.str)


def verify_files(folder: Path) -> None:
    """Check the files of a folder against its index.

    Shapes and dtypes are checked always. A checksum is computed only if the file's state differs
    from the one in which it was verified, since hashing a large array takes minutes.

    Raises:
        DamagedDataError: A file is damaged or missing.
    """
    index = _read_file_index(folder)
    verified: dict[str, StoredFile] = {}
    for name, stored in index.files.items():
        path = folder / name
        try:
            if make_stamp(path) == stored.stamp:
                _check_header(path, stored)
                continue
            found = _describe_file(path)
        except OSError as error:
            raise make_damage_error(folder, error) from error
        if found.model_copy(update={"stamp": stored.stamp}) != stored:
            raise make_damage_error(folder, ValueError(f"{name} differs from what was written"))
        verified[name] = found
    if verified:
        # A cache that is not writable can be used; its files are hashed at each use.
        with contextlib.suppress(OSError):
            _save_index(folder, {**index.files, **verified})


def _check_header(path: Path, stored: StoredFile) -> None:
    if stored.shape is None:
        return
    array = read_array(path)
    if (array.shape, array.dtype.str) != (stored.shape, stored.dtype):
        raise make_damage_error(
            path.parent,
            ValueError(
                f"{path.name} is {array.dtype.str} {array.shape}, not {stored.dtype} {stored.shape}"
            ),
        )


def _read_file_index(folder: Path) -> FileIndex:
    path = folder / FILE_INDEX_NAME
    try:
        return FileIndex.model_validate_json(path.read_bytes())
    except ValidationError as error:
        raise make_damage_error(folder, ValueError(f"{path.name} is not an index")) from error
    except OSError as error:
        raise make_damage_error(folder, error) from error


def _save_index(folder: Path, files: dict[str, StoredFile]) -> None:
    write_json(folder / FILE_INDEX_NAME, FileIndex(files=files).model_dump(mode="json"))


def read_array(path: Path, count: int | None = None) -> npt.NDArray[Any]:
    """Return a stored array as a read-only memory map; pickled objects are not loaded.

    Args:
        path: The file.
        count: Expected number of cases, or None for any.

    Raises:
        DamagedDataError: The file is damaged, or has another number of cases.
    """
    try:
        array = np.lib.format.open_memmap(path, mode="r")
    except _READ_ERRORS as error:
        raise make_damage_error(path.parent, error) from error
    if count is not None and array.shape[:1] != (count,):
        raise make_damage_error(
            path.parent, ValueError(f"{path.name} does not contain {count} cases")
        )
    return array


def make_damage_error(folder: Path, error: BaseException) -> DamagedDataError:
    """Make the error for a damaged folder of the cache."""
    return DamagedDataError(f"Prepared data are damaged: {folder} ({describe_error(error)}).")
