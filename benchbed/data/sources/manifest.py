"""The manifest: one row per case of a user's own data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from benchbed.data.sources.cases import derive_splits


@dataclass(frozen=True, kw_only=True)
class ManifestRow:
    """Files and labels of one case.

    Attributes:
        id: Name, unique in the manifest.
        image: Image or volume file; the first slice of a volume in several files.
        mask: Mask file, or None.
        fov: Field of view, or None.
        label: Name of the class, or None.
        patient: Patient, or None.
        split: ``"train"``, ``"val"`` or ``"test"``, or None if it is derived from the patient.
        sequences: Files of the channels of a volume, in order; empty if `image` holds all.
        page: Index of the page, frame or row that is the case; None for whole files.
        slices: Files of the slices of a volume, in order; empty if `image` holds all.
    """

    id: str
    image: Path
    mask: Path | None = None
    fov: Path | None = None
    label: str | None = None
    patient: str | None = None
    split: str | None = None
    sequences: tuple[Path, ...] = ()
    page: int | None = None
    slices: tuple[Path, ...] = ()

    @property
    def group(self) -> str:
        """The patient; without one, the case, since images of one name can be two patients."""
        return self.id if self.patient is None else self.patient


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """The cases of a user's own data.

    Attributes:
        name: Name of the folder, or of the CSV file without suffix.
        root: Folder that was searched, or the folder of the CSV file.
        rows: The cases.
        layout: What was read or inferred, such as ``"images/ with masks/"``.
        unused: Why a file is not used, by its path relative to `root`.
        sequence_names: Names of the channels of volumes; empty for images.
        mask_classes: Declared classes of mask values, such as ``{0: "background", 1: "tumour"}``;
            empty if they follow from the files.
    """

    name: str
    root: Path
    rows: tuple[ManifestRow, ...]
    layout: str
    unused: Mapping[str, str] = field(default_factory=dict)
    sequence_names: tuple[str, ...] = ()
    mask_classes: Mapping[int, str] = field(default_factory=dict)

    @cached_property
    def splits(self) -> dict[str, str]:
        """Split of each case by its id, derived from the patients where none is given."""
        groups = dict.fromkeys(row.group for row in self.rows if row.split is None)
        derived = derive_splits(groups)
        return {row.id: row.split or derived[row.group] for row in self.rows}
