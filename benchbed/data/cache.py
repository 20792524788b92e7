"""Arrays kept on the disk, written whole or not at all, read as memory maps."""

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

from benchbed import paths
from benchbed.errors import BenchbedError
from benchbed.files import sync

# What the reader raises for headers that contradict themselves, and for bytes that are none.
_DAMAGED = (
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


class Index(BaseModel):
    """What is said of stored arrays.

    Attributes:
        ids: Names of the cases, in the order of the arrays.
        splits: By split, the number of its first case, and of the one behind its last.
        arrays: Names of the arrays; ``image`` is one of them.
    """

    model_config = ConfigDict(frozen=True, strict=True)

    ids: tuple[str, ...]
    splits: dict[str, tuple[int, int]]
    arrays: tuple[Annotated[str, Field(pattern=r"^\w+$")], ...]

    @model_validator(mode="after")
    def _agrees_with_itself(self) -> Self:
        if "image" not in self.arrays:
            raise ValueError("the index lists no images")
        if not all(0 <= start <= stop <= len(self.ids) for start, stop in self.splits.values()):
            raise ValueError("a split refers to cases beyond the number of ids")
        return self


def cached(name: str, build: Callable[[Path], None]) -> Path:
    """The cache folder called `name`, built first if it is not there.

    Args:
        name: Name of the folder; it says everything that its content depends on.
        build: Fills a temporary folder, which then takes the name. Two processes that want the
            same folder wait for each other.

    Raises:
        BenchbedError: The cache cannot be written to.
    """
    home = paths.cache() / "prepared"
    folder = home / name
    if folder.is_dir():
        return folder
    paths.writable(home, "$BENCHBED_CACHE")
    with FileLock(home / f"{name}.lock"):
        if folder.is_dir():
            return folder
        for leftover in home.glob(f".{name}.*"):
            shutil.rmtree(leftover)
        temporary = Path(tempfile.mkdtemp(dir=home, prefix=f".{name}."))
        try:
            build(temporary)
            for file in (*temporary.iterdir(), temporary):
                sync(file)
            temporary.replace(folder)
            sync(home)
        except OSError as error:
            # A full disk says so without a name.
            if error.errno is not None:
                error.filename = error.filename or str(folder)
            raise
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
    return folder


def read_array(path: Path, count: int | None = None) -> npt.NDArray[Any]:
    """A stored array as a read-only memory map; nothing in it is executed.

    Args:
        path: The file.
        count: How many cases it must hold; None for any number.

    Raises:
        BenchbedError: It is damaged, or is of another number of cases.
    """
    try:
        array = np.lib.format.open_memmap(path, mode="r")
    except _DAMAGED as error:
        raise damaged(path.parent, error) from error
    if count is not None and array.shape[:1] != (count,):
        raise damaged(path.parent, ValueError(f"{path.name} does not contain {count} cases"))
    return array


def read_index(path: Path) -> Index:
    """What is said of stored arrays.

    Raises:
        BenchbedError: It is damaged.
    """
    try:
        return Index.model_validate_json(path.read_bytes())
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        reason = f"{path.name}{f', {place}' if place else ''}: {first['msg']}"
        raise damaged(path.parent, ValueError(reason)) from error
    except OSError as error:
        raise damaged(path.parent, error) from error


def damaged(folder: Path, error: BaseException) -> BenchbedError:
    """The error for a folder of the cache that does not read."""
    reason = (str(error).splitlines() or [""])[0].rstrip(".") or type(error).__name__
    return BenchbedError(
        f"The prepared data in {folder} is damaged ({reason}). Delete this folder to prepare "
        "the data again."
    )


def write_arrays(folder: Path, cases: Iterable[dict[str, npt.NDArray[Any]]], total: int) -> None:
    """Write the arrays of `total` cases one after the other, one file a name.

    Memory stays flat: no more than one case is held. The files are written and not mapped: where
    the disk is full, a write to a map kills the process.

    Args:
        folder: Where ``NAME.npy`` is written, ``(total, ...)``.
        cases: Arrays by name; every case has the same names, shapes and types.
        total: Number of cases.

    Raises:
        ValueError: A case has other shapes or types than the first.
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
