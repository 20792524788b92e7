"""Metrics on two sets of images, each with its real-vs-real baseline."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from benchbed.api.metric import (
    FeatureProvider,
    ImageSet,
    MetricFunction,
    MetricInputs,
    MetricValue,
    MemorisationSets,
)
from benchbed.api.specs import MetricSpec
from benchbed.metrics.feature_cache import FeatureCache
from benchbed.metrics.floor_cache import FeatureSpaceTracker, load_or_compute_baseline
from benchbed.metrics.interval import bootstrap_interval
from benchbed.registry import load_object

BASELINE_SEED = 7


def score_sets(
    metrics: Sequence[MetricSpec],
    real: ImageSet,
    fake: ImageSet,
    features: FeatureProvider,
    *,
    seed: int = 0,
    unseen: MemorisationSets | None = None,
    counted: Callable[[str, int, int], None] = lambda *_: None,
) -> list[MetricValue]:
    """Compute metrics between `real` and `fake`.

    The baseline is the same metric between two disjoint, seeded parts of the real images, each as
    large as the scored set if possible, else half of the real set. It is cached where features are.

    Args:
        metrics: What to compute.
        real: Reference images.
        fake: Scored images.
        features: Source of features.
        seed: Seed of the metrics.
        unseen: Training and held-out images, or None if none were held out.
        counted: Receives progress.
    """
    parts = _split_halves(real, len(fake))
    values: list[MetricValue] = []
    for position, spec in enumerate(metrics):
        counted(f"scoring {spec.title}", position, len(metrics))
        function: MetricFunction = load_object(spec.implementation)
        tracked = FeatureSpaceTracker(features) if isinstance(features, FeatureCache) else features
        inputs = MetricInputs(real, fake, tracked, seed, unseen)
        values.append(_score_metric(spec, function, inputs, parts))
    counted("scoring", len(metrics), len(metrics))
    return values


def _score_metric(
    spec: MetricSpec,
    function: MetricFunction,
    inputs: MetricInputs,
    halves: tuple[ImageSet, ImageSet],
) -> MetricValue:
    n_real, n_fake, n_floor = len(inputs.real), len(inputs.fake), len(halves[0])
    reason = _find_refusal_reason(spec, inputs)
    if reason:
        return MetricValue(spec.name, None, spec.recipe, n_real, n_fake, note=reason)
    measured = function(inputs)
    bounds = bootstrap_interval(measured, inputs.seed) if isinstance(measured, np.ndarray) else None
    floor = None
    # Metrics on held-out images compare with real images already.
    if n_floor >= spec.min_samples and not spec.needs_held_out:
        floor = load_or_compute_baseline(spec, function, MetricInputs(*halves, inputs.features, inputs.seed))
    return MetricValue(
        metric=spec.name,
        value=float(np.mean(measured)),
        recipe=spec.recipe,
        n_real=n_real,
        n_fake=n_fake,
        baseline=floor,
        n_baseline=n_floor if floor is not None else 0,
        ci_low=bounds[0] if bounds else None,
        ci_high=bounds[1] if bounds else None,
    )


def _find_refusal_reason(spec: MetricSpec, inputs: MetricInputs) -> str:
    """Return why a metric cannot be computed from these images, or an empty string."""
    smallest = min(len(inputs.real), len(inputs.fake))
    if spec.needs_held_out:
        if inputs.memorisation_sets is None:
            return "needs real images excluded from training, got none"
        smallest = min(smallest, len(inputs.memorisation_sets.held_out))
    if smallest < spec.min_samples:
        return f"needs at least {spec.min_samples} images per side, got {smallest}"
    return ""


def _split_halves(real: ImageSet, size: int) -> tuple[ImageSet, ImageSet]:
    count = min(size, len(real) // 2)
    order = np.random.default_rng(BASELINE_SEED).permutation(len(real))
    return real.subset(np.sort(order[:count])), real.subset(np.sort(order[count : 2 * count]))
