"""What kind of data a file holds, judged by its suffix, or by its content where it has none."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Literal

from benchbed.api.dataset import DICOM_SUFFIXES, GZIP_SUFFIX, IMAGE_SUFFIXES, VOLUME_SUFFIXES

FileKind = Literal["image", "volume", "dicom", "other"]

_DICOM_MAGIC = b"DICM"
_DICOM_OFFSET = 128

# Suffixes of three digits or more are no suffixes: DICOM files are often named after their UID.
_NO_SUFFIX_PATTERN = re.compile(r"|\.\d{3,}")

_TABLE_SUFFIXES = (".csv", ".tsv")

_IGNORED_NAMES = ("thumbs.db", "desktop.ini", "dicomdir")


def find_kind(path: Path) -> FileKind:
    """Return what kind of data a file holds; files without a suffix are opened."""
    name = path.name.lower()
    if name in _IGNORED_NAMES:
        return "other"
    if name.endswith(VOLUME_SUFFIXES):
        return "volume"
    if name.removesuffix(GZIP_SUFFIX).endswith(IMAGE_SUFFIXES):
        return "image"
    if name.endswith(DICOM_SUFFIXES) or _has_dicom_magic(path):
        return "dicom"
    return "other"


def _has_dicom_magic(path: Path) -> bool:
    if not _NO_SUFFIX_PATTERN.fullmatch(path.suffix):
        return False
    try:
        with path.open("rb") as file:
            file.seek(_DICOM_OFFSET)
            return file.read(len(_DICOM_MAGIC)) == _DICOM_MAGIC
    except OSError:
        return False


def explain_unused(path: Path) -> str:
    """Return why a file of the kind ``"other"`` is not used."""
    if path.suffix.lower() in _TABLE_SUFFIXES:
        return f"a table; use it with --dataset manifest:{path.name} if it has a column image"
    if path.name.lower() in _IGNORED_NAMES:
        return "not data"
    return f"unsupported suffix {path.suffix}" if path.suffix else "no suffix, and not DICOM"


def summarize_unused(unused: Mapping[str, str]) -> str:
    """Return the files that are not used by reason, in one line; empty if there are none."""
    groups: dict[str, list[str]] = {}
    for name, reason in unused.items():
        groups.setdefault(reason, []).append(name)
    return "; ".join(f"{_list_some(names)} ({reason})" for reason, names in groups.items())


def _list_some(names: list[str], shown: int = 2) -> str:
    listed = ", ".join(names[:shown])
    return listed if len(names) <= shown else f"{len(names)} files such as {listed}"


def count_suffixes(names: Iterable[str]) -> dict[str, int]:
    """Return the number of files by lower-case suffix, the most frequent first."""
    counts = Counter(_get_suffix(name) for name in names)
    return dict(counts.most_common())


def _get_suffix(name: str) -> str:
    lowered = name.lower()
    volume = [suffix for suffix in VOLUME_SUFFIXES if lowered.endswith(suffix)]
    return max(volume, key=len) if volume else Path(lowered).suffix or "no suffix"
