"""The cases of a dataset on this machine: found, matched with their masks, and split."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from benchbed.api.dataset import GZIP_SUFFIX, IMAGE_SUFFIXES, VOLUME_SUFFIXES, Layout, LayoutPart
from benchbed.api.specs import DatasetSpec
from benchbed.data.sources.patterns import PathPattern, list_files
from benchbed.data.sources.rules import ReadingRules
from benchbed.errors import BenchbedError

TEST_PERCENT = 20
"""Percentage of patients in the test split where there is no official split."""


MASK_ROLES = ("mask", "second_mask", "fov")
"""Roles of files whose values are classes, not intensities."""


@dataclass(frozen=True)
class Case:
    """Files and labels of one case.

    Attributes:
        id: Name, unique in its dataset.
        split: ``"train"``, ``"test"`` or ``"val"``.
        patient: Patient id; all cases of a patient are in one split.
        image: Image file.
        mask: Mask of the first annotator, or None.
        second_mask: Mask of the second annotator, or None.
        fov: Field of view, or None.
        label: Index of the class, or None.
        sequences: Files of the channels of a volume, in order; empty if `image` holds all.
        channel_indices: Indices of the volumes of a 4-D image that become channels; empty for all.
        label_mapping: Label in the mask file to index of the structure; empty if they are equal.
        is_official_split: Whether the split is official, not derived from the patient's hash.
        page: Index of the page, frame or row that is the case, in each of its files that has
            several; None if the whole files are the case.
        slices: Files of the slices of a volume in order, the first of which is `image`; empty if
            `image` holds all.
    """

    id: str
    split: str
    patient: str
    image: Path
    mask: Path | None = None
    second_mask: Path | None = None
    fov: Path | None = None
    label: int | None = None
    sequences: tuple[Path, ...] = ()
    channel_indices: tuple[int, ...] = ()
    label_mapping: Mapping[int, int] = field(default_factory=dict, hash=False)
    is_official_split: bool = True
    page: int | None = None
    slices: tuple[Path, ...] = ()

    @property
    def files(self) -> dict[str, Path]:
        """Files of the case by role."""
        roles = ("image", *MASK_ROLES)
        files = {role: path for role in roles if (path := getattr(self, role)) is not None}
        others = [path for path in self.sequences if path != self.image]
        files |= {f"sequence{number}": path for number, path in enumerate(others)}
        return files | {f"slice{number}": path for number, path in enumerate(self.slices) if number}


@dataclass(frozen=True)
class Collection:
    """A dataset from one source.

    Attributes:
        source: ``"real"`` or ``"phantom"``.
        root: Folder of the files; None for a phantom.
        cases: Cases sorted by split and id; empty for a phantom.
        skipped: Files that were skipped because they cannot be decoded.
        duplicates: Ids of cases that were removed because their image duplicates another byte for
            byte.
        rules: How stored values are read; decided when all files were examined.
        stamps: State of each file when it was hashed, from `make_stamp`; empty before that.
    """

    spec: DatasetSpec
    source: Literal["real", "phantom"]
    root: Path | None = None
    cases: tuple[Case, ...] = ()
    skipped: tuple[str, ...] = field(default=())
    duplicates: tuple[str, ...] = field(default=())
    rules: ReadingRules = field(default_factory=ReadingRules)
    stamps: Mapping[Path, str] = field(default_factory=dict, compare=False, repr=False)

    def count_cases(self) -> dict[str, int]:
        """Return the number of cases by split."""
        if self.source == "phantom":
            assert self.spec.phantom is not None
            return dict(self.spec.phantom.case_counts)
        return dict(sorted(Counter(case.split for case in self.cases).items()))

    def remove_files(self, bad: Iterable[Path]) -> Collection:
        """Return the collection without cases that use one of the files `bad`."""
        bad_files = set(bad)
        usable = tuple(c for c in self.cases if not bad_files.intersection(c.files.values()))
        return replace(self, cases=usable, skipped=tuple(sorted(str(path) for path in bad_files)))


def find_layouts(spec: DatasetSpec, root: Path) -> list[tuple[Layout, Path]]:
    """Return the layouts of `spec` found under `root`, each with its folder."""
    locations: list[tuple[Layout, Path]] = []
    for layout in spec.layouts:
        parts = [name.partition("/") for name in layout.folders]
        inner_names = [inner for first, _, inner in parts if first.lower() == root.name.lower()]
        candidates = (find_folder(root, name) for name in (*layout.folders, *inner_names))
        folder = next((path for path in candidates if path is not None), None)
        if folder is not None:
            locations.append((layout, folder))
    return locations


def find_folder(root: Path, name: str) -> Path | None:
    """Return the folder at a path, in any letter case; the root for an empty path."""
    folder: Path | None = root
    for part in name.lower().split("/") if name else ():
        entries = sorted(folder.iterdir()) if folder is not None and folder.is_dir() else []
        folder = next((entry for entry in entries if entry.name.lower() == part), None)
    return folder if folder is not None and folder.is_dir() else None


def collect_cases(
    spec: DatasetSpec, layouts: Sequence[tuple[Layout, Path]], root: Path
) -> Collection:
    """Collect the cases from the given layouts.

    Raises:
        BenchbedError: A folder has no images, or images and masks do not match.
    """
    cases: list[Case] = []
    for layout, folder in layouts:
        layout_cases = _collect_layout(spec, layout, folder)
        if not layout_cases:
            raise BenchbedError(f"No images found in {folder}. Expected layout:\n{layout.diagram}")
        cases += layout_cases
    ordered = tuple(sorted(cases, key=lambda case: (case.split, case.id)))
    return Collection(spec, "real", root, ordered)


def _collect_layout(spec: DatasetSpec, layout: Layout, folder: Path) -> list[Case]:
    files = list_files(folder)
    cases: list[Case] = []
    for part in layout.parts:
        images = {
            n: f
            for n, f in PathPattern(part.image).match_files(files).items()
            if _is_case_file(n, spec)
        }
        identities = _make_ids(images)
        paired = _CompanionFinder(part.image, images, files, folder)
        companions = {
            role: paired.find_companions(pattern, role)
            for role in MASK_ROLES
            if (pattern := getattr(part, role)) is not None
        }
        sequences = [
            paired.find_companions(pattern, _get_sequence_name(spec, n), always=True)
            for n, pattern in enumerate(part.sequences)
        ]
        for name, fields in images.items():
            patient = part.id_prefix + _extract_patient(layout, identities[name], fields)
            official = _find_official_split(layout, part, fields)
            label = _find_label(spec, fields.get("label"), folder / name)
            others: dict[str, Any] = {r: paths[name] for r, paths in companions.items() if paths}
            identity = part.id_prefix + identities[name]
            cases.append(
                Case(
                    identity,
                    official or derive_split(patient),
                    patient,
                    folder / name,
                    label=label,
                    sequences=tuple(paths[name] for paths in sequences),
                    channel_indices=part.channel_indices,
                    label_mapping=part.label_mapping,
                    is_official_split=official is not None,
                    **others,
                )
            )
    return cases


def _make_ids(images: Mapping[str, Mapping[str, str]]) -> dict[str, str]:
    """Return a unique id for each image: its ``id`` field, else its path, shortened if unique."""
    fields = {name: image_fields.get("id", "") for name, image_fields in images.items()}
    unique = {identity for identity, n in Counter(fields.values()).items() if identity and n == 1}
    stems = {name: str(Path(name).with_suffix("")) for name in fields}
    shared = {stem for stem, n in Counter(stems.values()).items() if n > 1}
    return {
        name: identity if identity in unique else name if stems[name] in shared else stems[name]
        for name, identity in fields.items()
    }


@dataclass(frozen=True)
class _CompanionFinder:
    pattern: str
    images: Mapping[str, Mapping[str, str]]
    files: list[str]
    folder: Path

    def find_companions(self, text: str, role: str, *, always: bool = False) -> dict[str, Path]:
        """Find the file of this role for every image; all or none unless `always`."""
        hits = PathPattern(text).find_companions(self.files, self.images)
        if not always and not any(hits.values()):
            return {}
        fields, missing = self.images, _find_unpaired(hits)
        if missing:
            # A field ends at the first dot: too early in names with several dots, as in DICOM.
            dotted_fields = PathPattern(self.pattern, stops_at_dot=True).match_files(self.images)
            dotted_hits = PathPattern(text, stops_at_dot=True).find_companions(
                self.files, dotted_fields
            )
            if len(dotted_hits) == len(hits) and len(_find_unpaired(dotted_hits)) < len(missing):
                hits, fields, missing = dotted_hits, dotted_fields, _find_unpaired(dotted_hits)
        if missing:
            examples = ", ".join(missing[:3]) + (", ..." if len(missing) > 3 else "")
            raise BenchbedError(
                f"{len(missing)} of {len(self.images)} images in {self.folder} do not match "
                f"exactly one {role.replace('_', ' ')} file: {examples}. Expected for the first: "
                f"{PathPattern(text).format_path(fields[missing[0]])}."
            )
        return {name: self.folder / paths[0] for name, paths in hits.items()}


def _find_unpaired(hits: Mapping[str, list[str]]) -> list[str]:
    return [name for name, paths in hits.items() if len(paths) != 1]


def _get_sequence_name(spec: DatasetSpec, number: int) -> str:
    return spec.volumes.sequences[number] if spec.volumes is not None else "sequence"


def _extract_patient(layout: Layout, identity: str, fields: Mapping[str, str]) -> str:
    """Return the patient: the path's field, else the layout's pattern, else the case id."""
    if "patient" in fields:
        return fields["patient"]
    hit = re.search(layout.patient_pattern, identity) if layout.patient_pattern else None
    return hit.group(1) if hit else identity


def _find_official_split(layout: Layout, part: LayoutPart, fields: Mapping[str, str]) -> str | None:
    if part.split is not None:
        return part.split
    if "split" in fields:
        return fields["split"].lower()
    for split, members in layout.official_splits.items():
        if fields.get("id") in members:
            return split
    return None


def derive_split(patient: str) -> str:
    """Derive the split of a patient where there is no official split.

    It depends on the patient id alone, so it never changes when cases are added.
    """
    return "test" if _draw_number(patient) % 100 < TEST_PERCENT else "train"


def derive_splits(patients: Iterable[str]) -> dict[str, str]:
    """Derive the split of each patient; of several, at least one is in each split.

    Of few patients, the hash can put all into one split. Then the one with the smallest number is
    in the other.
    """
    splits = {patient: derive_split(patient) for patient in patients}
    found = set(splits.values())
    if len(splits) > 1 and len(found) == 1:
        splits[min(splits, key=_draw_number)] = "train" if found == {"test"} else "test"
    return splits


def _draw_number(patient: str) -> int:
    return int.from_bytes(hashlib.sha256(patient.encode()).digest()[:8])


def _find_label(spec: DatasetSpec, name: str | None, image: Path) -> int | None:
    if name is None or not spec.classes:
        return None
    lowered = [class_name.lower() for class_name in spec.classes]
    if name.lower() not in lowered:
        raise BenchbedError(
            f"{image} is in the class folder {name!r}, but the classes of {spec.name} are "
            f"{', '.join(spec.classes)}. Rename or remove the folder."
        )
    return lowered.index(name.lower())


def _is_case_file(name: str, spec: DatasetSpec) -> bool:
    """Return whether a file name has a suffix that cases of this dataset can have."""
    if spec.volumes is not None:
        return name.lower().endswith(VOLUME_SUFFIXES)
    return name.lower().removesuffix(GZIP_SUFFIX).endswith(IMAGE_SUFFIXES)
