"""The cases of a data set on this machine: found, paired, split and fingerprinted."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from benchbed.api.layouts import Layout, Part
from benchbed.api.specs import DatasetSpec
from benchbed.data.patterns import PACKED, Pattern, listing
from benchbed.errors import BenchbedError

TEST_SHARE = 20
"""Per cent of the patients that form the test split where there is no official one."""

VOLUME_SUFFIXES = (".nii", ".nii.gz")
"""Suffixes of volumes."""

IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp", ".gif", ".ppm", ".pgm")
"""Suffixes of pictures; each may be followed by that of a packed file."""


@dataclass(frozen=True)
class Case:
    """One case as it lies on the disk.

    Attributes:
        id: Name, unique in its data set.
        split: ``"train"``, ``"test"`` or ``"val"``.
        patient: Whom it shows; no patient is in two splits.
        image: Its image.
        mask: The first annotator's mask, or None.
        second_mask: The second annotator's, or None.
        fov: Its field of view, or None.
        label: Number of its class, or None.
        sequences: Of a volume, the files of its channels in their order; none where its image
            holds them all.
        order: Which of a 4-D image's volumes are the channels; none for all, in its order.
        codes: What the numbers of its mask stand for; none where they are the structures'.
        official: Whether the split is the data set's own; False where the hash of the patient's
            name decided.
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
    order: tuple[int, ...] = ()
    codes: Mapping[int, int] = field(default_factory=dict, hash=False)
    official: bool = True

    @property
    def files(self) -> dict[str, Path]:
        """The files of the case by role."""
        roles = ("image", "mask", "second_mask", "fov")
        files = {role: path for role in roles if (path := getattr(self, role)) is not None}
        others = [path for path in self.sequences if path != self.image]
        return files | {f"sequence{number}": path for number, path in enumerate(others)}


@dataclass(frozen=True)
class Collection:
    """A data set from one source.

    Attributes:
        spec: What it is.
        source: ``"real"`` or ``"phantom"``.
        root: Folder of the files, or None for a phantom.
        cases: Its cases, sorted by split and id; of a phantom, none.
        skipped: Files that were left out because they do not decode.
        copies: Ids of cases that were left out because their image is another's, byte for byte.
    """

    spec: DatasetSpec
    source: Literal["real", "phantom"]
    root: Path | None = None
    cases: tuple[Case, ...] = ()
    skipped: tuple[str, ...] = field(default=())
    copies: tuple[str, ...] = field(default=())

    def counts(self) -> dict[str, int]:
        """Number of cases by split."""
        if self.source == "phantom":
            assert self.spec.phantom is not None
            return dict(self.spec.phantom.counts)
        return dict(sorted(Counter(case.split for case in self.cases).items()))

    def without(self, bad: Iterable[Path]) -> Collection:
        """The same without the cases that use one of the files `bad`."""
        left_out = set(bad)
        kept = tuple(c for c in self.cases if not left_out.intersection(c.files.values()))
        return replace(self, cases=kept, skipped=tuple(sorted(str(path) for path in left_out)))


def found(spec: DatasetSpec, root: Path) -> list[tuple[Layout, Path]]:
    """The layouts of `spec` that lie under `root`, each with its folder."""
    places: list[tuple[Layout, Path]] = []
    for layout in spec.layouts:
        inside = [name.partition("/") for name in layout.folders]
        itself = [rest for first, _, rest in inside if first.lower() == root.name.lower()]
        tried = (_below(root, name) for name in (*layout.folders, *itself))
        folder = next((place for place in tried if place is not None), None)
        if folder is not None:
            places.append((layout, folder))
    return places


def _below(root: Path, name: str) -> Path | None:
    """The folder of this name or path, in any letter case; of an empty name, the root."""
    place: Path | None = root
    for part in name.lower().split("/") if name else ():
        inside = sorted(place.iterdir()) if place is not None and place.is_dir() else []
        place = next((entry for entry in inside if entry.name.lower() == part), None)
    return place if place is not None and place.is_dir() else None


def collect(spec: DatasetSpec, places: Sequence[tuple[Layout, Path]], root: Path) -> Collection:
    """The cases in the folders that were found.

    Raises:
        BenchbedError: A folder holds no image where the layout expects one, or images and masks
            do not pair.
    """
    cases: list[Case] = []
    for layout, folder in places:
        here = _collect_layout(spec, layout, folder)
        if not here:
            raise BenchbedError(
                f"No images of {spec.name} found in {folder}. Expected layout:\n{layout.picture}"
            )
        cases += here
    ordered = tuple(sorted(cases, key=lambda case: (case.split, case.id)))
    return Collection(spec, "real", root, ordered)


