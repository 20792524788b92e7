"""Metrics of predicted masks, with bootstrap intervals over cases."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from benchbed.api.metric import MaskFunction, MaskInputs, MetricValue
from benchbed.api.specs import MetricSpec
from benchbed.metrics.interval import CONFIDENCE
from benchbed.registry import load_object

RESAMPLES = 500


def score_masks(
    metrics: Sequence[MetricSpec],
    inputs: MaskInputs,
    *,
    seed: int = 0,
    counted: Callable[[str, int, int], None] = lambda *_: None,
) -> list[MetricValue]:
    """Compute metrics of predicted masks.

    Intervals are percentile intervals (Efron 1979) over 500 resamples of the cases, whose pixels
    are pooled as in the metric.
    """
    count = len(inputs)
    drawn = np.random.default_rng(seed).multinomial(count, [1 / count] * count, RESAMPLES)
    weights = np.concatenate([np.ones((1, count), np.int64), drawn])
    values: list[MetricValue] = []
    for position, spec in enumerate(metrics):
        counted(f"scoring {spec.title}", position, len(metrics))
        values.append(_score_metric(spec, inputs, weights if count > 1 else weights[:1]))
    counted("scoring", len(metrics), len(metrics))
    return values


def _score_metric(
    spec: MetricSpec, inputs: MaskInputs, weights: np.ndarray[tuple[int, ...], np.dtype[np.int64]]
) -> MetricValue:
    count = len(inputs)
    if count < spec.min_samples:
        note = f"needs at least {spec.min_samples} cases, got {count}"
        return MetricValue(spec.name, None, spec.recipe, count, count, note=note)
    function: MaskFunction = load_object(spec.implementation)
    value, *resampled = function(inputs, weights)
    if np.isnan(value):
        note = "the masks contain only one class inside the field of view"
        return MetricValue(spec.name, None, spec.recipe, count, count, note=note)
    low = high = None
    if resampled:
        tail = 50 * (1 - CONFIDENCE)
        low, high = (float(end) for end in np.nanpercentile(resampled, [tail, 100 - tail]))
    return MetricValue(spec.name, float(value), spec.recipe, count, count, ci_low=low, ci_high=high)
