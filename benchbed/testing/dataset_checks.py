"""Checks of a dataset: layout, pairing, splits, ranges, fingerprint, phantom."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from benchbed.api.dataset import Phantom
from benchbed.api.specs import DatasetSpec
from benchbed.config import paths
from benchbed.data.preprocessing.prepare import (
    PreparedDataset,
    prepare_dataset,
)
from benchbed.data.sources.cases import Collection
from benchbed.data.sources.fingerprint import collect_file_facts, find_undecodable
from benchbed.data.sources.identify import identify_collection
from benchbed.data.sources.resolve import find_dataset
from benchbed.errors import BenchbedError
from benchbed.registry.lookup import get_registry, load_object
from benchbed.testing.check import CheckFailed, CheckSkipped, check_torch_free_import

IMAGE_SIZE = 64
VOLUME_SIZE = 32


def check_spec_imports(spec: DatasetSpec) -> None:
    """The spec's module does not import torch."""
    check_torch_free_import(get_registry().find_plugin(spec).module)


def check_spec_fields(spec: DatasetSpec) -> None:
    """Licence, access and layout diagram are given, and all targets can be imported."""
    for field in ("title", "modality", "licence", "access_instructions"):
        if not getattr(spec, field).strip():
            raise CheckFailed(f"{field} is empty")
    for layout in spec.layouts:
        if not layout.diagram.strip():
            raise CheckFailed(f"layout {layout.folders[0]} has no diagram")
        for split in layout.official_splits:
            if split not in ("train", "test", "val"):
                raise CheckFailed(f"split {split!r} is not one of train, test, val")
    for target in (spec.fov_detector, spec.phantom.render if spec.phantom else None):
        if target is not None:
            load_object(target)


def check_phantom_determinism(spec: DatasetSpec) -> str:
    """A phantom case depends only on its number and the seed, and cases differ."""
    phantom = _require_phantom(spec)
    render = load_object(phantom.render)
    size = _get_size(spec)
    batch, single = render(range(4), size, phantom.seed), render([2], size, phantom.seed)
    for name, array in batch.items():
        if not np.array_equal(array[2], single[name][0]):
            raise CheckFailed(f"{name} of a case depends on the other cases rendered with it")
    if np.array_equal(batch["image"][0], batch["image"][1]):
        raise CheckFailed("two cases are identical")
    if np.array_equal(single["image"], render([2], size, phantom.seed + 1)["image"]):
        raise CheckFailed("another seed gives the same case")
    return ", ".join(f"{count} {split}" for split, count in phantom.case_counts.items())


def check_phantom_range(spec: DatasetSpec) -> None:
    """Phantom images have the spec's channels, and masks pair and contain its structures."""
    phantom = _require_phantom(spec)
    size = _get_size(spec)
    arrays = load_object(phantom.render)(range(3), size, phantom.seed)
    shape, dtype = _get_expected_form(spec, size)
    image = arrays.get("image")
    if image is None or image.dtype != dtype:
        raise CheckFailed(f"no {dtype} image")
    if image.shape != (3, *shape):
        raise CheckFailed(f"image has shape {image.shape}, expected {(3, *shape)}")
    if image.dtype != np.uint8 and not (image.min() >= -1 and image.max() <= 1):
        raise CheckFailed("image has values outside [-1, 1]")
    spatial = (3, size, size) if spec.volumes is None else (3, *spec.volumes.compute_shape(size))
    for name in arrays.keys() & {"mask", "fov"}:
        if arrays[name].shape != spatial or arrays[name].dtype != np.uint8:
            raise CheckFailed(f"{name} must be uint8 {spatial}")
        highest = spec.structure_count if name == "mask" else 1
        if not set(np.unique(arrays[name])) <= set(range(highest + 1)):
            raise CheckFailed(f"{name} contains values other than 0 to {highest}")
    if ("label" in arrays) != bool(spec.classes):
        raise CheckFailed("labels and classes must both be given")


def check_phantom_preparation(spec: DatasetSpec) -> str:
    """A phantom can be prepared, with disjoint splits and a stable fingerprint."""
    try:
        check_phantom_determinism(spec)
    except CheckFailed as reason:
        raise CheckSkipped("it is not deterministic; see that check") from reason
    small = replace(_require_phantom(spec), case_counts={"train": 6, "test": 3})
    reduced = replace(spec, phantom=small)
    return _check_preparation(Collection(reduced, "phantom"))


