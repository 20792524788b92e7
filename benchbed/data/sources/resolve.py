"""Resolve a dataset to real files or to its phantom."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from benchbed.api.dataset import Layout
from benchbed.api.specs import DatasetSpec
from benchbed.config import paths
from benchbed.config.protocol import Source
from benchbed.data.sources.archives import collect_rows, describe_missing_rows, find_archive
from benchbed.data.sources.cases import Collection, collect_cases, find_layouts
from benchbed.data.sources.own_data import (
    FOLDER_PREFIX,
    MANIFEST_PREFIX,
    build_own_spec,
    collect_manifest,
    load_manifest,
    log_manifest,
    parse_own_path,
)
from benchbed.errors import BenchbedError
from benchbed.registry.lookup import get_registry


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
    """Return the spec of a named dataset, or of a user's own data such as ``folder:PATH``.

    Raises:
        BenchbedError: There is no such dataset, or the user's own data cannot be used.
    """
    if parse_own_path(name) is not None:
        return build_own_spec(name, load_manifest(name))
    registry = get_registry()
    if name not in registry.get_specs(DatasetSpec):
        for prefix, exists in ((FOLDER_PREFIX, paths.is_folder), (MANIFEST_PREFIX, paths.is_file)):
            if exists(Path(name)):
                raise BenchbedError(
                    f"{name} is a path, not the name of a dataset. Use {prefix}{name} for your "
                    "own data."
                )
    return registry.get_spec(DatasetSpec, name)


def find_dataset(spec: DatasetSpec, root: Path) -> DatasetLocation:
    """Search for a dataset under the data root, or in the package that it is installed with."""
    if spec.package:
        root = Path(str(files(spec.package)))
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
        name: Name of the dataset, ``folder:PATH``, ``volumes:PATH`` or ``manifest:FILE.csv``.
        source: ``"auto"`` uses real data if found, else the phantom.
        data_root: Folder to search; None for the default.
        log: Receives one message on the source in use.

    Raises:
        BenchbedError: Real data were requested but are missing or do not match; or there is no
            phantom.
    """
    if parse_own_path(name) is not None:
        manifest = load_manifest(name)
        log_manifest(manifest, log)
        return collect_manifest(manifest, build_own_spec(name, manifest))
    spec = resolve_dataset_spec(name)
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
