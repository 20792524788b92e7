"""Open files of untrusted folders: only regular files of bounded size, without following links.

A file of someone else can be a link to a secret, a named pipe that blocks forever, or a device
without an end.
"""

from __future__ import annotations

import errno
import itertools
import os
import stat
from pathlib import Path
from typing import BinaryIO, cast

from benchbed.errors import BenchbedError

# Windows has neither flag: files that are links are found by `_check_parents` there.
_NO_FOLLOW = getattr(os, "O_NOFOLLOW", 0)
# Without it, opening a named pipe waits for its other end.
_NO_BLOCK = getattr(os, "O_NONBLOCK", 0)
_BINARY = getattr(os, "O_BINARY", 0)


class UnsafeFileError(OSError):
    """A file is a link, no regular file, or too large; `strerror` says which."""


def open_regular_file(
    path: Path, max_bytes: int, *, root: Path | None = None, follow_links: bool = False
) -> BinaryIO:
    """Open a regular file to read it.

    Args:
        path: The file.
        max_bytes: Maximum size in bytes.
        root: Folder of the file, such as that of a run; no folder below it may be a link.
        follow_links: Whether the file may be a link; only for files that the user has named.

    Raises:
        UnsafeFileError: It is a link, a pipe, a device or a folder, or larger than `max_bytes`.
        OSError: It cannot be opened.
    """
    return _open(path, os.O_RDONLY, max_bytes, root, follow_links)


def read_regular_file(
    path: Path, max_bytes: int, *, root: Path | None = None, follow_links: bool = False
) -> bytes:
    """Return the content of a regular file; arguments and errors as for `open_regular_file`."""
    with open_regular_file(path, max_bytes, root=root, follow_links=follow_links) as file:
        content = file.read(max_bytes + 1)
    # Some files have no size until they are read, such as those in /proc.
    if len(content) > max_bytes:
        raise _make_error(path, f"it is larger than {max_bytes} bytes")
    return content


def open_to_append(path: Path, *, root: Path | None = None) -> BinaryIO:
    """Open a regular file to append to it, created if it is missing; links are not followed.

    Raises:
        UnsafeFileError: It is a link, a pipe, a device or a folder.
        OSError: It cannot be opened.
    """
    return _open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, None, root, follow_links=False)


def _open(
    path: Path, flags: int, max_bytes: int | None, root: Path | None, follow_links: bool
) -> BinaryIO:
    _check_parents(path, root)
    if not follow_links:
        if path.is_symlink():
            raise _make_error(path, "it is a link")
        flags |= _NO_FOLLOW
    try:
        handle = os.open(path, flags | _NO_BLOCK | _BINARY, 0o644)
    except OSError as error:
        # A pipe without a reader, or a socket.
        if error.errno == errno.ENXIO:
            raise _make_error(path, "it is not a regular file") from error
        raise
    try:
        status = os.fstat(handle)
        if not stat.S_ISREG(status.st_mode):
            raise _make_error(path, "it is not a regular file")
        if max_bytes is not None and status.st_size > max_bytes:
            raise _make_error(path, f"it is larger than {max_bytes} bytes")
        # Unlike `os.fdopen`, this keeps the path as the file's name, for messages of decoders.
        mode = "rb" if max_bytes is not None else "ab"
        return cast(BinaryIO, open(path, mode, opener=lambda *_: handle))
    except BaseException:
        os.close(handle)
        raise


def _check_parents(path: Path, root: Path | None) -> None:
    """Raise if a folder between `root` and the file is a link."""
    for parent in path.parents if root is not None else ():
        if parent == root:
            return
        if parent.is_symlink():
            raise _make_error(parent, "it is a link")


def check_run_files(folder: Path) -> None:
    """Check that a run's folder contains only folders and regular files, before it is used.

    Raises:
        BenchbedError: It contains a link, a pipe or a device.
    """
    found = (
        Path(parent, name)
        for parent, folders, names in os.walk(folder)
        for name in (*folders, *names)
    )
    for path in itertools.chain([folder], found):
        try:
            mode = path.lstat().st_mode
        except FileNotFoundError:  # missing, or removed by another process
            continue
        if not stat.S_ISDIR(mode) and not stat.S_ISREG(mode):
            raise BenchbedError(
                f"{path} is a link, a pipe or a device; a run's folder may contain only folders "
                "and regular files. Delete it, or move it away."
            )


def _make_error(path: Path, reason: str) -> UnsafeFileError:
    return UnsafeFileError(errno.EINVAL, reason, str(path))
