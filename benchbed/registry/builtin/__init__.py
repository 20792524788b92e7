"""Benchbed's own plugin: its metrics and tasks."""

from __future__ import annotations

from collections.abc import Iterable

from benchbed.api.specs import REGIMES, MetricSpec, TaskSpec
from benchbed.registry.builtin.case_metrics import list_mask_metrics, list_pair_metrics
from benchbed.registry.builtin.set_metrics import list_image_metrics, list_volume_metrics
from benchbed.registry.hooks import hookimpl

PAIR_METRICS = tuple(metric.name for metric in list_pair_metrics())

MASK_METRICS = (
    *("dice", "dice-per-case", "dice-otsu", "dice-best", "auc-roc", "average-precision"),
    *("sensitivity", "specificity", "accuracy"),
)
"""Metrics of images in tasks that score masks."""

VOLUME_METRICS = ("dice-per-case", "dice-per-case-sd", "dice", "sensitivity", "average-precision")
"""Metrics of volumes in tasks that score masks."""


@hookimpl
def benchbed_metrics() -> Iterable[MetricSpec]:
    """List the metrics."""
    return [
        *list_image_metrics(),
        *list_mask_metrics(),
        *list_pair_metrics(),
        *list_volume_metrics(),
    ]


@hookimpl
def benchbed_tasks() -> Iterable[TaskSpec]:
    """List the tasks."""
    return [
        TaskSpec(
            name="synthesis",
            title="are samples like the real images?",
            implementation="benchbed.tasks.synthesis:SynthesisTask",
            capabilities=frozenset({"sample"}),
            metrics=("fid", "kid", "swd", "ms-ssim-realfake", "memorisation", "kl"),
        ),
        TaskSpec(
            name="segmentation",
            title="are masks found in unseen images?",
            implementation="benchbed.tasks.segmentation:SegmentationTask",
            capabilities=frozenset({"segment", "annotate"}),
            metrics=MASK_METRICS,
            volume_metrics=VOLUME_METRICS,
            input_kinds=frozenset({"masks"}),
            reference_split="test",
            needs_samples=False,
        ),
        TaskSpec(
            name="augmentation",
            title="what does a segmentation network learn from synthetic pairs?",
            implementation="benchbed.tasks.segmentation:SegmentationTask",
            capabilities=frozenset({"segment"}),
            metrics=(*MASK_METRICS, "f1-macro"),
            volume_metrics=VOLUME_METRICS,
            input_kinds=frozenset({"masks"}),
            reference_split="test",
            regimes=tuple(REGIMES),
            needs_samples=False,
        ),
        TaskSpec(
            name="translation",
            title="does the image generated from a mask match the real image of that mask?",
            implementation="benchbed.tasks.translation:TranslationTask",
            capabilities=frozenset({"synthesize"}),
            metrics=PAIR_METRICS,
            volume_metrics=(*PAIR_METRICS, "fid-slices", "kid-slices", "memorisation-volumes"),
            input_kinds=frozenset({"pairs", "images", "volumes"}),
            reference_split="test",
            needs_samples=False,
        ),
    ]
