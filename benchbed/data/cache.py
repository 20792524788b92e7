"""Arrays kept on the disk, written whole or not at all, read as memory maps."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from filelock import FileLock

from benchbed import paths
from benchbed.files import sync


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
            for file in temporary.iterdir():
                sync(file)
            temporary.replace(folder)
            sync(home)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
    return folder


def read_array(path: Path) -> npt.NDArray[Any]:
    """A stored array as a read-only memory map."""
    return np.lib.format.open_memmap(path, mode="r")


def write_arrays(folder: Path, cases: Iterable[dict[str, npt.NDArray[Any]]], total: int) -> None:
    """Write the arrays of `total` cases one after the other, one file a name.

    Memory stays flat: no more than one case is held.

    Args:
        folder: Where ``NAME.npy`` is written, ``(total, ...)``.
        cases: Arrays by name; every case has the same names, shapes and types.
        total: Number of cases.
    """
    arrays: dict[str, np.memmap[Any, Any]] = {}
    for position, case in enumerate(cases):
        for name, value in case.items():
            if name not in arrays:
                arrays[name] = np.lib.format.open_memmap(
                    folder / f"{name}.npy",
                    mode="w+",
                    dtype=value.dtype,
                    shape=(total, *value.shape),
                )
            arrays[name][position] = value
    for array in arrays.values():
        array.flush()
