"""The plan of a run, fully checked before anything is computed or written."""

from __future__ import annotations

from functools import partial

from benchbed.api.specs import MethodSpec, MetricSpec, TaskSpec
from benchbed.config.protocol import PRESETS, Preset, Protocol, resolve_preset
from benchbed.config.run_config import RunConfig
from benchbed.data.sources.resolve import (
    resolve_collection,
    resolve_dataset_spec,
)
from benchbed.errors import make_unknown_error
from benchbed.registry.lookup import get_registry
from benchbed.runs.dependencies import plan_pairs, plan_pseudo_labels
from benchbed.runs.plan import (
    RunPlan,
    get_public_name,
    resolve_method_settings,
)
from benchbed.runs.validate import (
    check_dimensions,
    check_generator,
    check_method,
    check_metrics,
    check_required_inputs,
    check_same_source,
    check_seed,
)
from benchbed.utils.progress import NullReporter, Reporter


def plan_run(request: RunConfig, reporter: Reporter | None = None) -> RunPlan:
    """Check a run configuration in full, cheap checks first, and return its plan.

    Raises:
        BenchbedError: An option is unknown, out of range or inconsistent with another.
    """
    reporter = reporter or NullReporter()
    registry = get_registry()
    method = registry.get_spec(MethodSpec, request.method)
    dataset = resolve_dataset_spec(request.dataset)
    task = registry.get_spec(TaskSpec, request.task)
    check_seed(request.seed)
    check_dimensions(method, task, dataset)
    defaults = task.metrics if dataset.volumes is None else task.volume_metrics
    metrics = tuple(registry.get_spec(MetricSpec, name) for name in request.metrics or defaults)
    base = _resolve_preset(request, dataset.dimensions)
    check_metrics(task, metrics, base.samples, dataset.dimensions)
    check_method(method, task, base.size, request.precision)
    settings = resolve_method_settings(method, request.preset, request.settings)
    plan_upstream = partial(plan_run, reporter=reporter)
    pairs = plan_pairs(request, task, plan_upstream)
    masks = None
    if pairs is None or pairs.generator is None:
        masks = plan_pseudo_labels(request, method, settings, plan_upstream)
    # Imported late: numpy and Pillow are slow to import, and a typo should be reported at once.
    from benchbed.data.preprocessing.prepare import identify_collection

    collection = resolve_collection(
        request.dataset, request.source, request.data_root, reporter.report_message
    )
    collection, fingerprint = identify_collection(
        collection,
        skip_bad=request.skip_bad,
        progress=reporter.report_progress,
        say=reporter.report_message,
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


def _resolve_preset(request: RunConfig, dimensions: int) -> Preset:
    if request.augment not in (None, "none", "flip"):
        raise make_unknown_error(
            "augmentation", str(request.augment), ("none", "flip"), "benchbed run --help"
        )
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
