"""The plan of a run, fully checked before anything is computed or written."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from benchbed.api.specs import MethodSpec, MetricSpec, TaskSpec
from benchbed.data.collection import Collection
from benchbed.data.source import resolve_dataset_spec, parse_folder_path, resolve_collection
from benchbed.errors import make_unknown_error
from benchbed.protocol import PRESETS, Preset, Protocol, resolve_preset
from benchbed.registry import load_object, get_registry
from benchbed.runs.identity import compute_run_hash
from benchbed.runs.plan_checks import (
    check_dimensions,
    check_generator,
    check_method,
    check_metrics,
    check_required_inputs,
    check_seed,
    check_same_source,
)
from benchbed.runs.plan_masks import PseudoLabelPlan, plan_pseudo_labels
from benchbed.runs.plan_pairs import PairPlan, plan_pairs
from benchbed.runs.request import RunConfig
from benchbed.settings import MethodSettings, parse_settings
from benchbed.training.events import Reporter, NullReporter


@dataclass(frozen=True, kw_only=True)
class RunPlan:
    """A run that is ready to execute.

    Attributes:
        method: The method.
        settings: Its settings, with preset and changes applied.
        task: The task that it is evaluated for.
        metrics: The metrics to report.
        dataset: The dataset as the user wrote it: a name, or ``folder:PATH``.
        collection: The data.
        protocol: What must be equal for two numbers to share a table.
        seed: Random seed.
        precision: ``"fp32"`` or ``"bf16"``.
        skip_bad: Whether unreadable files are left out.
        pair_plan: Composition of the training set, if the task has regimes.
        mask_plan: Source of the pseudo-labels, if the dataset has no masks.
    """

    method: MethodSpec
    settings: MethodSettings
    task: TaskSpec
    metrics: tuple[MetricSpec, ...]
    dataset: str
    collection: Collection
    protocol: Protocol
    seed: int
    precision: str
    skip_bad: bool
    pair_plan: PairPlan | None = None
    mask_plan: PseudoLabelPlan | None = None

    @property
    def id(self) -> str:
        """The run id: readable, ending in a hash."""
        hashed = compute_run_hash(
            method=self.method.name,
            settings=self.settings.model_dump(mode="json"),
            protocol=self.protocol.hash,
            seed=self.seed,
            precision=self.precision,
            pairs=None if self.pair_plan is None else self.pair_plan.as_dict(),
            masks=None if self.mask_plan is None else self.mask_plan.as_dict(),
        )
        dataset = re.sub(r"[^a-z0-9-]+", "-", self.protocol.dataset.lower()).strip("-")[-40:]
        return f"{self.method.name}-{dataset}-{self.protocol.size}px-s{self.seed}-{hashed}"

    @property
    def command(self) -> str:
        """A command that repeats the run, without paths of this machine."""
        protocol = self.protocol
        words = ["benchbed", "run", "--method", self.method.name, "--dataset", protocol.dataset]
        words += ["--task", self.task.name, "--preset", protocol.preset]
        words += ["--source", protocol.source, "--size", str(protocol.size)]
        if protocol.kimg is not None:
            words += ["--kimg", f"{protocol.kimg:g}"]
        else:
            words += ["--time", f"{protocol.seconds:g}s"]
        words += ["--samples", str(protocol.samples), "--augment", protocol.augment]
        words += ["--seed", str(self.seed), "--precision", self.precision]
        default = resolve_method_settings(self.method, protocol.preset, {})
        for name, value in self.settings.model_dump(mode="json").items():
            if value != default.model_dump(mode="json")[name]:
                words += ["--set", f"{name}={json.dumps(value)}"]
        if self.pair_plan is not None:
            words += ["--regime", self.pair_plan.regime]
            if self.pair_plan.real_share != 1.0:
                words += ["--real-share", f"{self.pair_plan.real_share:g}"]
            if (generator := self.pair_plan.generator) is not None:
                words += ["--generator", generator.method.name, "--pairs", str(self.pair_plan.count)]
                words += ["--generator-dataset", generator.protocol.dataset]
                words += ["--generator-kimg", f"{generator.protocol.kimg:g}"]
        if (masks := self.upstream_masks) is not None:
            annotator = masks.annotator
            words += ["--masks-from", annotator.protocol.dataset]
            words += ["--annotator", annotator.method.name]
            words += ["--annotator-kimg", f"{annotator.protocol.kimg:g}"]
        return shlex.join([*words, *self._list_metric_options()])

    def _list_metric_options(self) -> list[str]:
        """Return the metric options, if the metrics are not the defaults for such data."""
        are_images = self.collection.spec.volumes is None
        defaults = self.task.metrics if are_images else self.task.volume_metrics
        names = [spec.name for spec in self.metrics]
        return (
            []
            if names == list(defaults)
            else [word for name in names for word in ("--metric", name)]
        )

    @property
    def upstream_masks(self) -> PseudoLabelPlan | None:
        """Pseudo-labels that this run, or the run of its generator, takes from another dataset."""
        if self.pair_plan is not None and self.pair_plan.generator is not None:
            return self.pair_plan.generator.mask_plan
        return self.mask_plan

    def as_dict(self) -> dict[str, Any]:
        """Return the plan as a dict for ``run.json``."""
        return {
            "id": self.id,
            "method": self.method.name,
            "settings": self.settings.model_dump(mode="json"),
            "dataset": self.dataset,
            "task": self.task.name,
            "metrics": [spec.name for spec in self.metrics],
            "protocol": self.protocol.as_dict(),
            "seed": self.seed,
            "precision": self.precision,
            "skip_bad": self.skip_bad,
            "pairs": None if self.pair_plan is None else self.pair_plan.as_dict(),
            "masks": None if self.upstream_masks is None else self.upstream_masks.as_dict(),
            "root": None if self.collection.root is None else str(self.collection.root),
        }


def plan_run(request: RunConfig, reporter: Reporter | None = None) -> RunPlan:
    """Check a run configuration in full, cheap checks first, and return its plan.

    Raises:
        BenchbedError: An option is unknown, out of range or inconsistent with another.
    """
    reporter = reporter or NullReporter()
    method = get_registry().get_spec(MethodSpec, request.method)
    dataset = resolve_dataset_spec(request.dataset)
    task = get_registry().get_spec(TaskSpec, request.task)
    check_seed(request.seed)
    check_dimensions(method, task, dataset)
    defaults = task.metrics if dataset.volumes is None else task.volume_metrics
    metrics = tuple(get_registry().get_spec(MetricSpec, name) for name in request.metrics or defaults)
    base = _resolve_preset(request, dataset.dimensions)
    check_metrics(task, metrics, base.samples, dataset.dimensions)
    check_method(method, task, base.size, request.precision)
    settings = resolve_method_settings(method, request.preset, request.settings)
    pairs = plan_pairs(request, task, lambda other: plan_run(other, reporter))
    masks = None
    if pairs is None or pairs.generator is None:
        masks = plan_pseudo_labels(request, method, lambda other: plan_run(other, reporter))
    # Imported late: numpy and Pillow are slow to import, and a typo should be reported at once.
    from benchbed.data.prepare import identify_collection

    collection = resolve_collection(request.dataset, request.source, request.data_root, reporter.report_message)
    collection, fingerprint = identify_collection(
        collection, skip_bad=request.skip_bad, progress=reporter.report_progress, say=reporter.report_message
    )
    check_required_inputs(method, task, collection, lent=masks is not None)
    if pairs is not None and pairs.generator is not None:
        check_generator(collection, pairs.generator)
    if masks is not None:
        check_same_source(collection, masks.annotator)
    protocol = Protocol(
        preset=request.preset,
        task=task.name,
        dataset=get_public_name(request.dataset),
        source=collection.source,
        fingerprint=fingerprint,
        size=base.size,
        channels=collection.spec.channels,
        framing=base.framing or collection.spec.framing,
        augment=base.augment,
        kimg=base.kimg,
        seconds=base.seconds,
        reference_split=task.reference_split,
        samples=base.samples if task.needs_samples else 0,
    )
    return RunPlan(
        method=method,
        settings=settings,
        task=task,
        metrics=metrics,
        dataset=request.dataset,
        collection=collection,
        protocol=protocol,
        seed=request.seed,
        precision=request.precision,
        skip_bad=request.skip_bad,
        pair_plan=pairs,
        mask_plan=masks,
    )


def resolve_method_settings(
    method: MethodSpec, preset_name: str, changes: Mapping[str, Any]
) -> MethodSettings:
    """Return a method's settings under a preset, with the user's changes applied.

    Raises:
        BenchbedError: A setting does not exist or is out of range.
    """
    model = load_object(method.settings)
    values = {**method.presets.get(preset_name, {}), **changes}
    parsed = parse_settings(model, values, owner=method.name)
    assert isinstance(parsed, MethodSettings)
    return parsed


def get_public_name(dataset: str) -> str:
    """Return the dataset's name for records: for a folder, without the path to it."""
    path = parse_folder_path(dataset)
    return dataset if path is None else f"{dataset.partition(':')[0]}:{path.resolve().name}"


def _resolve_preset(request: RunConfig, dimensions: int) -> Preset:
    if request.augment not in (None, "none", "flip"):
        raise make_unknown_error("augmentation", str(request.augment), ("none", "flip"), "benchbed run --help")
    if request.preset not in PRESETS:
        raise make_unknown_error("preset", request.preset, PRESETS, "benchbed run --help")
    return resolve_preset(
        request.preset,
        dimensions,
        size=request.size,
        kimg=request.kimg,
        seconds=request.seconds,
        samples=request.samples,
        augment=request.augment,
    )
