"""Metrics on two sets of images, each with its real-vs-real baseline."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from benchbed.api.metric import (
    Features,
    ImageSet,
    MetricFunction,
    MetricInputs,
    MetricValue,
    Unseen,
)
from benchbed.api.specs import MetricSpec
from benchbed.metrics.feature_cache import FeatureCache
from benchbed.metrics.floor_cache import Asked, kept_floor
from benchbed.metrics.interval import interval
from benchbed.registry import load

FLOOR_SEED = 7


def score(
    metrics: Sequence[MetricSpec],
    real: ImageSet,
    fake: ImageSet,
    features: Features,
    *,
    seed: int = 0,
    unseen: Unseen | None = None,
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
    parts = _parts(real, len(fake))
    values: list[MetricValue] = []
    for position, spec in enumerate(metrics):
        counted(f"scoring {spec.title}", position, len(metrics))
        function: MetricFunction = load(spec.implementation)
        tracked = Asked(features) if isinstance(features, FeatureCache) else features
        inputs = MetricInputs(real, fake, tracked, seed, unseen)
        values.append(_one(spec, function, inputs, parts))
    counted("scoring", len(metrics), len(metrics))
    return values


def _one(
    spec: MetricSpec,
    function: MetricFunction,
    inputs: MetricInputs,
    halves: tuple[ImageSet, ImageSet],
) -> MetricValue:
    n_real, n_fake, n_floor = len(inputs.real), len(inputs.fake), len(halves[0])
    reason = _refusal(spec, inputs)
    if reason:
        return MetricValue(spec.name, None, spec.recipe, n_real, n_fake, note=reason)
    measured = function(inputs)
    bounds = interval(measured, inputs.seed) if isinstance(measured, np.ndarray) else None
    floor = None
    # Metrics on held-out images compare with real images already.
    if n_floor >= spec.min_samples and not spec.held_out:
        floor = kept_floor(spec, function, MetricInputs(*halves, inputs.features, inputs.seed))
    return MetricValue(
        metric=spec.name,
        value=float(np.mean(measured)),
        recipe=spec.recipe,
        n_real=n_real,
        n_fake=n_fake,
        floor=floor,
        n_floor=n_floor if floor is not None else 0,
        low=bounds[0] if bounds else None,
        high=bounds[1] if bounds else None,
    )


def _refusal(spec: MetricSpec, inputs: MetricInputs) -> str:
    """Return why a metric cannot be computed from these images, or an empty string."""
    smallest = min(len(inputs.real), len(inputs.fake))
    if spec.held_out:
        if inputs.unseen is None:
            return "needs real images excluded from training, got none"
        smallest = min(smallest, len(inputs.unseen.held_out))
    if smallest < spec.min_samples:
        return f"needs at least {spec.min_samples} images per side, got {smallest}"
    return ""


def _parts(real: ImageSet, size: int) -> tuple[ImageSet, ImageSet]:
    count = min(size, len(real) // 2)
    order = np.random.default_rng(FLOOR_SEED).permutation(len(real))
    return real.subset(np.sort(order[:count])), real.subset(np.sort(order[count : 2 * count]))
