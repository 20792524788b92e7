"""Path patterns of official layouts, and the matching of images with their companion files."""

from __future__ import annotations

import os
import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from benchbed.api.dataset import GZIP_SUFFIX
from benchbed.errors import BenchbedError

_TOKEN_PATTERN = re.compile(r"\{(\w+)(?::([^{}/]+))?\}|\*\*/|\*")

_SUFFIX_PATTERN = rf"\.(?!{GZIP_SUFFIX[1:]}\Z)[^/.]+(?:{re.escape(GZIP_SUFFIX)})?"

_HIDDEN_FOLDERS = ("__MACOSX",)


def list_files(folder: Path) -> list[str]:
    """List every file below `folder`, relative, with forward slashes, sorted, without hidden ones.

    Links to folders are followed once, so loops end. A compressed file is skipped if its
    decompressed version is in the same folder.

    Raises:
        BenchbedError: A folder cannot be listed, or a name is not valid UTF-8.
    """
    names: list[str] = []
    visited: set[tuple[int, int]] = set()
    for current, folders, files in os.walk(folder, onerror=_raise_listing_error, followlinks=True):
        status = Path(current).stat()
        if (status.st_dev, status.st_ino) in visited:
            folders.clear()
            continue
        visited.add((status.st_dev, status.st_ino))
        folders[:] = sorted(f for f in folders if not _is_hidden(f))
        relative = Path(current).relative_to(folder)
        names += [(relative / name).as_posix() for name in files if not _is_hidden(name)]
    for name in names:
        _require_utf8(str(folder / name))
    unpacked = set(names)
    return sorted(name for name in names if not _find_unpacked_name(name) & unpacked)


def count_hidden_files(folder: Path) -> int:
    """Return the number of files that `list_files` leaves out as hidden."""
    count = 0
    for current, _, files in os.walk(folder):
        inner = Path(current).relative_to(folder).parts
        count += sum(_is_hidden(name) or any(map(_is_hidden, inner)) for name in files)
    return count


def _is_hidden(name: str) -> bool:
    return name.startswith(".") or name in _HIDDEN_FOLDERS


def _raise_listing_error(error: OSError) -> None:
    """Raise, since a folder that cannot be listed must not be skipped silently."""
    raise BenchbedError(f"{error.filename} cannot be listed: {error.strerror}.") from error


def _require_utf8(name: str) -> None:
    try:
        name.encode()
    except UnicodeEncodeError as error:
        raise BenchbedError(
            f"The file name {name!a} is not valid UTF-8. Rename the file."
        ) from error


def _find_unpacked_name(name: str) -> set[str]:
    return {name[: -len(GZIP_SUFFIX)]} if name.lower().endswith(GZIP_SUFFIX) else set()


