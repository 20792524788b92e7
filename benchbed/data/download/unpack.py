"""Unpack untrusted archives."""

from __future__ import annotations

import errno
import lzma
import re
import stat
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

from benchbed.utils.files import find_path_fault

MAX_RATIO = 100
"""Maximum ratio of unpacked to packed size: images, even masks, stay far below."""

ALLOWED_BYTES = 10_000_000
"""Size in bytes that any archive may unpack to."""

MAX_MEMBERS = 1_000_000
"""Maximum number of members of an archive; each takes memory while it is read."""

MEMBER_BYTES = 512
"""Bytes counted per member besides its content, since even an empty file takes disk space."""

MAX_HEADER_BYTES = 2**20
"""Maximum size of a tar header, such as a long name: headers are read into memory."""

IGNORED_FOLDER = "__MACOSX"
"""Folder that macOS adds to archives."""

# What the readers raise for damaged archives and for files of other kinds.
_ARCHIVE_ERRORS = (
    EOFError,
    IndexError,
    NotImplementedError,
    OverflowError,
    RuntimeError,
    ValueError,
    struct.error,
    tarfile.TarError,
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    FileExistsError,
    IsADirectoryError,
    NotADirectoryError,
)


class UnpackError(Exception):
    """The archive cannot be read or is unsafe to unpack; the text says why."""


def unpack_download(
    archive: Path,
    folder: Path,
    progress: Callable[[int, int], None],
    reserve: Callable[[int], None],
) -> None:
    """Unpack a zip or tar file, with any usual compression.

    All members are checked before the first is written. Only files and folders are unpacked; what
    macOS adds (``__MACOSX``) is skipped.

    Args:
        archive: The file; its type is read from its content, not its name.
        folder: Target folder; created if missing.
        progress: Called with the members unpacked and the total.
        reserve: Called with the bytes to be written; raises if the disk has too little space.

    Raises:
        UnpackError: It is no archive, cannot be read, has a link, a device or a path outside
            `folder`, or unpacks to too much.
        OSError: The files cannot be written.
    """
    with _handle_damage():
        if _is_tar(archive):
            _unpack_tar(archive, folder, progress, reserve)
        elif zipfile.is_zipfile(archive):
            _unpack_zip(archive, folder, progress, reserve)
        else:
            raise UnpackError("it is not a zip or tar file")


class _SafeTarInfo(tarfile.TarInfo):
    """A tar member whose header has a limited size."""

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> Self:
        """Reject oversized headers: tarfile would read them into memory."""
        member = super().frombuf(buf, encoding, errors)
        # A negative size would be read as everything that follows.
        if member.type in _HEADER_TYPES and not 0 <= member.size <= MAX_HEADER_BYTES:
            raise UnpackError(f"the header of one member exceeds {MAX_HEADER_BYTES} bytes")
        return member


_HEADER_TYPES = (
    tarfile.XHDTYPE,
    tarfile.XGLTYPE,
    tarfile.SOLARIS_XHDTYPE,
    tarfile.GNUTYPE_LONGNAME,
    tarfile.GNUTYPE_LONGLINK,
)


def _is_tar(path: Path) -> bool:
    """Return whether this is a tar file; unlike `tarfile.is_tarfile`, limits header sizes."""
    try:
        with tarfile.open(path, tarinfo=_SafeTarInfo):
            return True
    except tarfile.TarError:
        return False


@contextmanager
def _handle_damage() -> Iterator[None]:
    try:
        yield
    except _ARCHIVE_ERRORS as error:
        raise UnpackError(f"it cannot be read ({error})") from error
    except OSError as error:
        # Errors without an errno come from gzip and bzip2 for damaged data. Seeks before the start
        # of the file and invalid file names are faults of the archive too.
        if error.errno in (None, errno.EINVAL, errno.ENAMETOOLONG):
            raise UnpackError(f"it cannot be read ({error})") from error
        raise


def _unpack_zip(
    path: Path, folder: Path, progress: Callable[[int, int], None], reserve: Callable[[int], None]
) -> None:
    limit = _compute_byte_limit(path)
    with zipfile.ZipFile(path) as archive:
        total = 0
        _require_member_limit(len(archive.infolist()))
        for entry in archive.infolist():
            kind = stat.S_IFMT(entry.external_attr >> 16)
            _require_safe_name(entry.filename, kind in (0, stat.S_IFREG, stat.S_IFDIR))
            total += entry.file_size + MEMBER_BYTES
            _require_byte_limit(total, limit)
        reserve(total)
        selected = [entry for entry in archive.infolist() if _should_unpack(entry.filename)]
        _extract_members(archive, selected, folder, progress)


def _unpack_tar(
    path: Path, folder: Path, progress: Callable[[int, int], None], reserve: Callable[[int], None]
) -> None:
    limit = _compute_byte_limit(path)
    with tarfile.open(path, tarinfo=_SafeTarInfo) as archive:
        # Python 3.11 has the filter from 3.11.4 on; what it would refuse is refused below anyway.
        # It also ignores owners and permissions of the archive.
        if hasattr(tarfile, "data_filter"):
            archive.extraction_filter = tarfile.data_filter
        members = []
        total = 0
        for member in archive:
            _require_safe_name(member.name, member.isreg() or member.isdir())
            total += _get_size(member) + MEMBER_BYTES
            _require_byte_limit(total, limit)
            members.append(member)
            _require_member_limit(len(members))
        reserve(total)
        selected = [member for member in members if _should_unpack(member.name)]
        _extract_members(archive, selected, folder, progress)


def _extract_members(
    archive: Any, selected: list[Any], folder: Path, progress: Callable[[int, int], None]
) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for number, member in enumerate(selected, 1):
        archive.extract(member, folder)
        progress(number, len(selected))


def _get_size(member: tarfile.TarInfo) -> int:
    if member.size < 0:  # possible in a header, and would lower the sum below any limit
        raise UnpackError(f"it cannot be read (negative size of {member.name!r})")
    return member.size


def _should_unpack(name: str) -> bool:
    return IGNORED_FOLDER not in re.split(r"[/\\]", name)


def _require_safe_name(name: str, plain: bool) -> None:
    """Raise unless a member is a file or folder inside the target."""
    if (fault := find_path_fault(name)) is not None:
        raise UnpackError(fault)
    if not plain:
        raise UnpackError(f"it contains {name!r}, a link or device instead of a file")


def _compute_byte_limit(path: Path) -> int:
    return max(ALLOWED_BYTES, MAX_RATIO * path.stat().st_size)


def _require_byte_limit(total: int, limit: int) -> None:
    if total > limit:
        raise UnpackError(f"it decompresses to more than {MAX_RATIO} times its size")


def _require_member_limit(members: int) -> None:
    if members > MAX_MEMBERS:
        raise UnpackError(f"it has more than {MAX_MEMBERS} members")
