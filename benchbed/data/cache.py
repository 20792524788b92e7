"""Arrays on disk: written atomically, read as memory maps."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path
from tokenize import TokenError
from typing import Annotated, Any, BinaryIO, Self

import numpy as np
import numpy.typing as npt
from filelock import FileLock
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from benchbed.config import paths
from benchbed.errors import BenchbedError, describe_error, describe_validation_error
from benchbed.utils.files import sync_to_disk

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


class ArrayIndex(BaseModel):
    """Index of stored arrays.

    Attributes:
        ids: Case ids, in the order of the arrays.
        splits: First and end index of the cases of each split.
        arrays: Names of the arrays; ``image`` is one of them.
    """

    model_config = ConfigDict(frozen=True, strict=True)

    ids: tuple[str, ...]
    splits: dict[str, tuple[int, int]]
    arrays: tuple[Annotated[str, Field(pattern=r"^\w+$")], ...]

    @model_validator(mode="after")
    def _check_consistency(self) -> Self:
        if "image" not in self.arrays:
            raise ValueError("the index lists no images")
        if not all(0 <= start <= stop <= len(self.ids) for start, stop in self.splits.values()):
            raise ValueError("a split refers to cases beyond the number of ids")
        return self


def ensure_cached(name: str, build: Callable[[Path], None]) -> Path:
    """Return the cache folder called `name`, and build it first if it is missing.

    Args:
        name: Name of the folder; must include everything that its content depends on.
        build: Fills a temporary folder, which is then renamed. Processes that need the same folder
            wait for each other.

    Raises:
        BenchbedError: The cache is not writable.
    """
    parent = paths.get_cache_folder() / "prepared"
    folder = parent / name
    if folder.is_dir():
        return folder
    paths.ensure_writable(parent, "$BENCHBED_CACHE")
    with FileLock(parent / f"{name}.lock"):
        if folder.is_dir():
            return folder
        for leftover in parent.glob(f".{name}.*"):
            shutil.rmtree(leftover)
        temporary = Path(tempfile.mkdtemp(dir=parent, prefix=f".{name}."))
        try:
            build(temporary)
            for file in (*temporary.iterdir(), temporary):
                sync_to_disk(file)
            temporary.replace(folder)
            sync_to_disk(parent)
        except OSError as error:
            # The error for a full disk has no file name.
            if error.errno is not None:
                error.filename = error.filename or str(folder)
            raise
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
    return folder


def read_array(path: Path, count: int | None = None) -> npt.NDArray[Any]:
    """Return a stored array as a read-only memory map; pickled objects are not loaded.

    Args:
        path: The file.
        count: Expected number of cases, or None for any.

    Raises:
        BenchbedError: The file is damaged, or has another number of cases.
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


def read_index(path: Path) -> ArrayIndex:
    """Read the index of stored arrays.

    Raises:
        BenchbedError: The file is damaged.
    """
    try:
        return ArrayIndex.model_validate_json(path.read_bytes())
    except ValidationError as error:
        field, fault = describe_validation_error(error)
        reason = f"{path.name}{f', {field}' if field else ''}: {fault}"
        raise make_damage_error(path.parent, ValueError(reason)) from error
    except OSError as error:
        raise make_damage_error(path.parent, error) from error


def make_damage_error(folder: Path, error: BaseException) -> BenchbedError:
    """Make the error for a damaged folder of the cache."""
    return BenchbedError(
        f"The prepared data in {folder} is damaged ({describe_error(error)}). Delete this "
        "folder to prepare the data again."
    )


def write_arrays(folder: Path, cases: Iterable[dict[str, npt.NDArray[Any]]], total: int) -> None:
    """Write the arrays of `total` cases one after the other, one file per name.

    Only one case is in memory at a time. Files are written, not mapped: on a full disk a write to a
    memory map kills the process.

    Args:
        folder: Folder for ``NAME.npy``, ``(total, ...)``.
        cases: Arrays by name; every case has the same names, shapes and dtypes.
        total: Number of cases.

    Raises:
        ValueError: A case has other shapes or dtypes than the first.
    """
    firsts: dict[str, npt.NDArray[Any]] = {}
    with contextlib.ExitStack() as stack:
        files: dict[str, BinaryIO] = {}
        for case in cases:
            for name, value in case.items():
                if name not in files:
                    firsts[name] = np.empty(value.shape, value.dtype)
                    files[name] = stack.enter_context((folder / f"{name}.npy").open("wb"))
                    header = np.lib.format.header_data_from_array_1_0(firsts[name])
                    header["shape"] = (total, *value.shape)
                    np.lib.format.write_array_header_1_0(files[name], header)
                if (value.shape, value.dtype) != (firsts[name].shape, firsts[name].dtype):
                    raise ValueError(
                        f"{name} is {value.dtype} {value.shape}, but earlier cases are "
                        f"{firsts[name].dtype} {firsts[name].shape}"
                    )
                files[name].write(np.ascontiguousarray(value).tobytes())
