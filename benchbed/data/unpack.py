"""Archives from elsewhere, unpacked without trust."""

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
from typing import Self

MOST_TIMES = 100
"""How many times its own size an archive may unpack to: pictures, even of masks, stay far below."""

ALWAYS_BYTES = 10_000_000
"""So much is unpacked of any archive, whatever its own size."""

MOST_MEMBERS = 1_000_000
"""So many files and folders a data set may have; each takes memory while the archive is read."""

MEMBER_BYTES = 512
"""What a member takes beside its content: a name and its place on the disk, even if it is empty."""

MOST_HEADER = 2**20
"""Bytes of what a tar file may say of one member, such as a long name: it is read at once."""

LEFT_OUT = "__MACOSX"
"""What macOS adds to archives beside their content."""

# What the readers raise for bytes that are no archive, and for archives that contradict themselves.
_DAMAGED = (
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


class Refused(Exception):
    """An archive that cannot be read, or that nobody should unpack; the text says why."""


def unpack(
    archive: Path,
    folder: Path,
    counted: Callable[[int, int], None],
    room: Callable[[int], None],
) -> None:
    """Unpack a zip or tar file, packed in any of the usual ways.

    All members are looked at before the first is written. Only files and folders are taken; what
    macOS adds (``__MACOSX``) is left out.

    Args:
        archive: The file; its content tells what it is, not its name.
        folder: Where to; made if need be.
        counted: Called with the members that are done and how many there are.
        room: Called with the bytes that will be written; raises where there is no room.

    Raises:
        Refused: It is no archive, cannot be read, holds a link, a device or a path that leads out
            of `folder`, or is a bomb.
        OSError: The files cannot be written.
    """
    with _damage_told():
        if _is_tar(archive):
            _unpack_tar(archive, folder, counted, room)
        elif zipfile.is_zipfile(archive):
            _unpack_zip(archive, folder, counted, room)
        else:
            raise Refused("it is not a zip or tar file")


class _Member(tarfile.TarInfo):
    """A member of a tar file, or what is said of the one behind it."""

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> Self:
        """Refuse what says too much of the next member: all of it would be unpacked to memory."""
        member = super().frombuf(buf, encoding, errors)
        # A size below zero would be read as all that there is.
        if member.type in _ABOUT_OTHERS and not 0 <= member.size <= MOST_HEADER:
            raise Refused(f"the header of one member exceeds {MOST_HEADER} bytes")
        return member


_ABOUT_OTHERS = (
    tarfile.XHDTYPE,
    tarfile.XGLTYPE,
    tarfile.SOLARIS_XHDTYPE,
    tarfile.GNUTYPE_LONGNAME,
    tarfile.GNUTYPE_LONGLINK,
)


def _is_tar(path: Path) -> bool:
    """As `tarfile.is_tarfile` says it, which would read a header of any size."""
    try:
        with tarfile.open(path, tarinfo=_Member):
            return True
    except tarfile.TarError:
        return False


@contextmanager
def _damage_told() -> Iterator[None]:
    try:
        yield
    except _DAMAGED as error:
        raise Refused(f"it cannot be read ({error})") from error
    except OSError as error:
        # Without a number it comes from gzip and bzip2, for bytes that are none of theirs. Places
        # before the beginning of the file, and names that no disk takes, are the archive's too.
        if error.errno in (None, errno.EINVAL, errno.ENAMETOOLONG):
            raise Refused(f"it cannot be read ({error})") from error
        raise


def _unpack_zip(
    path: Path,
    folder: Path,
    counted: Callable[[int, int], None],
    room: Callable[[int], None],
) -> None:
    most = _most(path)
    with zipfile.ZipFile(path) as archive:
        total = 0
        _demand_few(len(archive.infolist()))
        for entry in archive.infolist():
            kind = stat.S_IFMT(entry.external_attr >> 16)
            _demand_plain(entry.filename, kind in (0, stat.S_IFREG, stat.S_IFDIR))
            total += entry.file_size + MEMBER_BYTES
            _demand_small(total, most)
        room(total)
        folder.mkdir(parents=True, exist_ok=True)
        wanted = [entry for entry in archive.infolist() if _wanted(entry.filename)]
        for number, entry in enumerate(wanted, 1):
            archive.extract(entry, folder)
            counted(number, len(wanted))


def _unpack_tar(
    path: Path,
    folder: Path,
    counted: Callable[[int, int], None],
    room: Callable[[int], None],
) -> None:
    most = _most(path)
    with tarfile.open(path, tarinfo=_Member) as archive:
        # Python 3.11 has the filter from its fourth release on; what it would refuse is refused
        # below with any. It also keeps owners and rights of the archive off the files.
        if hasattr(tarfile, "data_filter"):
            archive.extraction_filter = tarfile.data_filter
        members = []
        total = 0
        for member in archive:
            _demand_plain(member.name, member.isreg() or member.isdir())
            total += _size(member) + MEMBER_BYTES
            _demand_small(total, most)
            members.append(member)
            _demand_few(len(members))
        room(total)
        folder.mkdir(parents=True, exist_ok=True)
        wanted = [member for member in members if _wanted(member.name)]
        for number, member in enumerate(wanted, 1):
            archive.extract(member, folder)
            counted(number, len(wanted))


def _size(member: tarfile.TarInfo) -> int:
    if member.size < 0:  # the header can say so, and would take the sum below any bound
        raise Refused(f"it cannot be read (negative size of {member.name!r})")
    return member.size


def _wanted(name: str) -> bool:
    return LEFT_OUT not in re.split(r"[/\\]", name)


def _demand_plain(name: str, plain: bool) -> None:
    """Raise unless a member is a file or folder that stays inside."""
    parts = re.split(r"[/\\]", name)
    if parts[0] == "" or re.match(r"[A-Za-z]:", name):
        raise Refused(f"it contains the absolute path {name!r}")
    if ".." in parts:
        raise Refused(f"it contains {name!r}, a path outside its folder")
    if not plain:
        raise Refused(f"it contains {name!r}, a link or device instead of a file")


def _most(path: Path) -> int:
    return max(ALWAYS_BYTES, MOST_TIMES * path.stat().st_size)


def _demand_small(total: int, most: int) -> None:
    if total > most:
        raise Refused(f"it decompresses to more than {MOST_TIMES} times its size")


def _demand_few(members: int) -> None:
    if members > MOST_MEMBERS:
        raise Refused(f"it has more than {MOST_MEMBERS} members")
