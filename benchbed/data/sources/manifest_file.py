"""Read and write manifests as CSV files; every fault is named by line and column."""

from __future__ import annotations

import csv
import difflib
import io
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PureWindowsPath

from benchbed.api.dataset import VOLUME_SUFFIXES
from benchbed.config import paths
from benchbed.data.sources.folder_words import SPLIT_WORDS
from benchbed.data.sources.manifest import Manifest, ManifestRow
from benchbed.errors import BenchbedError, describe_error, find_similar_name

COLUMNS = ("image", "mask", "label", "patient", "split", "fov", "page")
"""Columns with a meaning; others are sequences of volumes, or not used."""

_FILE_COLUMNS = ("image", "mask", "fov")
_DELIMITERS = (",", ";", "\t")
_MISSPELT_LIKENESS = 0.85
_SEPARATOR_PATTERN = re.compile(r"sep=([,;\t])\s*$", re.IGNORECASE | re.MULTILINE)
"""First line of files in which Excel states the separator."""

_CLASSES_PATTERN = re.compile(r"#\s*classes\s*:\s*(.+)", re.IGNORECASE)


@dataclass(frozen=True)
class _Table:
    """The content of a CSV file.

    Attributes:
        path: The file.
        columns: Names of the columns, in lower case.
        lines: Number and values of each line with data.
        classes: Declared mask classes.
    """

    path: Path
    columns: tuple[str, ...]
    lines: tuple[tuple[int, Mapping[str, str]], ...]
    classes: Mapping[int, str]

    def make_error(self, line: int, column: str, fault: str) -> BenchbedError:
        return BenchbedError(f"{self.path}, line {line}, column {column}: {fault}")

    def require_complete(self, column: str) -> None:
        """Raise if a column is empty in some lines only."""
        filled = [number for number, values in self.lines if values[column]]
        empty = [number for number, values in self.lines if not values[column]]
        if filled and empty:
            raise self.make_error(
                empty[0], column, f"empty, but line {filled[0]} has a value. Fill all or none."
            )

    @cached_property
    def sequences(self) -> tuple[str, ...]:
        """Columns of further sequences: those that contain only names of volumes."""
        others = [name for name in self.columns if name not in COLUMNS]
        return tuple(
            name
            for name in others
            if all(values[name].lower().endswith(VOLUME_SUFFIXES) for _, values in self.lines)
        )


def read_manifest(path: Path) -> Manifest:
    """Read a manifest: columns image, and optionally mask, label, patient, split, fov, page.

    Further columns with names of volumes are sequences, in their order, after ``image``. Paths are
    relative to the file. The text is UTF-8 with or without BOM; ``,``, ``;`` or a tab separate.
    A line ``# classes: 1=NAME, 2=NAME`` above the header declares the classes of mask values.

    Raises:
        BenchbedError: The file or a value cannot be used; the text names line and column.
    """
    table = _read_table(path)
    for column in set(table.columns) & {*COLUMNS, *table.sequences}:
        table.require_complete(column)
    rows = tuple(_read_row(table, line, values) for line, values in table.lines)
    _require_unique(table, rows)
    _require_one_spelling(table, "label")
    _require_one_spelling(table, "patient")
    _require_classes(table)
    _require_patients_in_one_split(table, rows)
    unused = [c for c in table.columns if c not in COLUMNS and c not in table.sequences]
    return Manifest(
        name=path.stem,
        root=path.parent,
        rows=rows,
        layout=f"manifest {path.name}",
        unused={f"column {column}": "not a column of manifests" for column in unused},
        sequence_names=("image", *table.sequences) if table.sequences else (),
        mask_classes=table.classes,
    )


def _read_table(path: Path) -> _Table:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise BenchbedError(
            f"{path} is not UTF-8 (byte {error.start}). Save it as CSV in UTF-8."
        ) from error
    except (OSError, ValueError) as error:
        raise BenchbedError(f"{path} cannot be read: {describe_error(error)}.") from error
    classes: dict[int, str] = {}
    rows = _iter_rows(path, text)
    header: list[str] | None = None
    lines: list[tuple[int, Mapping[str, str]]] = []
    for number, row in rows:
        if header is None:
            if hit := _CLASSES_PATTERN.match(",".join(row).strip()):
                classes = _read_classes(path, number, hit[1])
            elif any(row) and not row[0].startswith("#"):
                header = _read_header(path, number, row)
        elif any(row):
            lines.append((number, _read_line(path, number, header, row)))
    if header is None or not lines:
        raise BenchbedError(
            f"{path} has no cases. Expected a header with the column image, and a line per case."
        )
    return _Table(path, tuple(header), tuple(lines), classes)


