"""A user's own data as a dataset: a folder, or a manifest."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchbed.api.dataset import Layout, LayoutPart, VolumeSpec
from benchbed.api.specs import DatasetSpec
from benchbed.config import paths
from benchbed.data.sources.cases import Case, Collection
from benchbed.data.sources.file_kinds import find_kind, summarize_unused
from benchbed.data.sources.folder import LAYOUTS, infer_manifest
from benchbed.data.sources.manifest import Manifest, ManifestRow
from benchbed.data.sources.manifest_file import read_manifest
from benchbed.data.sources.pages import expand_pages
from benchbed.errors import BenchbedError

FOLDER_PREFIX = "folder:"
"""Prefix of a dataset that is a folder of images or volumes."""

VOLUMES_PREFIXES = ("volumes:", "nifti:")
"""Prefixes of a dataset that is a folder of volumes, or of DICOM series as volumes."""

MANIFEST_PREFIX = "manifest:"
"""Prefix of a dataset that is listed in a CSV file."""

PREFIXES = (FOLDER_PREFIX, *VOLUMES_PREFIXES, MANIFEST_PREFIX)


def parse_own_path(name: str) -> Path | None:
    """Return the path of a user's own data such as ``folder:PATH``, or None for a named dataset.

    Raises:
        BenchbedError: The prefix has no path.
    """
    prefix = next((p for p in PREFIXES if name.startswith(p)), None)
    if prefix is None:
        return None
    text = name.removeprefix(prefix)
    if not text.strip():
        kind = "a CSV file" if prefix == MANIFEST_PREFIX else "a folder"
        raise BenchbedError(f"{prefix} needs the path of {kind}, such as {prefix}PATH.")
    return paths.expand_home(Path(text))


def load_manifest(name: str) -> Manifest:
    """Return the cases of a user's own data, read or inferred.

    Args:
        name: ``folder:PATH``, ``volumes:PATH``, ``nifti:PATH`` or ``manifest:FILE.csv``.

    Raises:
        BenchbedError: There is no such folder or file, or it cannot be used.
    """
    path = parse_own_path(name)
    assert path is not None
    if name.startswith(MANIFEST_PREFIX):
        return _load_manifest_file(path)
    if not paths.is_folder(path):
        hint = f" Use {MANIFEST_PREFIX}{path} for a CSV file." if path.suffix == ".csv" else ""
        raise BenchbedError(f"{path} is not a folder.{hint}")
    return infer_manifest(path, volumes=name.startswith(VOLUMES_PREFIXES))


def _load_manifest_file(path: Path) -> Manifest:
    if paths.is_folder(path):
        raise BenchbedError(
            f"{path} is a folder, but {MANIFEST_PREFIX} needs a CSV file. Use folder:{path}, or "
            f"write a manifest with `benchbed data inspect {path} --write FILE.csv`."
        )
    manifest = read_manifest(path)
    kinds = {find_kind(row.image) for row in manifest.rows}
    if kinds - {"image", "dicom"} and kinds != {"volume"}:
        examples = {find_kind(row.image): row.image.name for row in manifest.rows}
        listed = ", ".join(f"{name} ({kind})" for kind, name in sorted(examples.items()))
        raise BenchbedError(
            f"{path} mixes images with volumes or other files: {listed}. List one kind."
        )
    if kinds == {"volume"}:
        return manifest
    return replace(manifest, rows=tuple(expand_pages(manifest.rows)))


def build_own_spec(name: str, manifest: Manifest) -> DatasetSpec:
    """Build the spec of a user's own data.

    Raises:
        BenchbedError: No volume can be read, so the number of channels is unknown.
    """
    labels = sorted({row.label for row in manifest.rows if row.label is not None}, key=_natural)
    first = manifest.rows[0]
    are_volumes = bool(first.slices) or find_kind(first.image) == "volume"
    structures = tuple(n for value, n in manifest.mask_classes.items() if value > 0)
    prefix = name.partition(":")[0]
    kind = _describe_volumes(prefix, manifest) if are_volumes else {"structures": structures}
    part = LayoutPart(image="**/{id}.*")
    return DatasetSpec(
        name=prefix,
        title=f"the folder {manifest.name}",
        modality="volumes" if are_volumes else "images",
        licence="owned by the user",
        access_instructions="provided by the user.",
        layouts=(Layout(folders=(manifest.name,), parts=(part,), diagram=LAYOUTS),),
        classes=tuple(labels),
        **kind,
    )


def _natural(text: str) -> list[tuple[bool, int, str]]:
    """Return a key that sorts ``2`` before ``10``, and numbers before words."""
    pieces = re.findall(r"\d+|\D+", text)
    return [(False, int(p), "") if p.isdecimal() else (True, 0, p) for p in pieces]


def _describe_volumes(prefix: str, manifest: Manifest) -> dict[str, Any]:
    """Return the number of channels and the `VolumeSpec`."""
    names = manifest.sequence_names
    count = len(manifest.rows[0].sequences) or _count_channels(prefix, manifest)
    if len(names) != count:
        names = tuple(f"sequence {number}" for number in range(1, count + 1))
    declared = tuple(name for value, name in manifest.mask_classes.items() if value > 0)
    volumes = VolumeSpec(sequences=names, structures=declared or ("structure",), framing="cube")
    return {"channels": count, "volumes": volumes}


def _count_channels(prefix: str, manifest: Manifest) -> int:
    """Count the channels of the first file that can be read.

    The cache is that of the examination, so that no file is decoded twice.
    """
    # Slow to import, and images do not need it.
    from benchbed.data.sources.fingerprint import compute_file_facts

    error = ""
    for row in manifest.rows:
        if row.slices:
            return 1
        # Unreadable files are reported or skipped later, when all files are examined.
        (facts,) = compute_file_facts(prefix, [("image", row.image, ())]).values()
        if "error" not in facts:
            lengths = facts["shape"].split("x")
            return int(lengths[0])
        error = error or facts["error"]
    raise BenchbedError(error)


def collect_manifest(manifest: Manifest, spec: DatasetSpec) -> Collection:
    """Return the cases of a manifest, with splits derived from the patients where there are none.

    Raises:
        BenchbedError: A patient is in two splits.
    """
    mapping = _make_label_mapping(manifest)
    cases = [_make_case(row, manifest.splits[row.id], spec, mapping) for row in manifest.rows]
    seen: dict[str, Case] = {}
    for case in cases:
        other = seen.setdefault(case.patient, case)
        if other.split != case.split:
            raise BenchbedError(
                f"Patient {case.patient} of {manifest.name} is in two splits: {other.id} in "
                f"{other.split}, {case.id} in {case.split}. Move all images of a patient into one."
            )
    ordered = tuple(sorted(cases, key=lambda case: (case.split, case.id)))
    return Collection(spec, "real", manifest.root, ordered)


def _make_label_mapping(manifest: Manifest) -> Mapping[int, int]:
    values = [value for value in manifest.mask_classes if value > 0]
    return {value: index for index, value in enumerate(values, 1)}


def _make_case(row: ManifestRow, split: str, spec: DatasetSpec, mapping: Mapping[int, int]) -> Case:
    return Case(
        row.id,
        split,
        row.group,
        row.image,
        mask=row.mask,
        fov=row.fov,
        label=None if row.label is None else spec.classes.index(row.label),
        sequences=row.sequences,
        label_mapping=mapping,
        is_official_split=row.split is not None,
        page=row.page,
        slices=row.slices,
    )


def log_manifest(manifest: Manifest, log: Callable[[str], None]) -> None:
    """Report what was read or inferred, and which files are not used."""
    kind = "volumes" if manifest.rows[0].slices else "cases"
    parts = [f"{len(manifest.rows)} {kind} in {manifest.root}, read as {manifest.layout}"]
    labels = Counter(row.label for row in manifest.rows if row.label is not None)
    if labels:
        listed = ", ".join(f"{name} {count}" for name, count in sorted(labels.items()))
        parts.append(f"{len(labels)} classes ({listed})")
    splits = Counter(manifest.splits.values())
    parts.append("splits " + " / ".join(f"{name} {count}" for name, count in splits.items()))
    masks = sum(row.mask is not None for row in manifest.rows)
    parts.append(f"{masks} masks" if masks else "no masks")
    log(f"Data: {'; '.join(parts)}.")
    if manifest.unused:
        log(f"Data: not used: {summarize_unused(manifest.unused)}.")