def check_file_pairing(spec: DatasetSpec) -> str:
    """Real images, if present, match the layout, and every mask has an image."""
    collection = _find_collection(spec)
    roles = sorted({role for case in collection.cases for role in case.files})
    counts = ", ".join(f"{n} {split}" for split, n in collection.count_cases().items())
    return f"{counts}; {', '.join(roles)}"


def check_disjoint_splits(spec: DatasetSpec) -> str:
    """No case and no patient is in two splits."""
    collection = _require_real_files(spec)
    ids = [case.id for case in collection.cases]
    if len(set(ids)) != len(ids):
        raise CheckFailed(f"{len(ids) - len(set(ids))} duplicate ids")
    splits_by_patient: dict[str, set[str]] = {}
    for case in collection.cases:
        splits_by_patient.setdefault(case.patient, set()).add(case.split)
    shared = sorted(patient for patient, splits in splits_by_patient.items() if len(splits) > 1)
    if shared:
        raise CheckFailed(f"patients in two splits: {', '.join(shared[:5])}")
    return f"{len(splits_by_patient)} patients"


def check_file_decoding(spec: DatasetSpec) -> str:
    """Every real file can be decoded, and two reads give the same fingerprint."""
    collection = _require_real_files(spec)
    facts = collect_file_facts(collection)
    bad = find_undecodable(facts)
    if bad:
        raise CheckFailed(f"{len(bad)} files cannot be decoded: {next(iter(bad.values()))}")
    usable, first = identify_collection(collection)
    if identify_collection(_require_real_files(spec))[1] != first:
        raise CheckFailed("two reads give different fingerprints")
    return f"{first}; {len(usable.duplicates)} duplicates skipped" if usable.duplicates else first


def check_file_preparation(spec: DatasetSpec) -> str:
    """A few real cases can be prepared."""
    collection = _require_real_files(spec)
    train = [case for case in collection.cases if case.split == "train"][:3]
    others = [case for case in collection.cases if case.split != "train"][:3]
    selected = tuple(sorted([*train, *others], key=lambda case: (case.split, case.id)))
    return _check_preparation(replace(collection, cases=selected))


def _check_preparation(collection: Collection) -> str:
    collection, first = identify_collection(collection)
    if identify_collection(collection)[1] != first:
        raise CheckFailed("two reads give different fingerprints")
    spec = collection.spec
    size = _get_size(spec)
    prepared = prepare_dataset(
        collection, first, size=size, channels=spec.channels, framing=spec.framing
    )
    _check_arrays(prepared)
    return f"fingerprint {first}"


def _check_arrays(prepared: PreparedDataset) -> None:
    spec, size = prepared.collection.spec, prepared.size
    spatial = (size, size) if spec.volumes is None else spec.volumes.compute_shape(size)
    seen: set[str] = set()
    for name, split in prepared.splits.items():
        if split.images.shape != (len(split), spec.channels, *spatial):
            raise CheckFailed(f"images of {name} have shape {split.images.shape}")
        if seen & set(split.ids):
            raise CheckFailed("a case is in two splits")
        seen |= set(split.ids)
        if split.images.max() == split.images.min():
            raise CheckFailed(f"images of {name} are constant")


def _get_size(spec: DatasetSpec) -> int:
    return IMAGE_SIZE if spec.volumes is None else VOLUME_SIZE


def _get_expected_form(spec: DatasetSpec, size: int) -> tuple[tuple[int, ...], str]:
    if spec.volumes is None:
        return (size, size, spec.channels), "uint8"
    return (spec.channels, *spec.volumes.compute_shape(size)), "float32"


def _require_phantom(spec: DatasetSpec) -> Phantom:
    if spec.phantom is None:
        raise CheckSkipped("it has no phantom")
    return spec.phantom


def _require_real_files(spec: DatasetSpec) -> Collection:
    try:
        return _find_collection(spec)
    except BenchbedError as reason:
        raise CheckSkipped("its files do not pair; see that check") from reason


def _find_collection(spec: DatasetSpec) -> Collection:
    location = find_dataset(spec, paths.resolve_data_root())
    if not location.paths:
        raise CheckSkipped(f"no real images in {location.root}")
    return location.collect_cases()


CHECKS = (
    check_spec_imports,
    check_spec_fields,
    check_phantom_determinism,
    check_phantom_range,
    check_phantom_preparation,
    check_file_pairing,
    check_disjoint_splits,
    check_file_decoding,
    check_file_preparation,
)
