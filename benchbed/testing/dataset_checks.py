"""Checks of a dataset: layout, pairing, splits, ranges, fingerprint, phantom."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from benchbed import paths
from benchbed.api.layouts import Phantom
from benchbed.api.specs import DatasetSpec
from benchbed.data.collection import Collection, collect
from benchbed.data.fingerprint import examine, undecodable
from benchbed.data.prepare import Prepared, identify, prepare
from benchbed.data.source import look
from benchbed.errors import BenchbedError
from benchbed.registry import load, registry
from benchbed.testing.checks import Failed, Skipped
from benchbed.testing.method_checks import imports_no_torch

SIZE = 64
VOLUME_SIZE = 32


def spec_is_cheap(spec: DatasetSpec) -> None:
    """The spec's module does not import torch."""
    imports_no_torch(registry().origin(spec).module)


def spec_is_complete(spec: DatasetSpec) -> None:
    """Licence, access and layout diagram are given, and all targets can be imported."""
    for field in ("title", "modality", "licence", "access"):
        if not getattr(spec, field).strip():
            raise Failed(f"{field} is empty")
    for layout in spec.layouts:
        if not layout.picture.strip():
            raise Failed(f"layout {layout.folders[0]} has no diagram")
        for split in layout.splits:
            if split not in ("train", "test", "val"):
                raise Failed(f"split {split!r} is not one of train, test, val")
    for target in (spec.fov, spec.phantom.render if spec.phantom else None):
        if target is not None:
            load(target)


def phantom_is_deterministic(spec: DatasetSpec) -> str:
    """A phantom case depends only on its number and the seed, and cases differ."""
    phantom = _phantom(spec)
    render = load(phantom.render)
    size = _size(spec)
    batch, single = render(range(4), size, phantom.seed), render([2], size, phantom.seed)
    for name, array in batch.items():
        if not np.array_equal(array[2], single[name][0]):
            raise Failed(f"{name} of a case depends on the other cases rendered with it")
    if np.array_equal(batch["image"][0], batch["image"][1]):
        raise Failed("two cases are identical")
    if np.array_equal(single["image"], render([2], size, phantom.seed + 1)["image"]):
        raise Failed("another seed gives the same case")
    return ", ".join(f"{count} {split}" for split, count in phantom.counts.items())


def phantom_is_in_range(spec: DatasetSpec) -> None:
    """Phantom images have the spec's channels, and masks pair and contain its structures."""
    phantom = _phantom(spec)
    size = _size(spec)
    arrays = load(phantom.render)(range(3), size, phantom.seed)
    shape, dtype = _form(spec, size)
    image = arrays.get("image")
    if image is None or image.dtype != dtype:
        raise Failed(f"no {dtype} image")
    if image.shape != (3, *shape):
        raise Failed(f"image has shape {image.shape}, expected {(3, *shape)}")
    if image.dtype != np.uint8 and not (image.min() >= -1 and image.max() <= 1):
        raise Failed("image has values outside [-1, 1]")
    spatial = (3, size, size) if spec.volumes is None else (3, *spec.volumes.spatial(size))
    for name in arrays.keys() & {"mask", "fov"}:
        if arrays[name].shape != spatial or arrays[name].dtype != np.uint8:
            raise Failed(f"{name} must be uint8 {spatial}")
        highest = spec.structures if name == "mask" else 1
        if not set(np.unique(arrays[name])) <= set(range(highest + 1)):
            raise Failed(f"{name} contains values other than 0 to {highest}")
    if ("label" in arrays) != bool(spec.classes):
        raise Failed("labels and classes must both be given")


def phantom_prepares(spec: DatasetSpec) -> str:
    """A phantom can be prepared, with disjoint splits and a stable fingerprint."""
    try:
        phantom_is_deterministic(spec)
    except Failed as reason:
        raise Skipped("it is not deterministic; see that check") from reason
    small = replace(_phantom(spec), counts={"train": 6, "test": 3})
    reduced = replace(spec, phantom=small)
    return _prepares(Collection(reduced, "phantom"))


