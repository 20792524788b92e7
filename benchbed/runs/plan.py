"""The plan of a run, fully checked before anything is computed or written."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from benchbed.api.settings import MethodSettings
from benchbed.api.specs import MethodSpec, MetricSpec, TaskSpec
from benchbed.config.protocol import Protocol
from benchbed.config.run_config import (
    build_masks_dict,
    build_pairs_dict,
    compute_run_hash,
)
from benchbed.config.settings import parse_settings
from benchbed.data.sources.cases import Collection
from benchbed.data.sources.resolve import (
    parse_folder_path,
)
from benchbed.registry.lookup import load_object


@dataclass(frozen=True, kw_only=True)
class PseudoLabelPlan:
    """Source of the pseudo-labels of a dataset.

    Attributes:
        annotator: The run of a segmentation network on a dataset that has masks.
    """

    annotator: RunPlan

    def as_dict(self) -> dict[str, Any]:
        """Return a dict for ``run.json`` and the hash."""
        return build_masks_dict(
            dataset=self.annotator.dataset,
            annotator=self.annotator.method.name,
            run=self.annotator.id,
            kimg=self.annotator.protocol.kimg,
        )


DEFAULT_PAIR_COUNT = 200
"""Default number of synthetic pairs."""


@dataclass(frozen=True, kw_only=True)
class PairPlan:
    """Composition of the training set of a segmentation network.

    Attributes:
        regime: A key of `REGIMES`.
        generator: The run of the generator, or None under the regime ``"real"``.
        count: Number of synthetic pairs.
        real_share: Share of the real training cases that are used, in (0, 1].
    """

    regime: str
    generator: RunPlan | None = None
    count: int = 0
    real_share: float = 1.0

    def as_dict(self) -> dict[str, Any]:
        """Return a dict for ``run.json`` and the hash."""
        generator = self.generator
        masks = None if generator is None else generator.mask_plan
        return build_pairs_dict(
            regime=self.regime,
            real_share=self.real_share,
            generator=None if generator is None else generator.method.name,
            run=None if generator is None else generator.id,
            dataset=None if generator is None else generator.dataset,
            kimg=None if generator is None else generator.protocol.kimg,
            count=self.count,
            masks=None if masks is None else masks.as_dict(),
        )


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
                words += [
                    "--generator",
                    generator.method.name,
                    "--pairs",
                    str(self.pair_plan.count),
                ]
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
