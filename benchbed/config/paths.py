"""Folders that benchbed uses on this machine."""

from __future__ import annotations

import os
import stat
import tempfile
from functools import lru_cache
from pathlib import Path

import platformdirs

from benchbed.errors import BenchbedError
from benchbed.utils.files import make_folder
from benchbed.utils.stdout import write_to_stderr


def get_cache_folder() -> Path:
    """Return the folder of prepared data and weights: ``$BENCHBED_CACHE``, else the default.

    The default is the user's cache folder, or a temporary one if the home directory is unknown or
    not writable, as in many containers and cluster jobs.

    Raises:
        BenchbedError: No default is possible.
    """
    chosen = os.environ.get("BENCHBED_CACHE")
    return expand_home(Path(chosen)) if chosen else _find_default_cache()


@lru_cache
def _find_default_cache() -> Path:
    try:
        folder = Path(platformdirs.user_cache_dir("benchbed"))
    except RuntimeError:
        reason = "The home directory is unknown"
    else:
        # One that exists is used even if it is read-only, since it may contain prepared data.
        if is_folder(folder) or _is_creatable(folder):
            return folder
        reason = f"Folder {folder} is not writable"
    temporary = _create_private_folder(reason)
    if os.environ.get("LOCAL_RANK", "0") == "0":
        write_to_stderr(
            f"{reason}; using the temporary cache {temporary}. Select another with $BENCHBED_CACHE."
        )
    return temporary


def _is_creatable(folder: Path) -> bool:
    try:
        existing = next(parent for parent in folder.parents if parent.exists())
    except OSError:
        return False
    return existing.is_dir() and os.access(existing, os.W_OK | os.X_OK)


def _create_private_folder(reason: str) -> Path:
    """Create the temporary cache of this user, which later commands find again.

    Raises:
        BenchbedError: It cannot be created, or others may write to it.
    """
    name = f"benchbed-{os.getuid()}" if hasattr(os, "getuid") else "benchbed"
    try:
        folder = Path(tempfile.gettempdir()) / name
        folder.mkdir(mode=0o700, exist_ok=True)
        status = folder.lstat()
    except OSError as error:
        fault = f"no temporary cache can be created ({error.strerror})"
    else:
        # Everybody may create folders in the temporary one, also under this user's name.
        is_own = not hasattr(os, "getuid") or (
            status.st_uid == os.getuid() and not status.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
        )
        if is_own and stat.S_ISDIR(status.st_mode):
            return folder
        fault = f"{folder} is not a private folder of this user"
    raise BenchbedError(f"{reason}, and {fault}. Set $BENCHBED_CACHE to a writable folder.")


def expand_home(path: Path) -> Path:
    """Return the path with ``~`` replaced by the home directory.

    Raises:
        BenchbedError: The home directory is unknown.
    """
    try:
        return path.expanduser()
    except RuntimeError as error:
        raise BenchbedError(
            f"The home directory in {path} is unknown. Set $HOME, or use a path without ~."
        ) from error


def resolve_data_root(option: Path | None = None) -> Path:
    """Return the folder of real data: the option, else ``$BENCHBED_DATA``, else in the cache.

    Raises:
        BenchbedError: The given folder does not exist.
    """
    variable = os.environ.get("BENCHBED_DATA")
    if option is not None:
        chosen, source = expand_home(option), "--data-root"
    elif variable:
        chosen, source = expand_home(Path(variable)), "$BENCHBED_DATA"
    else:
        return get_cache_folder() / "data"
    if not is_folder(chosen):
        raise BenchbedError(f"{source} is set to {chosen}, which is not a folder.")
    return chosen


def resolve_results_folder(option: Path | None = None) -> Path:
    """Return the results folder: the option, else ``$BENCHBED_RESULTS``, else ``./results``."""
    if option is not None:
        return expand_home(option)
    return expand_home(Path(os.environ.get("BENCHBED_RESULTS", "results")))


def find_benchmarks_folder() -> Path:
    """Return the folder of suites and paper values: inside the package, or next to it."""
    package = Path(__file__).resolve().parents[1]
    inside = package / "benchmarks"
    return inside if inside.is_dir() else package.parent / "benchmarks"


def is_folder(path: Path) -> bool:
    """Return whether a folder exists; False for invalid names."""
    try:
        return path.is_dir()
    except (OSError, ValueError):
        return False


def is_file(path: Path) -> bool:
    """Return whether a file exists; False for invalid names."""
    try:
        return path.is_file()
    except (OSError, ValueError):
        return False


def ensure_writable(folder: Path, instead: str = "--results or --out") -> Path:
    """Create `folder` if missing, and check that it is writable.

    Raises:
        BenchbedError: It cannot be created or written to; the text names the options `instead`.
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


def get_checkpoint_path(folder: Path) -> Path:
    """Return the checkpoint of a run, from which it resumes and which holds its weights."""
    return folder / "checkpoints" / "last.pt"
