"""Plan upstream runs: generators of synthetic pairs, and annotators for pseudo-labels."""

from __future__ import annotations

from collections.abc import Callable

from benchbed.api.settings import MethodSettings
from benchbed.api.specs import CAPABILITIES, DatasetSpec, MethodSpec, TaskSpec
from benchbed.config.run_config import OPTIONS, RunConfig, get_flag
from benchbed.data.sources.resolve import resolve_dataset_spec
from benchbed.errors import BenchbedError, make_unknown_error
from benchbed.registry.lookup import get_registry
from benchbed.runs.plan import PairPlan, PseudoLabelPlan, RunPlan

DEFAULT_PAIR_COUNT = 200
"""Default number of synthetic pairs."""


def resolve_upstream_method(name: str | None, capability: str, reason: str) -> MethodSpec:
    """Return the method of an upstream run, such as a generator.

    Args:
        name: Its name from the user; None if not given.
        capability: The capability that it must have.
        reason: What requires it, and by which option, for the message.

    Raises:
        BenchbedError: It is not given, unknown or without the capability.
    """
    registry = get_registry()
    requirement = f"{reason}, a method that {CAPABILITIES[capability]}"
    available = [
        s.name for s in registry.get_specs(MethodSpec).values() if capability in s.capabilities
    ]
    if name is None:
        raise BenchbedError(f"{requirement}. Available: {', '.join(available)}.")
    spec = registry.get_spec(MethodSpec, name)
    if capability not in spec.capabilities:
        raise BenchbedError(
            f"{requirement}, but {name} does not. Available: {', '.join(available)}."
        )
    return spec


def plan_pairs(
    config: RunConfig, task: TaskSpec, planned: Callable[[RunConfig], RunPlan]
) -> PairPlan | None:
    """Plan the composition of the training set and the run of the generator, if any.

    Raises:
        BenchbedError: The task requires a regime and none is given, or the other way round; the
            generator makes no pairs, or its own configuration is invalid.
    """
    regime = config.regime
    if not task.regimes:
        given = [
            get_flag(field)
            for field, option in OPTIONS.items()
            if (option.key or "").startswith("pairs.") and getattr(config, field) is not None
        ]
        if given:
            raise BenchbedError(
                f"Task {task.name} always trains on all real pairs, so it takes no "
                f"{', '.join(given)}. Tasks that do: {', '.join(_list_regime_tasks())}."
            )
        return None
    if regime is None:
        raise BenchbedError(f"Task {task.name} requires --regime: {', '.join(task.regimes)}.")
    if regime not in task.regimes:
        raise make_unknown_error("regime", regime, task.regimes, f"benchbed show {task.name}")
    share = config.real_share or 1.0
    if regime == "synthetic" and share != 1.0:
        raise BenchbedError("The regime synthetic uses no real cases. Remove --real-share.")
    if regime == "real":
        return PairPlan(regime=regime, real_share=share)
    spec = resolve_upstream_method(
        config.generator, "pairs", f"The regime {regime} requires --generator"
    )
    if regime == "finetuned" and config.seconds is not None:
        raise BenchbedError("The regime finetuned needs a budget in images. Set --kimg.")
    count = config.pairs or DEFAULT_PAIR_COUNT
    dataset = config.generator_dataset or config.dataset
    generator = planned(
        config.derive_upstream(
            method=spec.name,
            dataset=dataset,
            task=_find_task(spec, resolve_dataset_spec(dataset)),
            kimg=config.generator_kimg,
            masks_from=config.masks_from,
            annotator=config.annotator,
            annotator_kimg=config.annotator_kimg,
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
    return next(suitable, RunConfig.model_fields["task"].default)


def _list_regime_tasks() -> list[str]:
    return [spec.name for spec in get_registry().get_specs(TaskSpec).values() if spec.regimes]


SEGMENTATION_TASK = "segmentation"
"""The task of an annotator's run."""


def plan_pseudo_labels(
    config: RunConfig,
    method: MethodSpec,
    settings: MethodSettings,
    planned: Callable[[RunConfig], RunPlan],
) -> PseudoLabelPlan | None:
    """Plan the run of the annotator, if the configuration names a dataset for masks.

    Raises:
        BenchbedError: The method does not train on masks, the annotator is missing or cannot
            segment, or its own configuration is invalid.
    """
    if config.masks_from is None:
        if config.annotator is not None or config.annotator_kimg is not None:
            raise BenchbedError(
                "--annotator and --annotator-kimg require --masks-from, a dataset with masks."
            )
        return None
    if "mask" not in method.required_inputs:
        raise BenchbedError(f"{method.name} does not learn from masks. Remove --masks-from.")
    if settings.real_mask_share > 0 and config.seconds is not None:
        raise BenchbedError(
            f"{method.name} uses {config.masks_from} for a share of a budget in images. Set --kimg."
        )
    spec = resolve_upstream_method(config.annotator, "segment", "--masks-from requires --annotator")
    annotator = planned(
        config.derive_upstream(
            method=spec.name,
            dataset=config.masks_from,
            task=SEGMENTATION_TASK,
            kimg=config.annotator_kimg,
        )
    )
    return PseudoLabelPlan(annotator=annotator)