def _iter_rows(path: Path, text: str) -> Iterator[tuple[int, list[str]]]:
    """Iterate over the rows with their line numbers; the header decides the delimiter."""
    if hit := _SEPARATOR_PATTERN.match(text):
        # The line stays, so that the numbers of the others are right.
        text = "#" + text[1:]
    first = next((t for t in text.splitlines() if t.strip() and not t.startswith("#")), "")
    delimiter = hit[1] if hit else max(_DELIMITERS, key=first.count)
    reader = csv.reader(io.StringIO(text), delimiter=delimiter, strict=True)
    try:
        for row in reader:
            yield reader.line_num, [value.strip() for value in row]
    except csv.Error as error:
        raise BenchbedError(f"{path}, line {reader.line_num}: not CSV ({error}).") from error


def _read_header(path: Path, number: int, row: Sequence[str]) -> list[str]:
    names = [name.lower() for name in row]
    if "image" not in names:
        close = find_similar_name("image", names)
        guess = f"; did you mean {close!r}" if close else ""
        raise BenchbedError(
            f"{path}, line {number}: no column image{guess}. Columns found: {', '.join(row)}. "
            f"Known columns: {', '.join(COLUMNS)}."
        )
    for name in names:
        if names.count(name) > 1:
            raise BenchbedError(f"{path}, line {number}: the column {name!r} occurs twice.")
        if close := _find_intended(name):
            raise BenchbedError(
                f"{path}, line {number}: unknown column {name!r}; did you mean {close!r}?"
            )
    return names


def _find_intended(name: str) -> str | None:
    """Return the column that a name misspells: plural, swapped letters, or nearly the same."""
    for known in COLUMNS:
        if name == known:
            return None
        likeness = difflib.SequenceMatcher(None, name, known).ratio()
        # The first letter distinguishes "age", which is not used, from "page".
        is_near = name[:1] == known[:1] and likeness >= _MISSPELT_LIKENESS
        if is_near or sorted(name) == sorted(known):
            return known
    return None


def _read_line(path: Path, number: int, header: list[str], row: list[str]) -> dict[str, str]:
    if len(row) > len(header) and any(row[len(header) :]):
        raise BenchbedError(
            f"{path}, line {number}: {len(row)} values, but the header has {len(header)} columns."
        )
    return dict(zip(header, [*row, *[""] * len(header)], strict=False))


def _read_classes(path: Path, number: int, text: str) -> dict[int, str]:
    classes: dict[int, str] = {}
    for entry in re.split(r"[,;]", text):
        value, _, name = entry.partition("=")
        if not name.strip() or not value.strip().isdigit():
            raise BenchbedError(
                f"{path}, line {number}: {entry.strip()!r} declares no class. Expected "
                "`# classes: 1=NAME, 2=NAME`."
            )
        classes[int(value)] = name.strip()
    return classes


def _read_row(table: _Table, line: int, values: Mapping[str, str]) -> ManifestRow:
    files = {
        column: _find_file(table, line, column, values[column])
        for column in (*_FILE_COLUMNS, *table.sequences)
        if values.get(column)
    }
    if "image" not in files:
        raise table.make_error(line, "image", "empty. Every line needs an image.")
    for column in files.keys() - {"image"}:
        if files[column].samefile(files["image"]):
            raise table.make_error(line, column, f"{values[column]!r} is the image itself.")
    page = values.get("page") or None
    if page is not None and not page.isdigit():
        raise table.make_error(line, "page", f"{page!r} is not a page number (0, 1, ...).")
    image = files["image"]
    stem = values["image"].replace("\\", "/")
    return ManifestRow(
        id=_make_id(stem) + (f"#{page}" if page is not None else ""),
        image=image,
        mask=files.get("mask"),
        fov=files.get("fov"),
        label=values.get("label") or None,
        patient=values.get("patient") or None,
        split=_read_split(table, line, values.get("split", "")),
        sequences=(image, *(files[c] for c in table.sequences)) if table.sequences else (),
        page=None if page is None else int(page),
    )


def _make_id(name: str) -> str:
    for suffix in sorted(VOLUME_SUFFIXES, key=len, reverse=True):
        if name.lower().endswith(suffix):
            return name[: -len(suffix)]
    return str(Path(name).with_suffix(""))


def _find_file(table: _Table, line: int, column: str, text: str) -> Path:
    folder = table.path.parent
    candidates = [folder / text, folder / PureWindowsPath(text).as_posix()]
    for path in candidates:
        if paths.is_file(path):
            return path
    parent = candidates[-1].parent
    siblings = [entry.name for entry in parent.iterdir()] if paths.is_folder(parent) else []
    if paths.is_folder(candidates[0]):
        raise table.make_error(line, column, f"{text!r} is a folder, not a file.")
    close = find_similar_name(candidates[-1].name, siblings)
    nearest = (PureWindowsPath(text).parent / close).as_posix() if close else ""
    guess = f"; did you mean {nearest!r}?" if close else f" (looked for {candidates[0]})."
    raise table.make_error(line, column, f"{text!r} does not exist{guess}")


