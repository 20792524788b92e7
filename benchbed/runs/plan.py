"""What is to be run, checked in full before anything is computed or written."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchbed.api.specs import MethodSpec, MetricSpec, TaskSpec
from benchbed.data.collection import Collection
from benchbed.data.source import FOLDER, dataset_spec, resolve
from benchbed.errors import BenchbedError, unknown
from benchbed.files import digest
from benchbed.protocol import PRESET, Preset, Protocol, preset
from benchbed.registry import load, registry
from benchbed.runs.plan_checks import check_method, check_metrics, check_needs
from benchbed.runs.request import Request
from benchbed.settings import MethodSettings, parse
from benchbed.training.events import Reporter, Silent

PAIRS = 200
"""Synthetic pairs that are made unless told otherwise."""


@dataclass(frozen=True, kw_only=True)
class PairPlan:
    """What a segmentation network is to be trained on.

    Attributes:
        regime: A key of `REGIMES`.
        generator: The run of the generator, or None under the regime ``"real"``.
        count: Number of pairs that it makes.
    """

    regime: str
    generator: Plan | None = None
    count: int = 0

    def as_dict(self) -> dict[str, Any]:
        """For ``run.json`` and the identity."""
        if self.generator is None:
            return {"regime": self.regime}
        return {
            "regime": self.regime,
            "generator": self.generator.method.name,
            "run": self.generator.id,
            "dataset": self.generator.dataset,
            "kimg": self.generator.protocol.kimg,
            "count": self.count,
        }


@dataclass(frozen=True, kw_only=True)
class Plan:
    """A run, ready to be carried out.

    Attributes:
        method: The method.
        settings: Its settings, preset and changes applied.
        task: How it is judged.
        metrics: What is reported.
        dataset: What the user called the data: a name, or ``folder:PATH``.
        collection: The data.
        protocol: What must be equal for two numbers to share a table.
        seed: Seed of everything.
        precision: ``"fp32"`` or ``"bf16"``.
        skip_bad: Whether files that do not decode were left out.
        pairs: What the training set is made of, where that is the task's question.
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

    @property
    def id(self) -> str:
        """The run's name: readable, and ending in the hash of its identity."""
        identity = {
            "method": self.method.name,
            "settings": self.settings.model_dump(mode="json"),
            "protocol": self.protocol.hash,
            "seed": self.seed,
            "precision": self.precision,
        }
        if self.pairs is not None:
            identity["pairs"] = self.pairs.as_dict()
        dataset = re.sub(r"[^a-z0-9-]+", "-", self.protocol.dataset.lower()).strip("-")[-40:]
        return (
            f"{self.method.name}-{dataset}-{self.protocol.size}px-s{self.seed}-"
            f"{digest(identity, 8)}"
        )

    @property
    def command(self) -> str:
        """A command that makes the same run; places on this machine are left to the reader."""
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
            if (generator := self.pairs.generator) is not None:
                words += ["--generator", generator.method.name, "--pairs", str(self.pairs.count)]
                words += ["--generator-dataset", generator.protocol.dataset]
                words += ["--generator-kimg", f"{generator.protocol.kimg:g}"]
        return shlex.join(words)

    def as_dict(self) -> dict[str, Any]:
        """For ``run.json``."""
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
            "root": None if self.collection.root is None else str(self.collection.root),
        }


def plan(request: Request, reporter: Reporter | None = None) -> Plan:
    """Check a request in full; what is cheap to check is checked first.

    Raises:
        BenchbedError: Something in it does not exist, is out of range or does not go together.
    """
    reporter = reporter or Silent()
    method = registry().spec(MethodSpec, request.method)
    dataset_spec(request.dataset)
    task = registry().spec(TaskSpec, request.task)
    metrics = tuple(registry().spec(MetricSpec, n) for n in request.metrics or task.metrics)
    base = _preset(request)
    check_metrics(task, metrics, base.samples)
    check_method(method, task, base.size, request.precision)
    settings = method_settings(method, request.preset, request.settings)
    pairs = plan_pairs(request, task, reporter)
    # numpy and Pillow take their time, and a wrong word is answered without them.
    from benchbed.data.prepare import identify

    collection = resolve(request.dataset, request.source, request.data_root, reporter.say)
    collection, fingerprint = identify(
        collection, skip_bad=request.skip_bad, progress=reporter.counted, say=reporter.say
    )
    check_needs(method, task, collection)
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
    )


