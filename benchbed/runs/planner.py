"""Turn a run configuration into a plan, checked before anything is computed or written."""

from __future__ import annotations

from functools import partial

from benchbed.api.specs import MethodSpec, MetricSpec, TaskSpec
from benchbed.config.protocol import Protocol, parse_window, resolve_preset
from benchbed.config.run_config import RunConfig
from benchbed.data.sources.cases import Collection
from benchbed.data.sources.resolve import resolve_collection, resolve_dataset_spec
from benchbed.errors import BenchbedError
from benchbed.registry.lookup import get_registry
from benchbed.runs.dependencies import plan_pairs, plan_pseudo_labels
from benchbed.runs.plan import RunPlan, get_public_name, resolve_method_settings
from benchbed.runs.validate import (
    check_augmentation,
    check_case_counts,
    check_channels,
    check_dimensions,
    check_generator,
    check_method,
    check_metrics,
    check_reference_split,
    check_required_inputs,
    check_same_source,
    collect_inputs,
)
from benchbed.utils.progress import NullReporter, Reporter


def plan_run(
    config: RunConfig, reporter: Reporter | None = None, *, is_upstream: bool = False
) -> RunPlan:
    """Check a run configuration in full, cheap checks first, and return its plan.

    Args:
        config: The configuration.
        reporter: Receives progress events.
        is_upstream: Whether another run needs only the weights, so that values may be missing.

    Raises:
        BenchbedError: An option is unknown, out of range or inconsistent with another.
    """
    reporter = reporter or NullReporter()
    registry = get_registry()
    method = registry.get_spec(MethodSpec, config.method)
    dataset = resolve_dataset_spec(config.dataset)
    task = registry.get_spec(TaskSpec, config.task)
    check_dimensions(method, task, dataset)
    defaults = task.metrics if dataset.volumes is None else task.volume_metrics
    metrics = tuple(registry.get_spec(MetricSpec, name) for name in config.metrics or defaults)
    changes = ("size", "kimg", "seconds", "samples")
    base = resolve_preset(
        config.preset, dataset.dimensions, **{name: getattr(config, name) for name in changes}
    )
    check_metrics(task, metrics, base.samples, dataset.dimensions)
    check_channels(metrics, dataset)
    check_method(method, task, base.size)
    augment = config.augment or method.get_default_augmentation(config.preset)
    check_augmentation(method, augment)
    settings = resolve_method_settings(method, config.preset, config.settings)
    plan_upstream = partial(plan_run, reporter=reporter, is_upstream=True)
    pairs = plan_pairs(config, task, plan_upstream)
    masks = None
    if pairs is None or pairs.generator is None:
        masks = plan_pseudo_labels(config, method, settings, plan_upstream)
    collection, fingerprint = _resolve_data(config, reporter)
    check_reference_split(task, collection)
    check_required_inputs(method, task, collection, pseudo_labels=masks is not None)
    _report_missing_inputs(method, collection, reporter)
    if not is_upstream:
        check_case_counts(task, metrics, collection)
    if pairs is not None and pairs.generator is not None:
        check_generator(collection, pairs.generator)
    if masks is not None:
        check_same_source(collection, masks.annotator)
    protocol = Protocol(
        preset=config.preset,
        task=task.name,
        dataset=get_public_name(config.dataset),
        source=collection.source,
        fingerprint=fingerprint,
        size=base.size,
        channels=collection.spec.channels,
        framing=base.framing or collection.spec.framing,
        augment=augment,
        kimg=base.kimg,
        seconds=base.seconds,
        reference_split=task.reference_split,
        samples=base.samples if task.needs_samples else 0,
        window=config.window,
    )
    return RunPlan(
        config=config,
        method=method,
        settings=settings,
        task=task,
        metrics=metrics,
        collection=collection,
        protocol=protocol,
        pair_plan=pairs,
        mask_plan=masks,
    )


def _report_missing_inputs(method: MethodSpec, collection: Collection, reporter: Reporter) -> None:
    """Report the optional inputs of a method that the data lack."""
    if unavailable := method.optional_inputs - collect_inputs(collection):
        reporter.report_message(
            f"{method.name} uses a {' and a '.join(sorted(unavailable))} of every image, but "
            f"{collection.spec.name} has none, so it trains without."
        )


def _resolve_data(config: RunConfig, reporter: Reporter) -> tuple[Collection, str]:
    """Return the cases of the run and their fingerprint."""
    log = reporter.report_message
    collection = resolve_collection(config.dataset, config.source, config.data_root, log)
    window = None if config.window is None else parse_window(config.window, "--window")
    # Imported late: numpy and Pillow are slow to import, and a typo should be reported at once.
    from benchbed.data.sources.identify import identify_collection

    collection, fingerprint = identify_collection(
        collection,
        skip_bad=config.skip_bad,
        progress=reporter.report_progress,
        log=log,
        window=window,
    )
    if window is not None and collection.rules.window is None:
        raise BenchbedError(
            f"--window {config.window} has no effect: it applies to images of more than 8 bits, "
            f"and {get_public_name(config.dataset)} has none. Remove it."
        )
    return collection, fingerprint
