"""Cases that are rows of arrays: found in an npz file, and split and labelled by its arrays."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from benchbed.api.dataset import ArrayArchive
from benchbed.api.specs import DatasetSpec
from benchbed.data.sources.cases import Case, Collection, find_folder
from benchbed.errors import BenchbedError

if TYPE_CHECKING:
    from benchbed.data.io.arrays import ArrayHeader


def find_archive(archive: ArrayArchive | None, root: Path) -> Path | None:
    """Return the file of an archive under the data root, in any letter case, or None."""
    for path in map(PurePosixPath, archive.files if archive is not None else ()):
        folder = find_folder(root, "/".join(path.parts[:-1]))
        for entry in sorted(folder.iterdir()) if folder is not None and folder.is_dir() else ():
            if entry.name.lower() == path.name.lower() and entry.is_file():
                return entry
    return None


def collect_rows(spec: DatasetSpec, file: Path, root: Path) -> Collection:
    """Collect the rows of the arrays of a file as cases, with the official splits.

    Raises:
        BenchbedError: The file cannot be read, or its arrays are not those of the dataset.
    """
    # numpy is slow to import, and datasets of other files do not need it to find their cases.
    from benchbed.data.io.arrays import read_array_headers

    assert spec.archive is not None
    headers = read_array_headers(file)
    cases: list[Case] = []
    for split, name in sorted(spec.archive.images.items()):
        count = _count_rows(spec, file, name, headers)
        labels = _read_labels(spec, file, split, count, headers)
        digits = len(str(count - 1))
        for row, label in enumerate(labels):
            identity = f"{split}-{row:0{digits}d}"
            cases.append(Case(identity, split, identity, file, label=label, page=row))
    return Collection(spec, "real", root, tuple(cases))


def _count_rows(
    spec: DatasetSpec, file: Path, name: str, headers: Mapping[str, ArrayHeader]
) -> int:
    """Return the number of rows of an array of images or volumes, after checking its form."""
    header = _get_header(file, name, headers)
    if header.row_kind != ("image" if spec.volumes is None else "volume"):
        kind = "(N, H, W) or (N, H, W, 3)" if spec.volumes is None else "(N, D, H, W)"
        raise BenchbedError(
            f"Array {name} of {file} is {header.dtype} of shape {header.shape}, but {spec.name} "
            f"needs uint8 of shape {kind}."
        )
    return header.shape[0]


def _read_labels(
    spec: DatasetSpec, file: Path, split: str, count: int, headers: Mapping[str, ArrayHeader]
) -> Sequence[int | None]:
    """Return the class of every row of a split; None for each if there are no labels."""
    from benchbed.data.io.arrays import read_whole_array

    assert spec.archive is not None
    name = spec.archive.labels.get(split)
    if name is None:
        return [None] * count
    header = _get_header(file, name, headers)
    if header.dtype.kind not in "iu" or header.shape not in ((count,), (count, 1)):
        raise BenchbedError(
            f"Array {name} of {file} is {header.dtype} of shape {header.shape}, but {spec.name} "
            f"needs one integer for each of the {count} images of split {split}."
        )
    labels = [int(value) for value in read_whole_array(file, name).ravel()]
    if min(labels) < 0 or max(labels) >= len(spec.classes):
        raise BenchbedError(
            f"Array {name} of {file} contains classes from {min(labels)} to {max(labels)}, but "
            f"those of {spec.name} are 0 to {len(spec.classes) - 1}."
        )
    return labels


def _get_header(file: Path, name: str, headers: Mapping[str, ArrayHeader]) -> ArrayHeader:
    if name not in headers:
        raise BenchbedError(
            f"{file} has no array {name}. Its arrays: {', '.join(headers) or 'none'}."
        )
    return headers[name]


def describe_missing_rows(collection: Collection) -> str:
    """Describe in one line how a file differs from the official case counts; empty if equal.

    A part of a dataset can be used, but its results do not compare with those of others.
    """
    archive = collection.spec.archive
    official = dict(archive.case_counts) if archive is not None else {}
    found = collection.count_cases()
    if not official or found == official:
        return ""
    counts, expected = (
        ", ".join(f"{number} {split}" for split, number in sorted(each.items()))
        for each in (found, official)
    )
    return (
        f"Data: the file has {counts} cases instead of the official {expected}, so results do not "
        "compare with those on the official data."
    )
