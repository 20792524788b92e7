"""Data classes of a plan: a run with its method, data, protocol and upstream runs."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from benchbed.api.settings import MethodSettings
from benchbed.api.specs import MethodSpec, MetricSpec, TaskSpec
from benchbed.config.protocol import Protocol
from benchbed.config.run_config import RunConfig, compute_run_hash
from benchbed.config.settings import parse_settings
from benchbed.data.sources.cases import Collection
from benchbed.data.sources.own_data import parse_own_path
from benchbed.registry.lookup import load_object
from benchbed.results.commands import add_fingerprint
from benchbed.results.record import PseudoLabels, TrainingPairs


@dataclass(frozen=True, kw_only=True)
class PseudoLabelPlan:
    """Source of the pseudo-labels of a dataset.

    Attributes:
        annotator: The run of a segmentation network on a dataset that has masks.
    """

    annotator: RunPlan

    def summarize(self) -> PseudoLabels:
        """Return the form for records."""
        annotator = self.annotator
        return PseudoLabels(
            dataset=annotator.unambiguous_dataset,
            annotator=annotator.method.name,
            run=annotator.id,
            kimg=annotator.protocol.kimg,
        )


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

    def summarize(self) -> TrainingPairs:
        """Return the form for records."""
        if (generator := self.generator) is None:
            return TrainingPairs(regime=self.regime, real_share=self.real_share)
        return TrainingPairs(
            regime=self.regime,
            generator=generator.method.name,
            generator_run=generator.id,
            dataset=generator.unambiguous_dataset,
            kimg=generator.protocol.kimg,
            count=self.count,
            real_share=self.real_share,
            pseudo_labels=generator.pseudo_labels,
        )


@dataclass(frozen=True, kw_only=True)
class RunPlan:
    """A run that is ready to execute.

    Attributes:
        config: The configuration that the user requests.
        method: The method.
        settings: Its settings, with preset and changes applied.
        task: The task that it is evaluated for.
        metrics: The metrics to report.
        collection: The data.
        protocol: What must be equal for two numbers to share a table.
        pair_plan: Composition of the training set, if the task has regimes.
        mask_plan: Source of the pseudo-labels, if the dataset has no masks.
    """

    config: RunConfig
    method: MethodSpec
    settings: MethodSettings
    task: TaskSpec
    metrics: tuple[MetricSpec, ...]
    collection: Collection
    protocol: Protocol
    pair_plan: PairPlan | None = None
    mask_plan: PseudoLabelPlan | None = None

    @property
    def seed(self) -> int:
        """Random seed."""
        return self.config.seed

    @cached_property
    def id(self) -> str:
        """The run id: readable, ending in a hash."""
        dataset = re.sub(r"[^a-z0-9-]+", "-", self.protocol.dataset.lower()).strip("-")[-40:]
        name = f"{self.method.name}-{dataset}-{self.protocol.size}px-s{self.seed}"
        return f"{name}-{compute_run_hash(self._describe())}"

    @property
    def upstream_plans(self) -> tuple[RunPlan, ...]:
        """The runs whose models this run uses."""
        plans = (
            None if self.pair_plan is None else self.pair_plan.generator,
            None if self.mask_plan is None else self.mask_plan.annotator,
        )
        return tuple(plan for plan in plans if plan is not None)

    @property
    def implementations(self) -> tuple[str, ...]:
        """``"module:Class"`` of the method and of the upstream methods."""
        others = (name for plan in self.upstream_plans for name in plan.implementations)
        return (self.method.implementation, *others)

    @property
    def unambiguous_dataset(self) -> str:
        """Name of the dataset; for a user's own data with the start of the fingerprint."""
        name, fingerprint = self.protocol.dataset, self.protocol.fingerprint
        is_own = parse_own_path(self.config.dataset) is not None
        return add_fingerprint(name, fingerprint) if is_own else name

    @property
    def command(self) -> str:
        """A command that repeats the run, without paths of this machine."""
        return self._format_command(with_paths=False)

    def _format_command(self, *, with_paths: bool) -> str:
        config = RunConfig.from_plan(self._describe())
        default = resolve_method_settings(self.method, config.preset, {}).model_dump(mode="json")
        changes: dict[str, Any] = {
            "settings": {k: v for k, v in config.settings.items() if v != default[k]},
        }
        if not with_paths:
            changes["data_root"] = None
            for field in ("dataset", "generator_dataset", "masks_from"):
                if (dataset := getattr(config, field)) is not None:
                    changes[field] = get_public_name(dataset)
        are_images = self.collection.spec.volumes is None
        if config.metrics == (self.task.metrics if are_images else self.task.volume_metrics):
            changes["metrics"] = ()
        return shlex.join(["benchbed", "run", *config.model_copy(update=changes).to_words()])

    @property
    def pairs(self) -> TrainingPairs | None:
        """Composition of the training set, for records."""
        return None if self.pair_plan is None else self.pair_plan.summarize()

    @property
    def pseudo_labels(self) -> PseudoLabels | None:
        """Source of the pseudo-labels, for records."""
        return None if self.mask_plan is None else self.mask_plan.summarize()

    @property
    def upstream_masks(self) -> PseudoLabelPlan | None:
        """Pseudo-labels that this run, or the run of its generator, takes from another dataset."""
        if self.pair_plan is not None and self.pair_plan.generator is not None:
            return self.pair_plan.generator.mask_plan
        return self.mask_plan

    def as_dict(self) -> dict[str, Any]:
        """Return the plan as a dict for ``run.json``, which stays on this machine."""
        command = self._format_command(with_paths=True)
        return {"id": self.id, "command": command, **self._describe()}

    def _describe(self) -> dict[str, Any]:
        pairs, masks, root = self.pairs, self.upstream_masks, self._find_data_root()
        upstream = self._list_upstream_paths()
        return {
            "method": self.method.name,
            "settings": self.settings.model_dump(mode="json"),
            "dataset": get_local_name(self.config.dataset),
            "task": self.task.name,
            "metrics": [spec.name for spec in self.metrics],
            "protocol": self.protocol.as_dict(),
            "seed": self.seed,
            "precision": self.config.precision,
            "skip_bad": self.config.skip_bad,
            "pairs": None if pairs is None else pairs.as_dict(),
            "masks": None if masks is None else masks.summarize().as_dict(),
            "root": None if root is None else str(root),
            **({"own_data": upstream} if upstream else {}),
        }

    def _find_data_root(self) -> Path | None:
        """Return the data root that the run or an upstream run uses, or None."""
        is_own = parse_own_path(self.config.dataset) is not None
        root = self.collection.root
        if root is not None and not is_own and not self.collection.spec.package:
            return root.resolve()
        roots = (plan._find_data_root() for plan in self.upstream_plans)
        return next((root for root in roots if root is not None), None)

    def _list_upstream_paths(self) -> dict[str, str]:
        """Return the user's own data of upstream runs by field: records contain only names."""
        generator = None if self.pair_plan is None else self.pair_plan.generator
        masks = self.upstream_masks
        plans = {
            "generator_dataset": generator,
            "masks_from": None if masks is None else masks.annotator,
        }
        return {
            field: get_local_name(plan.config.dataset)
            for field, plan in plans.items()
            if plan is not None and parse_own_path(plan.config.dataset) is not None
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
    path = parse_own_path(dataset)
    return dataset if path is None else f"{dataset.partition(':')[0]}:{path.resolve().name}"


def get_local_name(dataset: str) -> str:
    """Return the dataset's name for this machine: for a folder, with its absolute path."""
    path = parse_own_path(dataset)
    return dataset if path is None else f"{dataset.partition(':')[0]}:{path.resolve()}"
