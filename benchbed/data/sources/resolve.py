"""Resolve a dataset to real files or to its phantom."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from benchbed.api.dataset import VOLUME_SUFFIXES, Layout, LayoutPart, VolumeSpec
from benchbed.api.specs import DatasetSpec
from benchbed.config import paths
from benchbed.config.protocol import Source
from benchbed.data.sources.archives import collect_rows, describe_missing_rows, find_archive
from benchbed.data.sources.cases import Collection, collect_cases, find_layouts
from benchbed.data.sources.patterns import list_files
from benchbed.errors import BenchbedError
from benchbed.registry.lookup import get_registry

FOLDER_PREFIX = "folder:"
"""Prefix of a dataset that is a folder of images."""

NIFTI_PREFIX = "nifti:"
"""Prefix of a dataset that is a folder of volumes."""

FOLDER_DIAGRAM = (
    "  FOLDER/*.png          images only, or\n  FOLDER/images/NAME.*  and optionally "
    "FOLDER/masks/NAME.*"
)

NIFTI_DIAGRAM = (
    "  FOLDER/images/CASE.nii.gz   one file per case, 4-D for several sequences\n  "
    "FOLDER/masks/CASE.nii.gz    optional: 0 is background, 1, 2, ... are structures"
)


@dataclass(frozen=True)
class DatasetLocation:
    """Where a dataset is on this machine, if anywhere.

    Attributes:
        spec: The dataset.
        root: The data root that was searched.
        layouts: Layouts found, with their folders.
        archive: The file found whose arrays hold the cases, or None.
    """

    spec: DatasetSpec
    root: Path
    layouts: tuple[tuple[Layout, Path], ...] = ()
    archive: Path | None = None

    @property
    def paths(self) -> tuple[Path, ...]:
        """The folders or the file found; empty if the dataset is not on this machine."""
        folders = tuple(folder for _, folder in self.layouts)
        return folders if self.archive is None else (self.archive,)

    def collect_cases(self) -> Collection:
        """Collect the cases of a dataset that was found.

        Raises:
            BenchbedError: A folder or file has no images, or its parts do not match.
        """
        if self.archive is not None:
            return collect_rows(self.spec, self.archive, self.root)
        return collect_cases(self.spec, self.layouts, self.root)


def resolve_dataset_spec(name: str) -> DatasetSpec:
    """Return the spec of a named dataset, of ``folder:PATH`` or of ``nifti:PATH``.

    Raises:
        BenchbedError: There is no such dataset or folder.
    """
    path = parse_folder_path(name)
    if path is None:
        return get_registry().get_spec(DatasetSpec, name)
    if not paths.is_folder(path):
        raise BenchbedError(f"{path} is not a folder.")
    if name.startswith(FOLDER_PREFIX):
        return _build_folder_spec(path)
    return build_nifti_spec(path)


def parse_folder_path(name: str) -> Path | None:
    """Return the folder of ``folder:PATH`` or ``nifti:PATH``, or None for a named dataset."""
    for prefix in (FOLDER_PREFIX, NIFTI_PREFIX):
        if name.startswith(prefix):
            return paths.expand_home(Path(name.removeprefix(prefix)))
    return None


def find_dataset(spec: DatasetSpec, root: Path) -> DatasetLocation:
    """Search for a dataset under the data root."""
    return DatasetLocation(
        spec, root, tuple(find_layouts(spec, root)), find_archive(spec.archive, root)
    )


def resolve_collection(
    name: str,
    source: Source = "auto",
    data_root: Path | None = None,
    log: Callable[[str], None] = lambda _: None,
) -> Collection:
    """Resolve a dataset to cases of the requested source.

    Args:
        name: Name of the dataset, ``folder:PATH`` or ``nifti:PATH``.
        source: ``"auto"`` uses real data if found, else the phantom.
        data_root: Folder to search; None for the default.
        log: Receives one message on the source in use.

    Raises:
        BenchbedError: Real data were requested but are missing or do not match; or there is no
            phantom.
    """
    spec = resolve_dataset_spec(name)
    folder = parse_folder_path(name)
    if folder is not None:
        log(f"Data: {'pictures' if spec.volumes is None else 'volumes'} in {folder}.")
        return collect_cases(spec, [(spec.layouts[0], folder)], folder)
    root = paths.resolve_data_root(data_root)
    location = find_dataset(spec, root) if source != "phantom" else DatasetLocation(spec, root)
    if location.paths:
        log(f"Data: {spec.title}, real images in {', '.join(map(str, location.paths))}.")
        collection = location.collect_cases()
        if line := describe_missing_rows(collection):
            log(line)
        return collection
    if source == "real":
        raise BenchbedError(describe_missing_dataset(location))
    if spec.phantom is None:
        raise BenchbedError(f"{spec.name} has no phantom. {describe_missing_dataset(location)}")
    reason = "" if source == "phantom" else f" (no real images found in {root})"
    log(f"Data: phantom of {spec.title}{reason}. Its metrics do not apply to real images.")
    return Collection(spec, "phantom")


def describe_missing_dataset(location: DatasetLocation) -> str:
    """Describe where a dataset was searched for, what is expected, and how to get it."""
    spec = location.spec
    searched = " or ".join(spec.expected_paths)
    command = f"`benchbed data fetch {spec.name}`, or manually: " if spec.downloads else ""
    return (
        f"{spec.title} not found in {location.root} (searched: {searched}). Select another folder "
        f"with --data-root or $BENCHBED_DATA.\nExpected layout:\n{spec.diagram}\nHow to get it: "
        f"{command}{spec.access_instructions}"
    )


def _build_folder_spec(folder: Path) -> DatasetSpec:
    masks = folder / "masks"
    images = "images/**/{id}.*" if (folder / "images").is_dir() else "**/{id}.*"
    part = LayoutPart(image=images, mask="masks/**/{id}.*" if masks.is_dir() else None)
    return _build_user_spec("folder", folder, "pictures", part, FOLDER_DIAGRAM)


def _build_user_spec(
    name: str, folder: Path, modality: str, part: LayoutPart, diagram: str, **volumes: Any
) -> DatasetSpec:
    return DatasetSpec(
        name=name,
        title=f"the folder {folder.name}",
        modality=modality,
        licence="owned by the user",
        access_instructions="provided by the user.",
        layouts=(Layout(folders=(folder.name,), parts=(part,), diagram=diagram),),
        **volumes,
    )


@lru_cache
def build_nifti_spec(folder: Path) -> DatasetSpec:
    """Build the spec of a folder of volumes: ``images`` and, optionally, ``masks``.

    Sequences and structures are counted in the files, whose facts are cached.

    Raises:
        BenchbedError: The folder has no volumes, or none can be read.
    """
    # Slow to import, and a named dataset does not need it.
    from benchbed.data.sources.fingerprint import compute_file_facts

    files = [name for name in list_files(folder) if name.lower().endswith(VOLUME_SUFFIXES)]
    images = [name for name in files if name.startswith("images/")]
    masks = [name for name in files if name.startswith("masks/")]
    if not images:
        raise BenchbedError(f"No volumes found in {folder}. Expected layout:\n{NIFTI_DIAGRAM}")
    # Unreadable files are reported or skipped later, when all files are examined.
    for name in images:
        (first,) = compute_file_facts("nifti", [("image", folder / name)]).values()
        if "error" not in first:
            break
    else:
        raise BenchbedError(first["error"])
    sequences = int(first["shape"].partition("x")[0])
    codes = compute_file_facts("nifti", [("mask", folder / name) for name in masks]).values()
    count = max((int(entry["largest"]) for entry in codes if "error" not in entry), default=0)
    part = LayoutPart(image="images/**/{id}.nii*", mask="masks/**/{id}.nii*" if masks else None)
    volumes = VolumeSpec(
        sequences=tuple(f"sequence {n}" for n in range(1, sequences + 1)),
        structures=tuple(f"structure {n}" for n in range(1, max(count, 1) + 1)),
        framing="cube",
    )
    return _build_user_spec(
        "nifti", folder, "volumes", part, NIFTI_DIAGRAM, channels=sequences, volumes=volumes
    )
