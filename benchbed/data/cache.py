"""Folders of prepared arrays: built once, verified, and built again if they are damaged."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Annotated, Any, BinaryIO, Self, TypeVar

import numpy as np
import numpy.typing as npt
from filelock import FileLock
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from benchbed.config import paths
from benchbed.data.stored_files import (
    DamagedDataError,
    make_damage_error,
    read_array,
    verify_files,
    write_file_index,
)
from benchbed.errors import describe_validation_error
from benchbed.utils.files import sync_to_disk

Loaded = TypeVar("Loaded")


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


def load_cached(
    name: str,
    build: Callable[[Path], None],
    load: Callable[[Path], Loaded],
    log: Callable[[str], None] = lambda _: None,
) -> Loaded:
    """Load the cache folder called `name`; if it is missing or damaged, build it first.

    Args:
        name: Name of the folder; must include everything that its content depends on.
        build: Fills a temporary folder, which is then renamed. Processes that need the same folder
            wait for each other.
        load: Loads the content of a folder whose files are verified.
        log: Receives one message if the folder is damaged.

    Raises:
        BenchbedError: The cache is not writable, or the folder is damaged again after it was built.
    """
    parent = paths.get_cache_folder() / "prepared"
    folder = parent / name
    with contextlib.suppress(DamagedDataError):
        if folder.is_dir():
            return _load_verified(folder, load)
    paths.ensure_writable(parent, "$BENCHBED_CACHE")
    with FileLock(parent / f"{name}.lock"):
        # The process that was waited for may have built the folder.
        if folder.is_dir():
            try:
                return _load_verified(folder, load)
            except DamagedDataError as error:
                log(f"{str(error).rstrip('.')}, and are prepared again.")
        _build_folder(folder, build)
        return _load_verified(folder, load)


def _load_verified(folder: Path, load: Callable[[Path], Loaded]) -> Loaded:
    verify_files(folder)
    return load(folder)


def _build_folder(folder: Path, build: Callable[[Path], None]) -> None:
    """Build a folder that this process has locked; a damaged one is replaced."""
    parent = folder.parent
    for leftover in parent.glob(f".{folder.name}.*"):
        shutil.rmtree(leftover)
    temporary = Path(tempfile.mkdtemp(dir=parent, prefix=f".{folder.name}."))
    damaged = parent / f".{folder.name}.damaged"
    try:
        build(temporary)
        write_file_index(temporary)
        for file in (*temporary.iterdir(), temporary):
            sync_to_disk(file)
        if folder.is_dir():
            # A folder that is not empty cannot be replaced. Others may have it mapped.
            folder.replace(damaged)
        temporary.replace(folder)
        sync_to_disk(parent)
    except OSError as error:
        # The error for a full disk has no file name.
        if error.errno is not None:
            error.filename = error.filename or str(folder)
        raise
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
        shutil.rmtree(damaged, ignore_errors=True)


def read_index(path: Path) -> ArrayIndex:
    """Read the index of stored arrays.

    Raises:
        DamagedDataError: The file is damaged.
    """
    try:
        return ArrayIndex.model_validate_json(path.read_bytes())
    except ValidationError as error:
        field, fault = describe_validation_error(error)
        reason = f"{path.name}{f', {field}' if field else ''}: {fault}"
        raise make_damage_error(path.parent, ValueError(reason)) from error
    except OSError as error:
        raise make_damage_error(path.parent, error) from error


def load_indexed_arrays(folder: Path) -> tuple[ArrayIndex, dict[str, npt.NDArray[Any]]]:
    """Return the index of a folder and its arrays by name, as read-only memory maps.

    Raises:
        DamagedDataError: A file is damaged.
    """
    index = read_index(folder / "index.json")
    count = len(index.ids)
    return index, {name: read_array(folder / f"{name}.npy", count) for name in index.arrays}


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
