"""Patterns of official layouts: which files are images, and which file belongs to which."""

from __future__ import annotations

import os
import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from benchbed.errors import BenchbedError

PACKED = ".gz"
"""Suffix of files that are packed with gzip."""

_TOKEN = re.compile(r"\{(\w+)(?::([^{}/]+))?\}|\*\*/|\*")
_SUFFIX = rf"\.(?!{PACKED[1:]}\Z)[^/.]+(?:{re.escape(PACKED)})?"
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
        raise BenchbedError(
            f"The file name {name!a} is not valid UTF-8. Rename the file."
        ) from error


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
        dotted: Whether ``.*`` at the end is the suffix alone, so that the names before it may hold
            dots; else a field before it ends at the first dot.
    """

    text: str
    dotted: bool = False

    def matches(self, files: Iterable[str]) -> dict[str, dict[str, str]]:
        """The files that match, each with its fields."""
        expression = self._expression({})
        hits = ((name, expression.fullmatch(name)) for name in files)
        return {name: hit.groupdict() for name, hit in hits if hit}

    def find(self, files: Iterable[str], fields: Mapping[str, str]) -> list[str]:
        """The files that match once the fields are filled in."""
        expression = self._expression(fields)
        return [name for name in files if expression.fullmatch(name)]

    def companions(
        self, files: Iterable[str], images: Mapping[str, Mapping[str, str]]
    ) -> dict[str, list[str]]:
        """The files of every image: those that match and have its fields.

        Takes time in proportion to files and images. Files that can be read in several ways, as
        ``1_2_a.png`` by ``{id}_*.png``, are looked at by the images that they may be meant for.

        Args:
            files: Where to look.
            images: Fields of each image, the same ones for all.

        Returns:
            By image. Images of the same fields share one list.
        """
        names = sorted(self._fields() & {name for fields in images.values() for name in fields})
        certain: dict[tuple[str, ...], list[str]] = defaultdict(list)
        unsure: list[str] = []
        least, most = self._expression({}), self._expression({}, most=True)
        for file in files:
            short, long = least.fullmatch(file), most.fullmatch(file)
            if short is None or long is None:
                continue
            if short.regs == long.regs:
                certain[tuple(short[name].lower() for name in names)].append(file)
            else:
                unsure.append(file)
        values = {image: tuple(fields[name] for name in names) for image, fields in images.items()}
        near = _near(unsure, set(values.values()))
        found = {
            each: certain.get(tuple(value.lower() for value in each), [])
            + (self.find(near[each], dict(zip(names, each, strict=True))) if each in near else [])
            for each in set(values.values())
        }
        return {image: found[each] for image, each in values.items()}

    def _fields(self) -> set[str]:
        return {hit[1] for hit in _TOKEN.finditer(self.text) if hit[1]}

    def fill(self, fields: Mapping[str, str]) -> str:
        """The path with the fields filled in, wildcards left, for a message."""
        return _TOKEN.sub(lambda hit: fields.get(hit[1] or "", hit[0]), self.text)

    def _expression(self, fields: Mapping[str, str], *, most: bool = False) -> re.Pattern[str]:
        """What matches: a field that is not given takes the least it can, or the most."""
        parts: list[str] = []
        start = 0
        named: set[str] = set()
        for hit in _TOKEN.finditer(self.text):
            before = self.text[start : hit.start()]
            parts.append(re.escape(before[:-1] if self._ends(hit) else before))
            parts.append(_SUFFIX if self._ends(hit) else _piece(hit, fields, named, most))
            start = hit.end()
        parts.append(re.escape(self.text[start:]))
        return re.compile("".join(parts), re.IGNORECASE)

    def _ends(self, hit: re.Match[str]) -> bool:
        """Whether this is the star of ``.*`` at the end, and that is the suffix alone."""
        return self.dotted and hit.end() == len(self.text) and self.text.endswith(".*")


def _near(
    files: Iterable[str], wanted: Collection[tuple[str, ...]]
) -> dict[tuple[str, ...], list[str]]:
    """The files that each of some tuples of values may be meant by: that hold its most telling one.

    A value is most telling where it differs between the most tuples.
    """
    columns = [set(column) for column in zip(*wanted, strict=True)]
    place = max(range(len(columns)), key=lambda n: len(columns[n]), default=None)
    holders: dict[str, list[tuple[str, ...]]] = defaultdict(list)
    for each in wanted:
        holders["" if place is None else each[place].casefold()].append(each)
    lengths = {len(value) for value in holders}
    near: dict[tuple[str, ...], list[str]] = defaultdict(list)
    for file in files:
        text = file.casefold()
        parts = {text[at : at + n] for n in lengths for at in range(len(text) - n + 1)}
        for part in parts & holders.keys():
            for each in holders[part]:
                near[each].append(file)
    return near


def _piece(hit: re.Match[str], fields: Mapping[str, str], named: set[str], most: bool) -> str:
    """One token; what a wildcard takes is lost to the fields, so it does the opposite."""
    field = hit[1]
    wildcard, own = ("?", "") if most else ("", "?")
    if field is None:
        return f"(?:.*{wildcard}/)?{wildcard}" if hit[0] == "**/" else f"[^/]*{wildcard}"
    if field in fields:
        return re.escape(fields[field])
    if field in named:
        return f"(?P={field})"
    named.add(field)
    if hit[2] is None:
        return f"(?P<{field}>[^/]+{own})"
    signs = {"?": "[^/]", "*": f"[^/]*{own}"}
    shape = "".join(signs.get(sign, re.escape(sign)) for sign in hit[2])
    return f"(?P<{field}>{shape})"
