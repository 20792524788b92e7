"""Patterns of official layouts: which files are images, and which file belongs to which."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from benchbed.errors import BenchbedError

PACKED = ".gz"
"""Suffix of files that are packed with gzip."""

_TOKEN = re.compile(r"\{(\w+)(?::([^{}/]+))?\}|\*\*/|\*")
_SHAPE = {"?": "[^/]", "*": "[^/]*?"}
_HIDDEN = ("__MACOSX",)


def listing(folder: Path) -> list[str]:
    """Every file below `folder`, relative, with forward slashes, sorted; hidden ones left out.

    Links to folders are followed once; a loop ends where it closes. A packed file that lies beside
    what it unpacks to is left out.

    Raises:
        BenchbedError: A folder cannot be listed, or a name is no text.
    """
    found: list[str] = []
    seen: set[tuple[int, int]] = set()
    for current, folders, files in os.walk(folder, onerror=_refuse, followlinks=True):
        place = Path(current).stat()
        if (place.st_dev, place.st_ino) in seen:
            folders.clear()
            continue
        seen.add((place.st_dev, place.st_ino))
        folders[:] = sorted(f for f in folders if not f.startswith(".") and f not in _HIDDEN)
        relative = Path(current).relative_to(folder)
        found += [(relative / name).as_posix() for name in files if not name.startswith(".")]
    for name in found:
        _demand_text(str(folder / name))
    unpacked = set(found)
    return sorted(name for name in found if not _packed_from(name) & unpacked)


def _refuse(error: OSError) -> None:
    """What cannot be looked into must not be missing in silence."""
    raise BenchbedError(f"{error.filename} cannot be listed: {error.strerror}.") from error


def _demand_text(name: str) -> None:
    """Raise for a name that no record can hold: one of bytes that are no UTF-8."""
    try:
        name.encode()
    except UnicodeEncodeError as error:
        raise BenchbedError(f"The name of {name!a} is no UTF-8; rename it.") from error


def _packed_from(name: str) -> set[str]:
    """The name of what a packed file unpacks to, if it is one."""
    return {name[: -len(PACKED)]} if name.lower().endswith(PACKED) else set()


@dataclass(frozen=True)
class Pattern:
    """A path with fields, such as ``images/{id}_test.tif``.

    Attributes:
        text: The pattern. A field or ``*`` stands for part of one component, ``**/`` for any
            folders. A field may have a shape, as in ``{id:im????}``, with ``?`` for one character
            and ``*`` for any. Letter case does not matter, for suffixes in real sets are mixed.
    """

    text: str

    def matches(self, files: Iterable[str]) -> dict[str, dict[str, str]]:
        """The files that match, each with its fields."""
        expression = self._expression({})
        hits = ((name, expression.fullmatch(name)) for name in files)
        return {name: hit.groupdict() for name, hit in hits if hit}

    def find(self, files: Iterable[str], fields: Mapping[str, str]) -> list[str]:
        """The files that match once the fields are filled in."""
        expression = self._expression(fields)
        return [name for name in files if expression.fullmatch(name)]

    def fill(self, fields: Mapping[str, str]) -> str:
        """The path with the fields filled in, wildcards left, for a message."""
        return _TOKEN.sub(lambda hit: fields.get(hit[1] or "", hit[0]), self.text)

    def _expression(self, fields: Mapping[str, str]) -> re.Pattern[str]:
        parts: list[str] = []
        start = 0
        named: set[str] = set()
        for hit in _TOKEN.finditer(self.text):
            parts.append(re.escape(self.text[start : hit.start()]))
            parts.append(_piece(hit, fields, named))
            start = hit.end()
        parts.append(re.escape(self.text[start:]))
        return re.compile("".join(parts), re.IGNORECASE)


def _piece(hit: re.Match[str], fields: Mapping[str, str], named: set[str]) -> str:
    field = hit[1]
    if field is None:
        return "(?:.*/)?" if hit[0] == "**/" else "[^/]*"
    if field in fields:
        return re.escape(fields[field])
    if field in named:
        return f"(?P={field})"
    named.add(field)
    shape = "".join(_SHAPE.get(sign, re.escape(sign)) for sign in hit[2]) if hit[2] else "[^/]+?"
    return f"(?P<{field}>{shape})"
