"""Arrays kept on the disk, written whole or not at all, read as memory maps."""

from __future__ import annotations

import contextlib
import json
import shutil
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path
from tokenize import TokenError
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt
from filelock import FileLock

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
    paths.writable(home)
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


def read_array(path: Path) -> npt.NDArray[Any]:
    """A stored array as a read-only memory map; nothing in it is executed.

    Raises:
        BenchbedError: It is damaged.
    """
    try:
        return np.lib.format.open_memmap(path, mode="r")
    except _DAMAGED as error:
        raise damaged(path.parent, error) from error


def read_index(path: Path) -> dict[str, Any]:
    """What is said of stored arrays.

    Raises:
        BenchbedError: It is damaged.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise damaged(path.parent, error) from error
    if not isinstance(content, dict):
        raise damaged(path.parent, ValueError("no index"))
    return content


def damaged(folder: Path, error: BaseException) -> BenchbedError:
    """The error for a folder of the cache that does not read."""
    reason = (str(error).splitlines() or [""])[0].rstrip(".") or type(error).__name__
    return BenchbedError(
        f"The prepared data in {folder} are damaged ({reason}); remove that folder, and they are "
        f"prepared anew."
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
                        f"{name} is {value.dtype} {value.shape}, and was "
                        f"{firsts[name].dtype} {firsts[name].shape} before"
                    )
                files[name].write(np.ascontiguousarray(value).tobytes())
