"""The archive of a run: deterministic to write, and read as untrusted input.

It is an uncompressed zip file with a fixed set of members, so that it cannot expand beyond its
own size. ``manifest.json`` lists every other member with its size and SHA-256. The checksums detect
damage, not tampering: the manifest can be altered as well.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import math
import stat
import struct
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationError

from benchbed.errors import BenchbedError, describe_validation_error
from benchbed.results.record import MAX_RECORD_BYTES, ShapeModel, StrictModel
from benchbed.training.loggers import FIXED_COLUMNS
from benchbed.utils.content import find_content_fault
from benchbed.utils.files import find_path_fault, hash_file

ARCHIVE_FORMAT = 2
"""Version of the format; a reader supports all versions up to its own. 2 adds `HISTORY_NAME`."""

MANIFEST_NAME = "manifest.json"

CARD_NAME = "README.md"

RECORD_NAME = "record.json"

SETTINGS_NAME = "settings.json"

PROTOCOL_NAME = "protocol.json"

WEIGHTS_NAME = "weights.safetensors"

HISTORY_NAME = "history.csv"

PICTURE_NAMES = ("samples/final.png", "samples/nearest.png")

BYTES_PER_MEBIBYTE = 2**20

MAX_MEMBER_BYTES: Mapping[str, int] = {
    MANIFEST_NAME: BYTES_PER_MEBIBYTE,
    CARD_NAME: BYTES_PER_MEBIBYTE,
    RECORD_NAME: MAX_RECORD_BYTES,
    SETTINGS_NAME: BYTES_PER_MEBIBYTE,
    PROTOCOL_NAME: BYTES_PER_MEBIBYTE,
    WEIGHTS_NAME: 16 * 1024 * BYTES_PER_MEBIBYTE,
    HISTORY_NAME: 16 * BYTES_PER_MEBIBYTE,
    **dict.fromkeys(PICTURE_NAMES, 64 * BYTES_PER_MEBIBYTE),
}
"""The allowed members and their maximum size in bytes."""

REQUIRED_MEMBERS = frozenset(MAX_MEMBER_BYTES) - {*PICTURE_NAMES, HISTORY_NAME, MANIFEST_NAME}

MAX_PICTURE_SIDE = 30_000
"""Longest side of a picture in pixels."""

MAX_COLUMNS = 100
"""Maximum number of columns of a history."""

CHUNK_BYTES = BYTES_PER_MEBIBYTE

ZIP_EPOCH = (1980, 1, 1, 0, 0, 0)
"""The earliest time that a zip file can store; the same for every member, to be deterministic."""

# What zipfile raises for bytes that are no archive, and for inconsistent archives.
_ZIP_ERRORS = (
    zipfile.BadZipFile,
    EOFError,
    NotImplementedError,
    OSError,  # an offset before the start of the file
    OverflowError,
    RuntimeError,
    ValueError,
    struct.error,
)


class ArchiveMember(StrictModel):
    """Size and hash of a member."""

    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    bytes: int = Field(ge=0)


class Manifest(StrictModel):
    """Content of ``manifest.json``.

    Attributes:
        format: Kind of archive.
        version: Version of the format.
        run: Run id.
        method: Name of its method.
        plugin: Name and version of the distribution that provided the method in training.
        data: The shape of the data that the method was built for.
        members: Every other member by name.
    """

    format: Literal["benchbed-run"] = "benchbed-run"
    version: int = ARCHIVE_FORMAT
    run: str = Field(pattern=r"^[a-z0-9][a-z0-9-]{0,200}$")
    method: str = Field(max_length=200)
    plugin: str = Field(max_length=200)
    data: ShapeModel
    members: dict[str, ArchiveMember]


class ArchiveError(BenchbedError):
    """Error for a rejected archive, with the reason."""


@dataclass(frozen=True)
class Archive:
    """An archive whose members match the manifest in number, size and hash."""

    path: Path
    sha256: str
    manifest: Manifest

    def read_member(self, name: str) -> bytes:
        """Return the content of a member; hashed again, since the file may have changed.

        Raises:
            ArchiveError: It does not match the manifest.
        """
        with _open_zip(self.path) as archive, archive.open(name) as file:
            content = file.read(self.manifest.members[name].bytes + 1)
            size = archive.getinfo(name).file_size
        expected = self.manifest.members[name]
        _reject_fault(self.path, _find_size_fault(name, expected, size))
        _check_hash(self.path, name, expected, hashlib.sha256(content).hexdigest())
        return content

    def read_json(self, name: str) -> Any:
        """Return a member parsed as JSON.

        Raises:
            ArchiveError: It is not valid JSON.
        """
        return parse_json(self.path, name, self.read_member(name))


def write_archive(path: Path, manifest: Manifest, members: Mapping[str, bytes]) -> str:
    """Write an archive with a completed manifest and return its SHA-256; it is deterministic."""
    entries = {
        name: ArchiveMember(sha256=hashlib.sha256(content).hexdigest(), bytes=len(content))
        for name, content in sorted(members.items())
    }
    complete = manifest.model_copy(update={"members": entries})
    contents = {**members, MANIFEST_NAME: to_json_bytes(complete.model_dump(mode="json"))}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        for name, content in sorted(contents.items()):
            info = zipfile.ZipInfo(name, ZIP_EPOCH)
            info.create_system = 3  # Unix, so that the bytes are equal on every system
            info.external_attr = (stat.S_IFREG | 0o644) << 16
            archive.writestr(info, content)
    return hash_file(path)


def to_json_bytes(value: Any) -> bytes:
    """Return indented JSON as bytes."""
    return (json.dumps(value, indent=2) + "\n").encode()


def read_archive(path: Path) -> Archive:
    """Read an archive and verify names, kinds, sizes and checksums; nothing is written.

    Raises:
        ArchiveError: It is not an archive of a run, is damaged, or has unexpected content.
    """
    if not path.is_file():
        raise BenchbedError(f"Archive {path} not found. Create one with `benchbed export RUN`.")
    with _open_zip(path) as archive:
        entries = archive.infolist()
        _reject_fault(path, next(_iter_entry_faults(path, entries), None))
        with archive.open(MANIFEST_NAME) as file:
            manifest = _parse_manifest(path, file.read(MAX_MEMBER_BYTES[MANIFEST_NAME] + 1))
        by_name = {entry.filename: entry for entry in entries}
        _reject_fault(path, _find_member_fault(by_name, manifest))
        for name, expected in manifest.members.items():
            hashed = hashlib.sha256()
            with archive.open(name) as file:
                while chunk := file.read(CHUNK_BYTES):
                    hashed.update(chunk)
            _check_hash(path, name, expected, hashed.hexdigest())
    found = Archive(path, hash_file(path), manifest)
    for name in PICTURE_NAMES:
        if name in manifest.members:
            _reject_fault(path, _find_picture_fault(name, found.read_member(name)))
    if HISTORY_NAME in manifest.members:
        _reject_fault(path, _find_history_fault(found.read_member(HISTORY_NAME)))
    return found


def _check_hash(path: Path, name: str, expected: ArchiveMember, actual: str) -> None:
    if actual != expected.sha256:
        raise make_archive_error(
            path,
            f"{name} is damaged: its SHA-256 is {actual}, but the manifest lists {expected.sha256}",
        )


def parse_json(path: Path, name: str, content: bytes) -> Any:
    """Return untrusted JSON, parsed.

    Raises:
        ArchiveError: It is invalid, repeats a key, or has unsafe texts or too deep a nesting.
    """
    try:
        value = json.loads(content.decode(), object_pairs_hook=_reject_duplicate_keys)
    except (ValueError, RecursionError) as error:
        raise make_archive_error(path, f"{name} is not valid JSON ({error})") from error
    if (fault := find_content_fault(value)) is not None:
        raise make_archive_error(path, f"{name} is rejected: {fault}")
    return value


def _reject_duplicate_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    content = dict(pairs)
    if len(content) < len(pairs):
        raise ValueError("duplicate key")
    return content


@contextmanager
def _open_zip(path: Path) -> Iterator[zipfile.ZipFile]:
    try:
        with zipfile.ZipFile(path) as archive:
            yield archive
    except _ZIP_ERRORS as error:
        raise make_archive_error(path, f"it is damaged or not a zip file ({error})") from error


def _iter_entry_faults(path: Path, entries: list[zipfile.ZipInfo]) -> Iterator[str]:
    """Yield why entries are rejected by their name, kind, compression or size."""
    seen: set[str] = set()
    for entry in entries:
        # zipfile cuts `filename` at a zero byte; the full name must be checked.
        name = entry.orig_filename
        kind = stat.S_IFMT(entry.external_attr >> 16)
        if (fault := find_path_fault(name)) is not None:
            yield fault
        elif kind not in (0, stat.S_IFREG) or name.endswith("/"):
            yield f"it contains {name!r}, a link, folder or device"
        elif name in seen:
            yield f"it contains {name!r} twice"
        elif name not in MAX_MEMBER_BYTES:
            yield f"it contains {name!r}, which is not part of an exported run"
        elif entry.flag_bits & 1 or entry.compress_type != zipfile.ZIP_STORED:
            yield f"{name} is compressed or encrypted, which is not supported"
        elif entry.file_size > MAX_MEMBER_BYTES[name] or entry.file_size != entry.compress_size:
            yield f"{name} declares {entry.file_size} bytes, which is too large"
        seen.add(name)
    if sum(entry.file_size for entry in entries) > path.stat().st_size:
        yield "the declared member sizes exceed the size of the archive"
    if MANIFEST_NAME not in seen:
        yield f"{MANIFEST_NAME} is missing, so it is not an exported run"


def _parse_manifest(path: Path, content: bytes) -> Manifest:
    value = parse_json(path, MANIFEST_NAME, content)
    version = value.get("version") if isinstance(value, dict) else None
    if isinstance(version, int) and version > ARCHIVE_FORMAT:
        raise make_archive_error(
            path,
            f"its format is {version}, but this benchbed reads up to {ARCHIVE_FORMAT}; update "
            "benchbed",
        )
    try:
        return Manifest.model_validate(value)
    except ValidationError as error:
        place, fault = describe_validation_error(error)
        raise make_archive_error(path, f"its manifest is invalid at {place!r}: {fault}") from error


def _find_member_fault(entries: Mapping[str, zipfile.ZipInfo], manifest: Manifest) -> str | None:
    """Return which member is unlisted, missing or of another size than listed, or None."""
    names = entries.keys() - {MANIFEST_NAME}
    if extra := sorted(names - manifest.members.keys()):
        return f"the manifest does not list {', '.join(extra)}"
    if missing := sorted((manifest.members.keys() | REQUIRED_MEMBERS) - names):
        return f"{', '.join(map(repr, missing))} is missing"
    for name, expected in manifest.members.items():
        if (fault := _find_size_fault(name, expected, entries[name].file_size)) is not None:
            return fault
    return None


def _find_size_fault(name: str, expected: ArchiveMember, size: int) -> str | None:
    if expected.bytes != size:
        return f"{name} has {size} bytes, but the manifest lists {expected.bytes}"
    return None


def _find_picture_fault(name: str, content: bytes) -> str | None:
    """Return why a picture is no PNG, or would exhaust the memory of a viewer, or None."""
    if content[:8] != b"\x89PNG\r\n\x1a\n" or content[12:16] != b"IHDR" or len(content) < 33:
        return f"{name} is not a PNG file"
    sides = struct.unpack(">II", content[16:24])
    if not all(0 < side <= MAX_PICTURE_SIDE for side in sides):
        return (
            f"{name} declares {sides[0]} x {sides[1]} pixels; each side must be 1 to "
            f"{MAX_PICTURE_SIDE}"
        )
    return None


def _find_history_fault(content: bytes) -> str | None:
    """Return why this is no table of numbers with printable column names, or None."""
    fixed = len(FIXED_COLUMNS)
    try:
        header, *rows = csv.reader(io.StringIO(content.decode(), newline=""), strict=True)
        for row in rows:
            if len(row) != len(header):
                raise ValueError("its rows have different lengths")
            values = [float(cell) for cell in row if cell]
            if "" in row[:fixed] or not all(map(math.isfinite, values[:fixed])):
                raise ValueError("a row has no step, kimg or seconds")
    except (ValueError, csv.Error) as error:
        return f"{HISTORY_NAME} is not a valid history ({error})"
    if (fault := find_content_fault(header)) is not None:
        return f"{HISTORY_NAME} is rejected: {fault}"
    if len(header) > MAX_COLUMNS:
        return f"{HISTORY_NAME} has {len(header)} columns, more than {MAX_COLUMNS}"
    if tuple(header[:fixed]) != FIXED_COLUMNS:
        found = ", ".join(header[:fixed])
        return (
            f"the first columns of {HISTORY_NAME} are {found[:100]!r}, not "
            f"{', '.join(FIXED_COLUMNS)!r}"
        )
    if (repeated := next((name for name in header if header.count(name) > 1), None)) is not None:
        return f"{HISTORY_NAME} contains the column {repeated[:40]!r} twice"
    return None


def _reject_fault(path: Path, fault: str | None) -> None:
    if fault is not None:
        raise make_archive_error(path, fault)


def make_archive_error(path: Path, reason: str) -> ArchiveError:
    """Make the error for a rejected archive."""
    return ArchiveError(f"Archive {path} is rejected: {reason}.")