def _collect_layout(spec: DatasetSpec, layout: Layout, folder: Path) -> list[Case]:
    files = listing(folder)
    cases: list[Case] = []
    for part in layout.parts:
        images = {n: f for n, f in Pattern(part.image).matches(files).items() if _is_image(n, spec)}
        identities = _ids(images)
        paired = _Pairing(part.image, images, files, folder)
        companions = {
            role: paired.companions(pattern, role)
            for role in ("mask", "second_mask", "fov")
            if (pattern := getattr(part, role)) is not None
        }
        sequences = [
            paired.companions(pattern, _sequence(spec, n), always=True)
            for n, pattern in enumerate(part.sequences)
        ]
        for name, fields in images.items():
            patient = part.prefix + _patient(layout, identities[name], fields)
            official = _official_split(layout, part, fields)
            label = _label(spec, fields.get("label"), folder / name)
            others = {role: found[name] for role, found in companions.items() if found}
            identity = part.prefix + identities[name]
            cases.append(
                Case(
                    identity,
                    official or split_of(patient),
                    patient,
                    folder / name,
                    label=label,
                    sequences=tuple(found[name] for found in sequences),
                    order=part.order,
                    codes=part.codes,
                    official=official is not None,
                    **others,
                )
            )
    return cases


def _is_image(name: str, spec: DatasetSpec) -> bool:
    if spec.volumes is not None:
        return name.lower().endswith(VOLUME_SUFFIXES)
    return name.lower().removesuffix(PACKED).endswith(IMAGE_SUFFIXES)


def _ids(images: Mapping[str, Mapping[str, str]]) -> dict[str, str]:
    """An id for each image: its field where that tells them apart, else its path.

    The path stands without its suffix where that tells them apart.
    """
    fields = {name: found.get("id", "") for name, found in images.items()}
    alone = {identity for identity, n in Counter(fields.values()).items() if identity and n == 1}
    stems = {name: str(Path(name).with_suffix("")) for name in fields}
    shared = {stem for stem, n in Counter(stems.values()).items() if n > 1}
    return {
        name: identity if identity in alone else name if stems[name] in shared else stems[name]
        for name, identity in fields.items()
    }


@dataclass(frozen=True)
class _Pairing:
    """Images of one part of a layout, and where their companions may be.

    Attributes:
        pattern: The images' pattern.
        images: Fields of each image.
        files: Every file of the layout.
        folder: The layout's folder.
    """

    pattern: str
    images: Mapping[str, Mapping[str, str]]
    files: list[str]
    folder: Path

    def companions(self, text: str, role: str, *, always: bool = False) -> dict[str, Path]:
        """The file of this role for every image; all have one, or none unless `always`."""
        hits = Pattern(text).companions(self.files, self.images)
        if not always and not any(hits.values()):
            return {}
        fields, missing = self.images, _unpaired(hits)
        if missing:
            # A field ends at the first dot: of names that hold dots, as those of DICOM do, that is
            # too little to pair them by.
            dotted = Pattern(self.pattern, dotted=True).matches(self.images)
            whole = Pattern(text, dotted=True).companions(self.files, dotted)
            if len(whole) == len(hits) and len(_unpaired(whole)) < len(missing):
                hits, fields, missing = whole, dotted, _unpaired(whole)
        if missing:
            shown = ", ".join(missing[:3]) + (", ..." if len(missing) > 3 else "")
            raise BenchbedError(
                f"{len(missing)} of {len(self.images)} images in {self.folder} do not match "
                f"exactly one {role.replace('_', ' ')} file: {shown}. Expected for the first: "
                f"{Pattern(text).fill(fields[missing[0]])}."
            )
        return {name: self.folder / paths[0] for name, paths in hits.items()}


def _unpaired(hits: Mapping[str, list[str]]) -> list[str]:
    return [name for name, paths in hits.items() if len(paths) != 1]


def _sequence(spec: DatasetSpec, number: int) -> str:
    return spec.volumes.sequences[number] if spec.volumes is not None else "sequence"


def _patient(layout: Layout, identity: str, fields: Mapping[str, str]) -> str:
    """Whom an image shows: the path's field, else the layout's expression, else its own case."""
    if "patient" in fields:
        return fields["patient"]
    hit = re.search(layout.patient, identity) if layout.patient else None
    return hit.group(1) if hit else identity


def _official_split(layout: Layout, part: Part, fields: Mapping[str, str]) -> str | None:
    if part.split is not None:
        return part.split
    if "split" in fields:
        return fields["split"].lower()
    for split, members in layout.splits.items():
        if fields.get("id") in members:
            return split
    return None


def split_of(patient: str) -> str:
    """The split of a patient where there is no official one.

    It hangs on the patient's name alone: it never changes, not even when cases are added.
    """
    number = int.from_bytes(hashlib.sha256(patient.encode()).digest()[:8])
    return "test" if number % 100 < TEST_SHARE else "train"


def _label(spec: DatasetSpec, name: str | None, image: Path) -> int | None:
    if name is None or not spec.classes:
        return None
    lowered = [known.lower() for known in spec.classes]
    if name.lower() not in lowered:
        raise BenchbedError(
            f"{image} is in the class folder {name!r}, but the classes of {spec.name} are "
            f"{', '.join(spec.classes)}. Rename or remove the folder."
        )
    return lowered.index(name.lower())
