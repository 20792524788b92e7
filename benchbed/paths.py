"""Where things lie on this machine."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import platformdirs

from benchbed.errors import BenchbedError
from benchbed.files import make_folder


def cache() -> Path:
    """Where prepared data and weights are kept: ``$BENCHBED_CACHE``, else the user's cache."""
    chosen = os.environ.get("BENCHBED_CACHE")
    return Path(chosen).expanduser() if chosen else Path(platformdirs.user_cache_dir("benchbed"))


def data_root(option: Path | None = None) -> Path:
    """Where real data are looked for: the option, else ``$BENCHBED_DATA``, else the cache.

    Raises:
        BenchbedError: A folder was named that does not exist.
    """
    variable = os.environ.get("BENCHBED_DATA")
    if option is not None:
        chosen, source = option.expanduser(), "--data-root"
    elif variable:
        chosen, source = Path(variable).expanduser(), "$BENCHBED_DATA"
    else:
        return cache() / "data"
    if not is_folder(chosen):
        raise BenchbedError(f"{source} is set to {chosen}, which is not a folder.")
    return chosen


def results(option: Path | None = None) -> Path:
    """The results folder: the option, else ``$BENCHBED_RESULTS``, else ``results`` here."""
    if option is not None:
        return option.expanduser()
    return Path(os.environ.get("BENCHBED_RESULTS", "results")).expanduser()


def benchmarks() -> Path:
    """The folder of suites and of the papers' values: beside the package, or inside it."""
    package = Path(__file__).resolve().parent
    inside = package / "benchmarks"
    return inside if inside.is_dir() else package.parent / "benchmarks"


def is_folder(path: Path) -> bool:
    """Whether a folder is there; no for what no disk takes as a name."""
    try:
        return path.is_dir()
    except (OSError, ValueError):
        return False


def writable(folder: Path, instead: str = "--results or --out") -> Path:
    """Make `folder` if need be.

    Args:
        folder: The folder.
        instead: How another one is named, for the error text.

    Raises:
        BenchbedError: It cannot be made or written to.
    """
    try:
        make_folder(folder)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise BenchbedError(
            f"Folder {folder} is not writable ({error.strerror}). Select another with {instead}."
        ) from error
    return folder
