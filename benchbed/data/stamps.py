"""The state of a file, which shows whether it is still the one that was hashed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from benchbed.errors import BenchbedError


def make_stamp(path: Path) -> str:
    """Return size, times of the last change of content and of status, and inode of a file.

    The time of status cannot be set by a program, so a changed file has another stamp even if its
    size and time of content were restored.

    Raises:
        OSError: The file cannot be examined.
    """
    status = path.stat()
    return f"{status.st_size}:{status.st_mtime_ns}:{status.st_ctime_ns}:{status.st_ino}"


def make_stamps(files: Iterable[Path]) -> dict[Path, str]:
    """Return the stamps of files; those that cannot be examined are left out."""
    stamps: dict[Path, str] = {}
    for path in files:
        try:
            stamps[path] = make_stamp(path)
        except OSError:
            # Reading the file says why.
            continue
    return stamps


def check_stamps(files: Iterable[Path], stamps: Mapping[Path, str]) -> None:
    """Check that files are still in the state in which they were hashed.

    Args:
        files: The files; one without a stamp is not checked.
        stamps: Stamp of each file when it was hashed.

    Raises:
        BenchbedError: A file has changed or is gone; the text names it.
    """
    for path in files:
        if path not in stamps:
            continue
        try:
            stamp = make_stamp(path)
        except OSError as error:
            raise _make_change_error(path, f"cannot be read any more ({error.strerror})") from error
        if stamp != stamps[path]:
            raise _make_change_error(path, "was changed after it was hashed")


def _make_change_error(path: Path, fact: str) -> BenchbedError:
    return BenchbedError(
        f"{path} {fact}, so the fingerprint of the dataset would be wrong. Run the command again "
        "when no program writes to the data."
    )
