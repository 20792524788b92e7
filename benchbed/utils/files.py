"""Atomic writing of files, and hashes of their content."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

DISK_FULL_ERRNOS = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
"""Errors of a full disk or quota."""


def hash_json(value: Any, length: int = 12) -> str:
    """Hash a JSON value, keys sorted, to `length` hexadecimal digits, equal on every machine."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), default=_to_plain)
    return hashlib.sha256(text.encode()).hexdigest()[:length]


def hash_file(path: Path) -> str:
    """Return the SHA-256 of a file in hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _to_plain(value: Any) -> Any:
    if isinstance(value, set | frozenset):
        return sorted(value)
    return str(value)


def find_path_fault(name: str) -> str | None:
    """Return why the name of an archive's member is unsafe to unpack, or None if it is safe."""
    parts = re.split(r"[/\\]", name)
    if parts[0] == "" or re.match(r"[A-Za-z]:", name):
        return f"it contains the absolute path {name!r}"
    return f"it contains {name!r}, a path outside its folder" if ".." in parts else None


@contextlib.contextmanager
def write_atomically(path: Path) -> Iterator[Path]:
    """Yield a temporary path that replaces `path` when the block succeeds.

    The content is synced before the rename: after a power cut the file is the old or the new one,
    never a partial one.

    Raises:
        OSError: The file cannot be written; `filename` is set.
    """
    try:
        make_folder(path.parent)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".part")
        os.close(handle)
        temporary = Path(name)
        try:
            yield temporary
            temporary.chmod(0o644)
            sync_to_disk(temporary)
            temporary.replace(path)
            sync_to_disk(path.parent)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        # The error for a full disk has no file name.
        if error.errno is not None:
            error.filename = error.filename or str(path)
        raise


def make_folder(folder: Path) -> None:
    """Create a folder and its parents, synced so that a power cut does not remove them."""
    new = [parent for parent in (folder, *folder.parents) if not parent.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    for parent in new:
        sync_to_disk(parent.parent)


def sync_to_disk(path: Path) -> None:
    """Wait until a file or folder is on disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def write_text(path: Path, text: str) -> None:
    """Write `text` atomically, as UTF-8."""
    with write_atomically(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: Path, value: Any) -> None:
    """Write `value` atomically, as readable and diffable JSON."""
    write_text(path, json.dumps(value, indent=2, sort_keys=False, default=_to_plain) + "\n")
