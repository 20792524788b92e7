"""The plan of a training set with synthetic pairs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from benchbed.api.specs import DatasetSpec, MethodSpec, TaskSpec
from benchbed.data.source import resolve_dataset_spec
from benchbed.errors import BenchbedError, make_unknown_error
from benchbed.registry import get_registry
from benchbed.runs.identity import build_pairs_dict
from benchbed.runs.plan_checks import resolve_upstream_method
from benchbed.runs.request import RunConfig

if TYPE_CHECKING:
    from benchbed.runs.plan import RunPlan

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


def plan_pairs(
    request: RunConfig, task: TaskSpec, planned: Callable[[RunConfig], RunPlan]
) -> PairPlan | None:
    """Plan the composition of the training set and the run of the generator, if any.

    Raises:
        BenchbedError: The task requires a regime and none is given, or the other way round; the
            generator makes no pairs, or its own configuration is invalid.
    """
    regime = request.regime
    if not task.regimes:
        if any(o is not None for o in (regime, request.generator, request.real_share)):
            raise BenchbedError(
                f"Task {task.name} always trains on all real pairs. --regime, --generator and "
                f"--real-share are supported by: {', '.join(_list_regime_tasks())}."
            )
        return None
    if regime is None:
        raise BenchbedError(f"Task {task.name} requires --regime: {', '.join(task.regimes)}.")
    if regime not in task.regimes:
        raise make_unknown_error("regime", regime, task.regimes, f"benchbed show {task.name}")
    share = 1.0 if request.real_share is None else request.real_share
    if not 0 < share <= 1:
        raise BenchbedError(f"--real-share is {share:g}, but must be greater than 0 and at most 1.")
    if regime == "synthetic" and share != 1.0:
        raise BenchbedError("The regime synthetic uses no real cases. Remove --real-share.")
    if regime == "real":
        return PairPlan(regime=regime, real_share=share)
    spec = resolve_upstream_method(request.generator, "pairs", f"The regime {regime} requires --generator")
    if regime == "finetuned" and request.seconds is not None:
        raise BenchbedError("The regime finetuned needs a budget in images. Set --kimg.")
    count = request.pair_count if request.pair_count is not None else DEFAULT_PAIR_COUNT
    if count < 1:
        raise BenchbedError(f"--pairs is {count}, but must be at least 1.")
    dataset = request.generator_dataset or request.dataset
    generator = planned(
        request.derive_upstream(
            method=spec.name,
            dataset=dataset,
            task=_find_task(spec, resolve_dataset_spec(dataset)),
            kimg=request.generator_kimg,
            masks_from=request.masks_from,
            annotator=request.annotator,
            annotator_kimg=request.annotator_kimg,
        )
    )
    return PairPlan(regime=regime, generator=generator, count=count, real_share=share)


def _find_task(method: MethodSpec, dataset: DatasetSpec) -> str:
    """Return the first task that evaluates samples of a generator on this dataset."""
    suitable = (
        task.name
        for task in get_registry().get_specs(TaskSpec).values()
        if "masks" not in task.input_kinds
        and task.capabilities & method.capabilities
        and (dataset.dimensions == 2 or task.volume_metrics)
    )
    # Without a suitable task, planning the run raises the error.
    return next(suitable, RunConfig.task)


def _list_regime_tasks() -> list[str]:
    return [spec.name for spec in get_registry().get_specs(TaskSpec).values() if spec.regimes]
