"""Checks of a run configuration before anything is computed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from pathlib import Path
from typing import TYPE_CHECKING

from benchbed.api.specs import (
    CAPABILITIES,
    DatasetSpec,
    InputKind,
    MethodSpec,
    MetricSpec,
    TaskSpec,
)
from benchbed.config import paths
from benchbed.config.augmentation import parse_augment
from benchbed.config.protocol import HELD_OUT_SPLIT
from benchbed.data.sources.cases import Collection
from benchbed.data.sources.own_data import parse_own_path
from benchbed.errors import BenchbedError
from benchbed.registry.lookup import get_registry

if TYPE_CHECKING:
    from benchbed.runs.plan import RunPlan


def check_method(method: MethodSpec, task: TaskSpec, size: int) -> None:
    """Refuse a method that does not support the task or the size.

    Raises:
        BenchbedError: It does not.
    """
    check_size(method, size)
    if not method.capabilities & task.capabilities:
        suitable = [
            s.name
            for s in get_registry().get_specs(MethodSpec).values()
            if s.capabilities & task.capabilities
        ]
        capabilities = " or ".join(f"{name} ({CAPABILITIES[name]})" for name in task.capabilities)
        tasks = [
            f"--task {other.name}"
            for other in get_registry().get_specs(TaskSpec).values()
            if method.capabilities & other.capabilities
        ]
        hint = f"Use {' or '.join(tasks)}, or a suitable" if tasks else "Suitable"
        raise BenchbedError(
            f"Task {task.name} needs a method with the capability {capabilities}, which "
            f"{method.name} does not have. {hint} method: {', '.join(suitable) or 'none'}."
        )


def check_augmentation(method: MethodSpec, augment: str) -> None:
    """Refuse an augmentation of what a discriminator sees for a method that does not take it.

    Raises:
        BenchbedError: The method does not take it.
    """
    name = parse_augment(augment).discriminator
    if name != "none" and not method.takes_augmentation:
        suitable = [
            spec.name
            for spec in get_registry().get_specs(MethodSpec).values()
            if spec.takes_augmentation
        ]
        raise BenchbedError(
            f"{method.name} does not take --augment {name}, which changes what a discriminator "
            f"sees. Methods that take it: {', '.join(suitable) or 'none'}."
        )


def check_dimensions(method: MethodSpec, task: TaskSpec, dataset: DatasetSpec) -> None:
    """Refuse images for methods and tasks on volumes, and the other way round.

    Raises:
        BenchbedError: The method or the task does not support the data's dimensions.
    """
    kind = "volumes" if dataset.dimensions == 3 else "pictures"
    if dataset.dimensions not in method.dimensions:
        suitable = [
            s.name
            for s in get_registry().get_specs(MethodSpec).values()
            if dataset.dimensions in s.dimensions and s.capabilities & task.capabilities
        ]
        raise BenchbedError(
            f"{method.name} does not support {kind}, which {dataset.name} contains. Methods for "
            f"{kind} and task {task.name}: {', '.join(suitable) or 'none'}."
        )
    if dataset.dimensions == 3 and not task.volume_metrics:
        suitable = [s.name for s in get_registry().get_specs(TaskSpec).values() if s.volume_metrics]
        raise BenchbedError(
            f"Task {task.name} does not support volumes, which {dataset.name} contains. Tasks "
            f"for volumes: {', '.join(suitable)}."
        )


def check_size(method: MethodSpec, size: int) -> None:
    """Refuse a size that the method does not declare.

    Raises:
        BenchbedError: It is not supported.
    """
    if size not in method.sizes:
        nearest = min(method.sizes, key=lambda known: abs(known - size))
        raise BenchbedError(
            f"{method.name} does not support {size} px, only "
            f"{', '.join(map(str, method.sizes))}. The nearest is --size {nearest}."
        )


def check_metrics(
    task: TaskSpec, metrics: Sequence[MetricSpec], samples: int, dimensions: int
) -> None:
    """Refuse metrics that could not be computed after training.

    Raises:
        BenchbedError: A metric has another kind of input, or needs more samples.
    """
    check_input_kind(
        metrics,
        task.input_kinds - {"images" if dimensions == 3 else "volumes"},
        f"the task {task.name}",
    )
    if not task.needs_samples:
        return
    too_demanding = [spec for spec in metrics if samples < spec.min_samples]
    if too_demanding:
        names = ", ".join(f"{spec.name} ({spec.min_samples})" for spec in too_demanding)
        raise BenchbedError(
            f"--samples is {samples}, too few for {names}. Use --samples "
            f"{max(spec.min_samples for spec in too_demanding)}, or select other metrics with "
            "--metric."
        )


def check_channels(metrics: Sequence[MetricSpec], dataset: DatasetSpec) -> None:
    """Refuse metrics of a channel that the dataset does not have.

    Raises:
        BenchbedError: A metric needs more channels.
    """
    for spec in metrics:
        if spec.min_channels > dataset.channels:
            kind = "channels" if dataset.volumes is None else "sequences"
            raise BenchbedError(
                f"Metric {spec.name} needs {spec.min_channels} {kind}, but {dataset.name} has "
                f"{dataset.channels}. Run `benchbed show {dataset.name}` for details."
            )


def check_input_kind(metrics: Sequence[MetricSpec], kinds: Set[InputKind], caller: str) -> None:
    """Refuse a metric whose kind of input is not evaluated here.

    Raises:
        BenchbedError: A metric has another kind of input.
    """
    for spec in metrics:
        if spec.input_kind not in kinds:
            suitable = [
                m.name
                for m in get_registry().get_specs(MetricSpec).values()
                if m.input_kind in kinds
            ]
            raise BenchbedError(
                f"Metric {spec.name} evaluates {spec.input_kind}, but {caller} evaluates "
                f"{' and '.join(sorted(kinds))}. Suitable metrics: {', '.join(suitable)}."
            )


def check_required_inputs(
    method: MethodSpec, task: TaskSpec, collection: Collection, *, pseudo_labels: bool
) -> None:
    """Refuse data without what the method trains on or the task evaluates with.

    Raises:
        BenchbedError: Something is missing.
    """
    split = task.reference_split
    if "mask" not in _collect_roles(collection, split) and (
        "masks" in task.input_kinds or ("pairs" in task.input_kinds and not pseudo_labels)
    ):
        raise BenchbedError(
            f"Task {task.name} needs masks, but no image in split {split} of "
            f"{collection.spec.name} has one."
        )
    if "annotate" in method.capabilities & task.capabilities:
        _require_second_masks(method, collection, split)
    if pseudo_labels and "mask" in _collect_roles(collection) and collection.spec.volumes is None:
        raise BenchbedError(f"{collection.spec.name} has its own masks. Remove --masks-from.")
    available = {"mask"} if pseudo_labels else set()
    missing = method.required_inputs - available - collect_inputs(collection)
    if missing == {"mask"}:
        raise BenchbedError(
            f"{method.name} needs a mask for every image, but {collection.spec.name} has none "
            "here. Use --masks-from to train an annotator on another dataset."
        )
    if missing:
        raise BenchbedError(
            f"{method.name} needs a {' and a '.join(sorted(missing))} for every image, but "
            f"{collection.spec.name} has none here."
        )


def collect_inputs(collection: Collection) -> frozenset[str]:
    """Return what some case has besides its image: parts such as ``"mask"``, and ``"label"``."""
    labels = {"label"} if collection.spec.classes else set()
    return _collect_roles(collection) | labels


def check_reference_split(task: TaskSpec, collection: Collection) -> None:
    """Refuse data without cases to evaluate on.

    Raises:
        BenchbedError: The reference split is empty.
    """
    split = task.reference_split
    if not collection.count_cases().get(split):
        raise BenchbedError(
            f"No case of {collection.spec.name} is in split {split}, on which task {task.name} "
            f"evaluates. Use --dataset manifest:FILE.csv with a column split that contains {split}."
        )


def check_case_counts(
    task: TaskSpec, metrics: Sequence[MetricSpec], collection: Collection
) -> None:
    """Refuse metrics that need more real cases than there are.

    Raises:
        BenchbedError: A metric needs more cases; the text names metrics that work.
    """
    counts = collection.count_cases()
    too_demanding = [s for s in metrics if _count_scored(s, task, counts) < s.min_samples]
    if not too_demanding:
        return
    missing = ", ".join(
        f"{spec.name} needs at least {spec.min_samples} {_name_split(spec, task)}, and there "
        f"{'is' if count == 1 else 'are'} {count}"
        for spec in too_demanding
        for count in [_count_scored(spec, task, counts)]
    )
    raise BenchbedError(
        f"{collection.spec.name} has too few cases: {missing}. "
        f"{_suggest_metrics(task, metrics, collection)}"
    )


def _count_scored(spec: MetricSpec, task: TaskSpec, counts: Mapping[str, int]) -> int:
    """Return the number of real cases that limits a metric."""
    reference = counts.get(task.reference_split, 0)
    return min(reference, counts.get(HELD_OUT_SPLIT, 0)) if spec.needs_held_out else reference


def _name_split(spec: MetricSpec, task: TaskSpec) -> str:
    split = task.reference_split
    if spec.needs_held_out and split != HELD_OUT_SPLIT:
        return f"cases in each of the splits {split} and {HELD_OUT_SPLIT}"
    return f"cases in split {split}"


def _suggest_metrics(task: TaskSpec, metrics: Sequence[MetricSpec], collection: Collection) -> str:
    counts = collection.count_cases()
    kinds = task.input_kinds - {"images" if collection.spec.dimensions == 3 else "volumes"}
    # The requested ones come first.
    candidates = dict.fromkeys((*metrics, *get_registry().get_specs(MetricSpec).values()))
    suitable = [
        spec
        for spec in candidates
        if spec.input_kind in kinds and _count_scored(spec, task, counts) >= spec.min_samples
    ]
    chosen = [spec for spec in suitable if spec in metrics] or suitable[:1]
    if not chosen:
        return "Add cases."
    return f"Add cases, or use {' '.join(f'--metric {spec.name}' for spec in chosen)}."


def check_results_folder(dataset: str, results: Path) -> None:
    """Refuse a results folder inside the user's folder of data, where pictures would become data.

    Raises:
        BenchbedError: It is inside.
    """
    path = parse_own_path(dataset)
    if path is None or not paths.is_folder(path):
        return
    if results.resolve().is_relative_to(path.resolve()):
        raise BenchbedError(
            f"The results folder {results} is inside the data folder {path}, so its pictures would "
            "be read as data. Select a folder outside with --results."
        )


def check_generator(collection: Collection, generator: RunPlan) -> None:
    """Refuse a generator whose pairs do not match the cases of the run.

    Raises:
        BenchbedError: Source, channels, dimensions or structures differ.
    """
    check_same_source(collection, generator)
    spec, upstream = collection.spec, generator.collection.spec
    for field in ("dimensions", "channels"):
        value, provided = getattr(spec, field), getattr(upstream, field)
        if value != provided:
            raise BenchbedError(
                f"{spec.name} has {value} {field}, but {upstream.name}, the training data of "
                f"{generator.method.name}, has {provided}. Select another --generator-dataset; "
                "`benchbed list datasets` shows them."
            )
    if generator.mask_plan is None and upstream.structure_count < spec.structure_count:
        raise BenchbedError(
            f"{spec.name} has {spec.structure_count} structures, but {upstream.name}, the "
            "training data "
            f"of {generator.method.name}, has {upstream.structure_count}. Select another "
            "--generator-dataset; `benchbed list datasets` shows them."
        )


def check_same_source(collection: Collection, other: RunPlan) -> None:
    """Refuse a run on real data with an upstream run on a phantom, and the other way round.

    Raises:
        BenchbedError: The sources differ, so the result would be neither real nor phantom.
    """
    if other.collection.source != collection.source:
        raise BenchbedError(
            f"{collection.spec.name} is {_format_source(collection)}, but "
            f"{other.collection.spec.name}, "
            f"the training data of the upstream method {other.method.name}, is "
            f"{_format_source(other.collection)}. Use --source phantom for both, or get the real "
            "data "
            f"with: benchbed data fetch {_find_phantom(collection, other.collection).spec.name}"
        )


def _format_source(collection: Collection) -> str:
    return "real" if collection.source == "real" else "a phantom"


def _find_phantom(first: Collection, second: Collection) -> Collection:
    return first if first.source == "phantom" else second


def _require_second_masks(method: MethodSpec, collection: Collection, split: str) -> None:
    cases = [case for case in collection.cases if case.split == split]
    missing = [case.id for case in cases if "second_mask" not in case.files]
    if missing if cases else "second_mask" not in _collect_roles(collection):
        first = f": {missing[0]} has none" if missing else ""
        raise BenchbedError(
            f"{method.name} needs the mask of a second annotator for every image in split "
            f"{split}, but {collection.spec.name} has none{first}."
        )


def _collect_roles(collection: Collection, split: str | None = None) -> frozenset[str]:
    """Return the parts that some case of the split, or of all, has besides its image."""
    if collection.spec.phantom is not None and collection.source == "phantom":
        # Imported late: rendering loads numpy, which the earlier checks do not need.
        from benchbed.data.sources.fingerprint import list_phantom_roles

        return list_phantom_roles(collection.spec.phantom)
    cases = (case for case in collection.cases if split in (None, case.split))
    return frozenset(role for case in cases for role in case.files)
