"""Infer the cases of a folder: images, masks, splits, classes and patients from its layout."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from benchbed.data.sources.channels import ChannelGroups, group_channels, strip_channel
from benchbed.data.sources.file_kinds import FileKind, explain_unused, find_kind
from benchbed.data.sources.folder_words import (
    NamedFile,
    looks_like_patient,
    parse_path,
    reread_folders,
)
from benchbed.data.sources.manifest import Manifest, ManifestRow
from benchbed.data.sources.pages import expand_pages, group_series
from benchbed.data.sources.pairing import list_some, pair_masks, separate_masks
from benchbed.data.sources.patterns import count_hidden_files, list_files
from benchbed.data.sources.task_json import TaskDescription, find_task_json, read_task_json
from benchbed.errors import BenchbedError
from benchbed.utils.text import format_count

MAX_CLASSES = 50
"""Most folders of images that are read as classes; more are ambiguous."""

_FOLD_PATTERN = re.compile(r"(fold|part|batch|set)[_\- ]?\d+", re.IGNORECASE)
"""Folders that divide data by number, not by content."""

LAYOUTS = (
    "  FOLDER/*.png                             images\n"
    "  FOLDER/images/NAME.*, masks/NAME.*       images with masks, or NAME_mask.* next to NAME.*\n"
    "  FOLDER/CLASS/*.png                       one folder per class\n"
    "  FOLDER/train|val|test/...                splits above any of these\n"
    "  FOLDER/imagesTr/*.nii.gz, labelsTr/...   volumes, as in nnU-Net and the Decathlon"
)


def infer_manifest(root: Path, *, volumes: bool = False) -> Manifest:
    """Infer the cases of a folder.

    Args:
        root: The folder.
        volumes: Read only volumes, and DICOM series as volumes; else images, DICOM files as
            images, or volumes if there are no images.

    Raises:
        BenchbedError: The folder has no data, two readings are possible, or images and masks do
            not match; the text names the files or both readings.
    """
    names = list_files(root)
    _refuse_results_folder(root, names)
    kinds = {name: find_kind(root / name) for name in names}
    wanted, dimensions = _choose_kinds(root, kinds, volumes)
    unused = {n: explain_unused(root / n) for n, kind in kinds.items() if kind == "other"}
    unused |= {n: f"not {wanted[0]}s" for n, k in kinds.items() if k not in (*wanted, "other")}
    if hidden := count_hidden_files(root):
        unused[format_count(hidden, "hidden file")] = "hidden"
    files = [parse_path(name) for name, kind in kinds.items() if kind in wanted]
    task_file = find_task_json(root, [file.folder for file in files])
    task = None
    if task_file is not None:
        task = read_task_json(root / task_file)
        unused.pop(task_file)
    reading = _read_layout(root, reread_folders(files), dimensions, task)
    return Manifest(
        name=root.resolve().name,
        root=root,
        rows=reading.rows,
        layout=reading.layout,
        unused={**unused, **reading.unused},
        sequence_names=reading.sequence_names or (task.channel_names if task else ()),
        mask_classes={} if task is None else task.mask_classes,
    )


@dataclass(frozen=True)
class _Reading:
    rows: tuple[ManifestRow, ...]
    layout: str
    unused: Mapping[str, str]
    sequence_names: tuple[str, ...] = ()


def _refuse_results_folder(root: Path, names: Iterable[str]) -> None:
    runs = [name for name in names if name.endswith("/run.json") and "runs/" in name]
    if runs:
        raise BenchbedError(
            f"{root} contains results of benchbed ({runs[0]}), whose pictures would be read as "
            "data. Name the folder that contains only your data."
        )


def _choose_kinds(
    root: Path, kinds: Mapping[str, FileKind], volumes: bool
) -> tuple[tuple[FileKind, ...], int]:
    """Return the kinds of files that are read, and the dimensions of a case."""
    counts = Counter(kinds.values())
    if volumes:
        chosen: tuple[FileKind, ...] = ("volume", "dicom")
        if counts["volume"] and counts["dicom"]:
            raise _make_ambiguity_error(
                root, f"{counts['volume']} volume files", f"{counts['dicom']} DICOM files"
            )
    elif counts["volume"] and (counts["image"] or counts["dicom"]):
        raise BenchbedError(
            f"{root} has two readings: {counts['image'] + counts['dicom']} images "
            f"({_find_example(kinds, 'image', 'dicom')}), or {counts['volume']} volumes "
            f"({_find_example(kinds, 'volume')}). Use volumes:{root} for the volumes, or move the "
            "volumes elsewhere."
        )
    else:
        chosen = ("volume",) if counts["volume"] else ("image", "dicom")
    if not any(counts[kind] for kind in chosen):
        found = f"only {list_some(list(kinds))}" if kinds else "no files"
        raise BenchbedError(f"{root} has no {chosen[0]}s, {found}. Expected:\n{LAYOUTS}")
    return chosen, 3 if chosen[0] == "volume" else 2


def _find_example(kinds: Mapping[str, FileKind], *wanted: FileKind) -> str:
    return next(name for name, kind in kinds.items() if kind in wanted)


def _make_ambiguity_error(root: Path, first: str, second: str) -> BenchbedError:
    return BenchbedError(
        f"{root} has two readings: {first}, or {second}. Move the others elsewhere, or list the "
        "cases in a CSV file and use --dataset manifest:FILE.csv."
    )


def _read_layout(
    root: Path, files: Sequence[NamedFile], dimensions: int, task: TaskDescription | None
) -> _Reading:
    """Find images and masks among the files, pair them, and read their groups."""
    images, masks, fovs, unused = _separate_roles(root, files)
    channels = ChannelGroups.single(images)
    if dimensions == 3:
        channels = group_channels(root, images, masks, task)
        images = channels.first_files
    images, masks, more = _drop_unlabelled_splits(images, masks)
    unused |= more
    pairs = pair_masks(root, images, masks, "mask")
    fov_pairs = pair_masks(root, images, fovs, "field of view")
    splits = _read_splits(images)
    labels, patients = _read_groups(root, images)
    ids = _make_ids(images)
    rows = [
        ManifestRow(
            id=ids[image.name],
            image=root / image.name,
            mask=root / pairs[image.name] if image.name in pairs else None,
            fov=root / fov_pairs[image.name] if image.name in fov_pairs else None,
            label=labels.get(image.name),
            patient=patients.get(image.name),
            split=splits.get(image.name),
            sequences=tuple(root / name for name in channels.get_files(image)),
        )
        for image in images
    ]
    expanded = expand_pages(rows) if dimensions == 2 else group_series(root, rows)
    if labels and _are_one_patient_each(expanded):
        labels, patients = {}, labels
        expanded = [replace(row, label=None) for row in expanded]
    layout = _describe_layout(images, masks, labels, patients, splits)
    return _Reading(tuple(expanded), layout, unused, channels.names)


def _are_one_patient_each(rows: Iterable[ManifestRow]) -> bool:
    """Return whether headers say that every folder holds one patient, and no two the same."""
    pairs = {(row.label, row.patient) for row in rows}
    labels, patients = {label for label, _ in pairs}, {patient for _, patient in pairs}
    return None not in patients and len(labels) == len(patients) == len(pairs)


def _separate_roles(
    root: Path, files: Sequence[NamedFile]
) -> tuple[list[NamedFile], list[NamedFile], list[NamedFile], dict[str, str]]:
    """Return images, masks, fields of view, and the reasons why other files are not used."""
    by_role: dict[str | None, list[NamedFile]] = defaultdict(list)
    for file in files:
        by_role[file.role].append(file)
    images, masks, plain = by_role["image"], by_role["mask"], by_role[None]
    unused: dict[str, str] = {}
    if images:
        unused = {file.name: "neither in a folder of images nor of masks" for file in plain}
    else:
        images = plain
    images, beside = separate_masks(root, images, strip_channel)
    if beside and masks:
        raise _make_ambiguity_error(
            root,
            f"masks next to their images ({beside[0].name})",
            f"masks in folders ({masks[0].name})",
        )
    if not images:
        raise BenchbedError(
            f"{root} has masks ({masks[0].name}) but no images. Name the folder above both, or "
            "rename the folder if these are images."
        )
    folders = {parent for file in masks if (parent := _find_role_folder(file))}
    if len(folders) > 1:
        first, second, *_ = sorted(folders)
        raise _make_ambiguity_error(root, f"masks in {first}/", f"masks in {second}/")
    return images, masks + beside, by_role["fov"], unused


def _find_role_folder(file: NamedFile) -> str | None:
    """Return the name of the mask folder of a file, without a split in it."""
    parts = file.folder.split("/")
    role_parts = [part for part in parts if parse_path(f"{part}/x").role == "mask"]
    return role_parts[-1].lower().removesuffix("tr").removesuffix("ts") if role_parts else None


def _drop_unlabelled_splits(
    images: list[NamedFile], masks: list[NamedFile]
) -> tuple[list[NamedFile], list[NamedFile], dict[str, str]]:
    """Leave out a split of images without masks if another split has masks: nothing to score."""
    labelled = {mask.split for mask in masks}
    if not masks or None in labelled:
        return images, masks, {}
    kept = [image for image in images if image.split in labelled]
    reason = "no masks in its split, but in others"
    dropped = {i.name: reason for i in images if i.split not in labelled}
    return (kept, masks, dropped) if kept else (images, masks, {})


def _read_splits(images: Sequence[NamedFile]) -> dict[str, str]:
    """Return the split of each image; none if the folders name only one, as in ``imagesTr``."""
    splits = {image.name: image.split for image in images if image.split is not None}
    missing = [image.name for image in images if image.split is None]
    if splits and missing:
        raise BenchbedError(
            f"{len(missing)} images are in no split, although others are in "
            f"{', '.join(sorted(set(splits.values())))}: {list_some(missing)}. Move them into one."
        )
    return splits if len(set(splits.values())) > 1 else {}


def _read_groups(root: Path, images: Sequence[NamedFile]) -> tuple[dict[str, str], dict[str, str]]:
    """Return labels and patients by image, from the folders that are neither role nor split."""
    depths = {len(image.groups) for image in images}
    if depths == {0}:
        return {}, {}
    if len(depths) > 1:
        shallow = min(images, key=lambda image: len(image.groups))
        deep = max(images, key=lambda image: len(image.groups))
        raise _make_ambiguity_error(
            root,
            f"all images together ({shallow.name}, {deep.name})",
            f"only those at one depth, the folder {'/'.join(deep.groups)} being something else",
        )
    (depth,) = depths
    labels: dict[str, str] = {}
    patients: dict[str, str] = {}
    for level in range(depth):
        values = _unify_case({image.name: image.groups[level] for image in images})
        distinct = set(values.values())
        if len(distinct) == 1:
            continue
        if _are_patients(values):
            patients = {n: f"{patients[n]}/{v}" if patients else v for n, v in values.items()}
        elif all(map(_FOLD_PATTERN.fullmatch, distinct)):
            raise _make_ambiguity_error(
                root, "folders as classes", f"folds ({list_some(sorted(distinct))})"
            )
        elif labels or len(distinct) > MAX_CLASSES:
            raise _make_ambiguity_error(
                root, "folders as classes", f"folders as patients ({list_some(sorted(distinct))})"
            )
        else:
            labels = values
    return labels, patients


def _unify_case(values: Mapping[str, str]) -> dict[str, str]:
    """Give folders that differ only in letter case one name, such as train/CYST and test/cyst."""
    names: dict[str, str] = {}
    return {file: names.setdefault(name.casefold(), name) for file, name in values.items()}


def _are_patients(values: Mapping[str, str]) -> bool:
    """Return whether folders are patients: named so, or with one image each."""
    distinct = set(values.values())
    return all(map(looks_like_patient, distinct)) or (len(distinct) == len(values) > 2)


def _make_ids(images: Sequence[NamedFile]) -> dict[str, str]:
    """Return a unique id for each image: its stem, else its path without or with suffix."""
    stems = Counter(image.stem for image in images)
    longer = {image.name: f"{image.folder}/{image.stem}".removeprefix("./") for image in images}
    shared = Counter(longer.values())
    return {
        image.name: image.stem
        if stems[image.stem] == 1
        else longer[image.name]
        if shared[longer[image.name]] == 1
        else image.name
        for image in images
    }


def _describe_layout(
    images: Sequence[NamedFile],
    masks: Sequence[NamedFile],
    labels: Mapping[str, str],
    patients: Mapping[str, str],
    splits: Mapping[str, str],
) -> str:
    parts = ["images/" if any(image.role for image in images) else "images"]
    if masks:
        parts.append("with masks/" if masks[0].role else "with masks next to them")
    if splits:
        parts.append(f"in {', '.join(f'{split}/' for split in sorted(set(splits.values())))}")
    if labels:
        parts.append("in one folder per class")
    if patients:
        parts.append("in one folder per patient")
    return " ".join(parts)
