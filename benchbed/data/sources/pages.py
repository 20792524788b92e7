"""Cases inside files: pages of TIFF files, frames of DICOM files, and series in many files."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from benchbed.data.sources.file_kinds import find_kind
from benchbed.data.sources.manifest import ManifestRow
from benchbed.errors import BenchbedError

if TYPE_CHECKING:
    from benchbed.data.io.dicom import DicomHeader

_PAGED_SUFFIXES = (".tif", ".tiff", ".gif", ".webp", ".tif.gz", ".tiff.gz", ".gif.gz")


def expand_pages(rows: Iterable[ManifestRow]) -> list[ManifestRow]:
    """Return a row for every page or frame, with the patients of DICOM files.

    Files that cannot be decoded stay one row: they are reported when all files are examined.
    """
    expanded: list[ManifestRow] = []
    for row in map(_add_patient, rows):
        pages = 1 if row.page is not None else count_file_pages(row.image)
        if pages == 1:
            expanded.append(row)
            continue
        # All pages of a file are of one patient: neighbouring slices must not be split.
        patient = row.patient or row.id
        digits = len(str(pages - 1))
        expanded += [
            replace(row, id=f"{row.id}#{page:0{digits}d}", page=page, patient=patient)
            for page in range(pages)
        ]
    return expanded


def count_file_pages(path: Path) -> int:
    """Return the number of pages or frames of an image, 1 for formats that have only one."""
    is_paged = path.name.lower().endswith(_PAGED_SUFFIXES) or find_kind(path) == "dicom"
    if not is_paged:
        return 1
    status = path.stat()
    return _count_pages(path, status.st_size, status.st_mtime_ns)


@lru_cache(maxsize=200_000)
def _count_pages(path: Path, _size: int, _changed: int) -> int:
    from benchbed.data.io.images import count_pages

    try:
        return count_pages(path)
    except BenchbedError:
        return 1


def _add_patient(row: ManifestRow) -> ManifestRow:
    """Return the row with the patient of its DICOM header, unless it has one."""
    if row.patient is not None or find_kind(row.image) != "dicom":
        return row
    header = read_header(row.image)
    return row if header is None or not header.patient else replace(row, patient=header.patient)


def read_header(path: Path) -> DicomHeader | None:
    """Return the header of a DICOM file, or None if it cannot be read; cached in this process."""
    status = path.stat()
    return _read_header(path, status.st_size, status.st_mtime_ns)


@lru_cache(maxsize=200_000)
def _read_header(path: Path, _size: int, _changed: int) -> DicomHeader | None:
    from benchbed.data.io.dicom import read_dicom_header

    try:
        return read_dicom_header(path)
    except BenchbedError:
        return None


def group_series(root: Path, rows: Sequence[ManifestRow]) -> list[ManifestRow]:
    """Return one row per DICOM series, with its slices in order; other volumes as they are.

    Raises:
        BenchbedError: A file cannot be read, or the folder has slices without position.
    """
    volumes = [row for row in rows if find_kind(row.image) != "dicom"]
    series: dict[str, list[tuple[float, ManifestRow]]] = defaultdict(list)
    patients: dict[str, str] = {}
    for row in rows:
        if find_kind(row.image) != "dicom":
            continue
        header = read_header(row.image)
        if header is None:
            raise BenchbedError(
                f"{row.image} cannot be read as a DICOM file. Remove or replace it."
            )
        if header.position is None and header.frames == 1:
            raise BenchbedError(
                f"{row.image} has no position in its DICOM header, so {root} cannot be read as "
                f"volumes. Use folder:{root} for images."
            )
        series[header.series].append((header.position or 0.0, row))
        patients[header.series] = header.patient
    for key, slices in sorted(series.items()):
        ordered = [row for _, row in sorted(slices, key=lambda item: (item[0], item[1].id))]
        first = ordered[0]
        volumes.append(
            replace(
                first,
                id=f"series-{key}",
                patient=first.patient or patients[key] or None,
                slices=tuple(row.image for row in ordered),
                sequences=(),
            )
        )
    return volumes
