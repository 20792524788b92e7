"""Files that are written whole or not at all, and hashes of what they hold."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
"""What the system says where no more can be written."""


def digest(value: Any, length: int = 12) -> str:
    """Hash of a JSON value, the same on every machine.

    Args:
        value: Anything JSON can hold; keys are sorted.
        length: Hexadecimal digits to keep.
    """
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), default=_plain)
    return hashlib.sha256(text.encode()).hexdigest()[:length]


def _plain(value: Any) -> Any:
    if isinstance(value, set | frozenset):
        return sorted(value)
    return str(value)


@contextlib.contextmanager
def whole(path: Path) -> Iterator[Path]:
    """A temporary path beside `path` that takes its place when the block ends well.

    The content is on the disk before the name is, so that a power cut leaves the old file or the
    new one, never half of one.

    Args:
        path: The file to write; its folder is made if need be.

    Yields:
        The path to write to.

    Raises:
        OSError: It cannot be written; its `filename` is set.
    """
    try:
        make_folder(path.parent)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".part")
        os.close(handle)
        temporary = Path(name)
        try:
            yield temporary
            temporary.chmod(0o644)
            sync(temporary)
            temporary.replace(path)
            sync(path.parent)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        # A full disk says so without a name.
        if error.errno is not None:
            error.filename = error.filename or str(path)
        raise


def make_folder(folder: Path) -> None:
    """Make a folder, and those above it if need be; a power cut does not take them away."""
    new = [place for place in (folder, *folder.parents) if not place.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    for place in new:
        sync(place.parent)


def sync(path: Path) -> None:
    """Wait until a file or folder is on the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def write_text(path: Path, text: str) -> None:
    """Write `text` whole, as UTF-8."""
    with whole(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: Path, value: Any) -> None:
    """Write `value` whole, as JSON that a human can read and a diff can show."""
    write_text(path, json.dumps(value, indent=2, sort_keys=False, default=_plain) + "\n")