def plan_pairs(request: Request, task: TaskSpec, reporter: Reporter) -> PairPlan | None:
    """What the training set is to be made of, and the run of the generator.

    Raises:
        BenchbedError: The task asks for a regime and none is given, or the other way round; the
            generator makes no pairs, or its own request does not go together.
    """
    regime = request.regime
    if not task.regimes:
        if regime is not None or request.generator is not None:
            raise BenchbedError(
                f"The task {task.name} trains on real pairs alone; --regime and --generator belong "
                f"to: {', '.join(_with_regimes()) or 'no task'}."
            )
        return None
    if regime is None:
        raise BenchbedError(f"The task {task.name} needs --regime: {', '.join(task.regimes)}.")
    if regime not in task.regimes:
        raise unknown("regime", regime, task.regimes, f"benchbed show {task.name}")
    if regime == "real":
        return PairPlan(regime=regime)
    makers = [s.name for s in registry().specs(MethodSpec).values() if "pairs" in s.abilities]
    if request.generator is None:
        raise BenchbedError(
            f"The regime {regime} needs --generator, a method that makes pairs: "
            f"{', '.join(makers)}."
        )
    spec = registry().spec(MethodSpec, request.generator)
    if "pairs" not in spec.abilities:
        raise BenchbedError(
            f"{spec.name} makes no pairs of image and mask; these do: {', '.join(makers)}."
        )
    if regime == "finetuned" and request.seconds is not None:
        raise BenchbedError("The regime finetuned divides a budget in images; give --kimg.")
    generator = plan(
        Request(
            method=spec.name,
            dataset=request.generator_dataset or request.dataset,
            preset=request.preset,
            settings={},
            seed=request.seed,
            source=request.source,
            data_root=request.data_root,
            size=request.size,
            kimg=request.generator_kimg,
            skip_bad=request.skip_bad,
        ),
        reporter,
    )
    count = request.pairs if request.pairs is not None else PAIRS
    if count < 1:
        raise BenchbedError(f"--pairs was given as {count}, but must be 1 or more.")
    return PairPlan(regime=regime, generator=generator, count=count)


def _with_regimes() -> list[str]:
    return [spec.name for spec in registry().specs(TaskSpec).values() if spec.regimes]


def method_settings(
    method: MethodSpec, preset_name: str, changes: Mapping[str, Any]
) -> MethodSettings:
    """A method's settings under a preset, with the user's changes on top.

    Raises:
        BenchbedError: A setting does not exist or is out of range.
    """
    model = load(method.settings)
    values = {**method.presets.get(preset_name, {}), **changes}
    parsed = parse(model, values, owner=method.name)
    assert isinstance(parsed, MethodSettings)
    return parsed


def _public_name(dataset: str) -> str:
    """The name in records: of a folder, its own name and not where it lies."""
    if dataset.startswith(FOLDER):
        return FOLDER + Path(dataset.removeprefix(FOLDER)).resolve().name
    return dataset


def _preset(request: Request) -> Preset:
    if request.augment not in (None, "none", "flip"):
        raise unknown("augmentation", str(request.augment), ("none", "flip"), "benchbed run --help")
    if request.preset not in PRESET:
        raise unknown("preset", request.preset, PRESET, "benchbed run --help")
    return preset(
        request.preset,
        size=request.size,
        kimg=request.kimg,
        seconds=request.seconds,
        samples=request.samples,
        augment=request.augment,
    )