def _read_split(table: _Table, line: int, text: str) -> str | None:
    if not text:
        return None
    if text.lower() not in SPLIT_WORDS:
        close = find_similar_name(text, SPLIT_WORDS)
        guess = f"; did you mean {close!r}?" if close else "."
        raise table.make_error(line, "split", f"{text!r} is not train, val or test{guess}")
    return SPLIT_WORDS[text.lower()]


def _require_unique(table: _Table, rows: Sequence[ManifestRow]) -> None:
    seen: dict[tuple[Path, int | None], int] = {}
    for (line, _), row in zip(table.lines, rows, strict=True):
        key = (row.image.resolve(), row.page)
        if key in seen:
            raise table.make_error(
                line, "image", f"{row.image.name} is also in line {seen[key]}. Keep one of them."
            )
        seen[key] = line


def _require_one_spelling(table: _Table, column: str) -> None:
    """Raise if values differ only in letter case, or are one number written in two ways."""
    seen: dict[str, tuple[int, str]] = {}
    for line, values in table.lines:
        text = values.get(column, "")
        first, spelling = seen.setdefault(_normalize(text), (line, text))
        if spelling != text:
            raise table.make_error(
                line, column, f"{text!r} is {spelling!r} in line {first}. Use one spelling."
            )


def _normalize(text: str) -> str:
    try:
        return f"{float(text):g}"
    except ValueError:
        return text.casefold()


def _require_classes(table: _Table) -> None:
    """Raise if each label occurs once, as for a measured quantity."""
    labels = [values.get("label", "") for _, values in table.lines]
    if labels[0] and len(set(labels)) == len(labels) > 2:
        raise table.make_error(
            table.lines[0][0],
            "label",
            f"every line has a label of its own (such as {labels[0]!r}), but a class needs several "
            "cases. Rename the column if it is no class.",
        )


def _require_patients_in_one_split(table: _Table, rows: Sequence[ManifestRow]) -> None:
    seen: dict[str, tuple[int, str | None]] = {}
    for (line, _), row in zip(table.lines, rows, strict=True):
        if row.patient is None:
            continue
        first, split = seen.setdefault(row.patient, (line, row.split))
        if split != row.split:
            raise table.make_error(
                line,
                "split",
                f"patient {row.patient!r} is in {row.split}, but in {split} in line {first}. All "
                "cases of a patient must be in one split.",
            )


def write_manifest(manifest: Manifest, path: Path) -> None:
    """Write a manifest as CSV in UTF-8, with paths relative to the file.

    Raises:
        BenchbedError: A case is a DICOM series, which has no column, or the file is not writable.
    """
    if series := [row for row in manifest.rows if row.slices]:
        raise BenchbedError(
            f"{series[0].image} is a slice of a DICOM series, and a manifest lists one file per "
            "case. Convert the series to NIfTI, or use volumes:PATH."
        )
    folder = path.absolute().parent
    paths.ensure_writable(folder, "--write")
    sequences = manifest.sequence_names[1:] if manifest.rows[0].sequences else ()
    with path.open("w", encoding="utf-8", newline="") as file:
        if any(manifest.mask_classes.values()):
            classes = ", ".join(f"{v}={name}" for v, name in manifest.mask_classes.items() if v)
            file.write(f"# classes: {classes}\n")
        rows = [
            _describe_row(row, manifest.splits[row.id], sequences, folder) for row in manifest.rows
        ]
        used = [name for name in rows[0] if any(values[name] for values in rows)]
        # A column is filled in all rows, or is not written.
        for name in ("page", "patient"):
            if all(getattr(row, name) is None for row in manifest.rows):
                used.remove(name)
        writer = csv.DictWriter(file, used, extrasaction="ignore", lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def _describe_row(
    row: ManifestRow, split: str, sequences: Sequence[str], folder: Path
) -> dict[str, str]:
    def relate(file: Path | None) -> str:
        if file is None:
            return ""
        return Path(os.path.relpath(file.absolute(), folder)).as_posix()

    others = dict(zip(sequences, map(relate, row.sequences[1:]), strict=False))
    return {
        "image": relate(row.image),
        "mask": relate(row.mask),
        "label": row.label or "",
        "patient": row.group,
        # Derived splits depend on ids, which are paths in a manifest; so they are written.
        "split": split,
        "fov": relate(row.fov),
        "page": str(row.page or 0),
        **others,
    }