def real_files_pair(spec: DatasetSpec) -> str:
    """Real images, if present, match the layout, and every mask has an image."""
    collection = _found(spec)
    roles = sorted({role for case in collection.cases for role in case.files})
    counts = ", ".join(f"{n} {split}" for split, n in collection.counts().items())
    return f"{counts}; {', '.join(roles)}"


def real_splits_are_disjoint(spec: DatasetSpec) -> str:
    """No case and no patient is in two splits."""
    collection = _real(spec)
    ids = [case.id for case in collection.cases]
    if len(set(ids)) != len(ids):
        raise Failed(f"{len(ids) - len(set(ids))} duplicate ids")
    splits_by_patient: dict[str, set[str]] = {}
    for case in collection.cases:
        splits_by_patient.setdefault(case.patient, set()).add(case.split)
    shared = sorted(patient for patient, splits in splits_by_patient.items() if len(splits) > 1)
    if shared:
        raise Failed(f"patients in two splits: {', '.join(shared[:5])}")
    return f"{len(splits_by_patient)} patients"


def real_files_decode(spec: DatasetSpec) -> str:
    """Every real file can be decoded, and two reads give the same fingerprint."""
    collection = _real(spec)
    facts = examine(collection)
    bad = undecodable(facts)
    if bad:
        raise Failed(f"{len(bad)} files cannot be decoded: {next(iter(bad.values()))}")
    usable, first = identify(collection)
    if identify(_real(spec))[1] != first:
        raise Failed("two reads give different fingerprints")
    return f"{first}; {len(usable.copies)} duplicates skipped" if usable.copies else first


def real_files_prepare(spec: DatasetSpec) -> str:
    """A few real cases can be prepared."""
    collection = _real(spec)
    train = [case for case in collection.cases if case.split == "train"][:3]
    others = [case for case in collection.cases if case.split != "train"][:3]
    selected = tuple(sorted([*train, *others], key=lambda case: (case.split, case.id)))
    return _prepares(replace(collection, cases=selected))


def _prepares(collection: Collection) -> str:
    collection, first = identify(collection)
    if identify(collection)[1] != first:
        raise Failed("two reads give different fingerprints")
    spec = collection.spec
    size = _size(spec)
    prepared = prepare(collection, first, size=size, channels=spec.channels, framing=spec.framing)
    _well_formed(prepared)
    return f"fingerprint {first}"


def _well_formed(prepared: Prepared) -> None:
    spec, size = prepared.collection.spec, prepared.size
    spatial = (size, size) if spec.volumes is None else spec.volumes.spatial(size)
    seen: set[str] = set()
    for name, split in prepared.splits.items():
        if split.image.shape != (len(split), spec.channels, *spatial):
            raise Failed(f"images of {name} have shape {split.image.shape}")
        if seen & set(split.ids):
            raise Failed("a case is in two splits")
        seen |= set(split.ids)
        if split.image.max() == split.image.min():
            raise Failed(f"images of {name} are constant")


def _size(spec: DatasetSpec) -> int:
    return SIZE if spec.volumes is None else VOLUME_SIZE


def _form(spec: DatasetSpec, size: int) -> tuple[tuple[int, ...], str]:
    if spec.volumes is None:
        return (size, size, spec.channels), "uint8"
    return (spec.channels, *spec.volumes.spatial(size)), "float32"


def _phantom(spec: DatasetSpec) -> Phantom:
    if spec.phantom is None:
        raise Skipped("it has no phantom")
    return spec.phantom


def _real(spec: DatasetSpec) -> Collection:
    try:
        return _found(spec)
    except BenchbedError as reason:
        raise Skipped("its files do not pair; see that check") from reason


def _found(spec: DatasetSpec) -> Collection:
    report = look(spec, paths.data_root())
    if not report.places:
        raise Skipped(f"no real images in {report.root}")
    return collect(spec, report.places, report.root)


CHECKS = (
    spec_is_cheap,
    spec_is_complete,
    phantom_is_deterministic,
    phantom_is_in_range,
    phantom_prepares,
    real_files_pair,
    real_splits_are_disjoint,
    real_files_decode,
    real_files_prepare,
)
