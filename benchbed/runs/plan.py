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
from benchbed.data.source import dataset_spec, path_of, resolve
from benchbed.errors import unknown
from benchbed.protocol import PRESET, Preset, Protocol, preset
from benchbed.registry import load, registry
from benchbed.runs.identity import identity
from benchbed.runs.plan_checks import (
    check_dimensions,
    check_generator,
    check_method,
    check_metrics,
    check_needs,
    check_seed,
    check_sources,
)
from benchbed.runs.plan_masks import MaskPlan, plan_masks
from benchbed.runs.plan_pairs import PairPlan, plan_pairs
from benchbed.runs.request import Request
from benchbed.settings import MethodSettings, parse
from benchbed.training.events import Reporter, Silent


@dataclass(frozen=True, kw_only=True)
class Plan:
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
        pairs: Composition of the training set, if the task has regimes.
        masks: Source of the pseudo-labels, if the dataset has no masks.
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
    pairs: PairPlan | None = None
    masks: MaskPlan | None = None

    @property
    def id(self) -> str:
        """The run id: readable, ending in a hash."""
        hashed = identity(
            method=self.method.name,
            settings=self.settings.model_dump(mode="json"),
            protocol=self.protocol.hash,
            seed=self.seed,
            precision=self.precision,
            pairs=None if self.pairs is None else self.pairs.as_dict(),
            masks=None if self.masks is None else self.masks.as_dict(),
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
        default = method_settings(self.method, protocol.preset, {})
        for name, value in self.settings.model_dump(mode="json").items():
            if value != default.model_dump(mode="json")[name]:
                words += ["--set", f"{name}={json.dumps(value)}"]
        if self.pairs is not None:
            words += ["--regime", self.pairs.regime]
            if self.pairs.real_share != 1.0:
                words += ["--real-share", f"{self.pairs.real_share:g}"]
            if (generator := self.pairs.generator) is not None:
                words += ["--generator", generator.method.name, "--pairs", str(self.pairs.count)]
                words += ["--generator-dataset", generator.protocol.dataset]
                words += ["--generator-kimg", f"{generator.protocol.kimg:g}"]
        if (masks := self.borrowed) is not None:
            annotator = masks.annotator
            words += ["--masks-from", annotator.protocol.dataset]
            words += ["--annotator", annotator.method.name]
            words += ["--annotator-kimg", f"{annotator.protocol.kimg:g}"]
        return shlex.join([*words, *self._metric_words()])

    def _metric_words(self) -> list[str]:
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
    def borrowed(self) -> MaskPlan | None:
        """Pseudo-labels that this run, or the run of its generator, takes from another dataset."""
        if self.pairs is not None and self.pairs.generator is not None:
            return self.pairs.generator.masks
        return self.masks

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
            "pairs": None if self.pairs is None else self.pairs.as_dict(),
            "masks": None if self.borrowed is None else self.borrowed.as_dict(),
            "root": None if self.collection.root is None else str(self.collection.root),
        }


def plan(request: Request, reporter: Reporter | None = None) -> Plan:
    """Check a run configuration in full, cheap checks first, and return its plan.

    Raises:
        BenchbedError: An option is unknown, out of range or inconsistent with another.
    """
    reporter = reporter or Silent()
    method = registry().spec(MethodSpec, request.method)
    dataset = dataset_spec(request.dataset)
    task = registry().spec(TaskSpec, request.task)
    check_seed(request.seed)
    check_dimensions(method, task, dataset)
    defaults = task.metrics if dataset.volumes is None else task.volume_metrics
    metrics = tuple(registry().spec(MetricSpec, name) for name in request.metrics or defaults)
    base = _preset(request, dataset.dimensions)
    check_metrics(task, metrics, base.samples, dataset.dimensions)
    check_method(method, task, base.size, request.precision)
    settings = method_settings(method, request.preset, request.settings)
    pairs = plan_pairs(request, task, lambda other: plan(other, reporter))
    masks = None
    if pairs is None or pairs.generator is None:
        masks = plan_masks(request, method, lambda other: plan(other, reporter))
    # Imported late: numpy and Pillow are slow to import, and a typo should be reported at once.
    from benchbed.data.prepare import identify

    collection = resolve(request.dataset, request.source, request.data_root, reporter.say)
    collection, fingerprint = identify(
        collection, skip_bad=request.skip_bad, progress=reporter.counted, say=reporter.say
    )
    check_needs(method, task, collection, lent=masks is not None)
    if pairs is not None and pairs.generator is not None:
        check_generator(collection, pairs.generator)
    if masks is not None:
        check_sources(collection, masks.annotator)
    protocol = Protocol(
        preset=request.preset,
        task=task.name,
        dataset=_public_name(request.dataset),
        source=collection.source,
        fingerprint=fingerprint,
        size=base.size,
        channels=collection.spec.channels,
        framing=base.framing or collection.spec.framing,
        augment=base.augment,
        kimg=base.kimg,
        seconds=base.seconds,
        reference_split=task.reference_split,
        samples=base.samples if task.samples else 0,
    )
    return Plan(
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
        pairs=pairs,
        masks=masks,
    )


def method_settings(
    method: MethodSpec, preset_name: str, changes: Mapping[str, Any]
) -> MethodSettings:
    """Return a method's settings under a preset, with the user's changes applied.

    Raises:
        BenchbedError: A setting does not exist or is out of range.
    """
    model = load(method.settings)
    values = {**method.presets.get(preset_name, {}), **changes}
    parsed = parse(model, values, owner=method.name)
    assert isinstance(parsed, MethodSettings)
    return parsed


def _public_name(dataset: str) -> str:
    """Return the dataset's name for records: for a folder, without the path to it."""
    path = path_of(dataset)
    return dataset if path is None else f"{dataset.partition(':')[0]}:{path.resolve().name}"


def _preset(request: Request, dimensions: int) -> Preset:
    if request.augment not in (None, "none", "flip"):
        raise unknown("augmentation", str(request.augment), ("none", "flip"), "benchbed run --help")
    if request.preset not in PRESET:
        raise unknown("preset", request.preset, PRESET, "benchbed run --help")
    return preset(
        request.preset,
        dimensions,
        size=request.size,
        kimg=request.kimg,
        seconds=request.seconds,
        samples=request.samples,
        augment=request.augment,
    )