@dataclass(frozen=True)
class PathPattern:
    """A path with fields, such as ``images/{id}_test.tif``.

    Attributes:
        text: The pattern. A field or ``*`` matches part of one component, ``**/`` any folders. A
            field may have a shape, as in ``{id:im????}``, with ``?`` for one character and ``*``
            for any. Matching ignores letter case, since suffixes in real datasets are mixed.
        stops_at_dot: Whether ``.*`` at the end is only the suffix, so that names may contain dots;
            else a field before it ends at the first dot.
    """

    text: str
    stops_at_dot: bool = False

    def match_files(self, files: Iterable[str]) -> dict[str, dict[str, str]]:
        """Return the files that match, each with its fields."""
        expression = self._build_regex({})
        hits = ((name, expression.fullmatch(name)) for name in files)
        return {name: hit.groupdict() for name, hit in hits if hit}

    def find_files(self, files: Iterable[str], fields: Mapping[str, str]) -> list[str]:
        """Return the files that match once the fields are filled in."""
        expression = self._build_regex(fields)
        return [name for name in files if expression.fullmatch(name)]

    def find_companions(
        self, files: Iterable[str], images: Mapping[str, Mapping[str, str]]
    ) -> dict[str, list[str]]:
        """Return the companion files of every image: those that match and have its fields.

        Takes time linear in files and images. Files with several readings, such as ``1_2_a.png`` by
        ``{id}_*.png``, are compared only with the images they may belong to.

        Args:
            files: Files to search.
            images: Fields of each image, the same names for all.

        Returns:
            Files by image. Images with the same fields share one list.
        """
        names = sorted(
            self._list_fields() & {name for fields in images.values() for name in fields}
        )
        certain: dict[tuple[str, ...], list[str]] = defaultdict(list)
        ambiguous: list[str] = []
        shortest, longest = self._build_regex({}), self._build_regex({}, most=True)
        for file in files:
            short, long = shortest.fullmatch(file), longest.fullmatch(file)
            if short is None or long is None:
                continue
            if short.regs == long.regs:
                certain[tuple(short[name].lower() for name in names)].append(file)
            else:
                ambiguous.append(file)
        values = {image: tuple(fields[name] for name in names) for image, fields in images.items()}
        maybe = _group_candidates(ambiguous, set(values.values()))
        matches = {
            key: certain.get(tuple(value.lower() for value in key), [])
            + (
                self.find_files(maybe[key], dict(zip(names, key, strict=True)))
                if key in maybe
                else []
            )
            for key in set(values.values())
        }
        return {image: matches[key] for image, key in values.items()}

    def _list_fields(self) -> set[str]:
        return {hit[1] for hit in _TOKEN_PATTERN.finditer(self.text) if hit[1]}

    def format_path(self, fields: Mapping[str, str]) -> str:
        """Return the path with the fields filled in and wildcards left, for a message."""
        return _TOKEN_PATTERN.sub(lambda hit: fields.get(hit[1] or "", hit[0]), self.text)

    def _build_regex(self, fields: Mapping[str, str], *, most: bool = False) -> re.Pattern[str]:
        """Build the expression; fields not given match as little, or as much, as possible."""
        parts: list[str] = []
        start = 0
        named: set[str] = set()
        for hit in _TOKEN_PATTERN.finditer(self.text):
            before = self.text[start : hit.start()]
            parts.append(re.escape(before[:-1] if self._is_suffix_wildcard(hit) else before))
            parts.append(
                _SUFFIX_PATTERN
                if self._is_suffix_wildcard(hit)
                else _convert_token(hit, fields, named, most)
            )
            start = hit.end()
        parts.append(re.escape(self.text[start:]))
        return re.compile("".join(parts), re.IGNORECASE)

    def _is_suffix_wildcard(self, hit: re.Match[str]) -> bool:
        """Return whether this is the ``*`` of a final ``.*`` that matches only the suffix."""
        return self.stops_at_dot and hit.end() == len(self.text) and self.text.endswith(".*")


def _group_candidates(
    files: Iterable[str], tuples: Collection[tuple[str, ...]]
) -> dict[tuple[str, ...], list[str]]:
    """Group files by the value tuples that they may belong to.

    A file is in a tuple's group if it contains its value in the column with the most values.
    """
    columns = [set(column) for column in zip(*tuples, strict=True)]
    position = max(range(len(columns)), key=lambda n: len(columns[n]), default=None)
    holders: dict[str, list[tuple[str, ...]]] = defaultdict(list)
    for key in tuples:
        holders["" if position is None else key[position].casefold()].append(key)
    lengths = {len(value) for value in holders}
    groups: dict[tuple[str, ...], list[str]] = defaultdict(list)
    for file in files:
        text = file.casefold()
        parts = {text[at : at + n] for n in lengths for at in range(len(text) - n + 1)}
        for part in parts & holders.keys():
            for key in holders[part]:
                groups[key].append(file)
    return groups


def _convert_token(
    hit: re.Match[str], fields: Mapping[str, str], named: set[str], most: bool
) -> str:
    """Convert one token; wildcards are greedy where fields are lazy, and the reverse."""
    field = hit[1]
    wildcard, lazy = ("?", "") if most else ("", "?")
    if field is None:
        return f"(?:.*{wildcard}/)?{wildcard}" if hit[0] == "**/" else f"[^/]*{wildcard}"
    if field in fields:
        return re.escape(fields[field])
    if field in named:
        return f"(?P={field})"
    named.add(field)
    if hit[2] is None:
        return f"(?P<{field}>[^/]+{lazy})"
    signs = {"?": "[^/]", "*": f"[^/]*{lazy}"}
    shape = "".join(signs.get(sign, re.escape(sign)) for sign in hit[2])
    return f"(?P<{field}>{shape})"
