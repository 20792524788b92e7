"""Metrics on two sets of images, each with its real-vs-real baseline."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from scipy.stats import bootstrap

from benchbed.api.metric import (
    FeatureProvider,
    ImageSet,
    MemorisationSets,
    MetricFunction,
    MetricInputs,
    MetricTerms,
    MetricValue,
)
from benchbed.api.specs import MetricSpec
from benchbed.api.task import EvaluationContext
from benchbed.metrics.baseline import FeatureSpaceTracker, load_or_compute_baseline
from benchbed.metrics.features.cache import FeatureCache
from benchbed.registry.lookup import get_registry, load_object
from benchbed.tasks.pictures import draw_nearest_grid
from benchbed.utils.progress import Reporter


def resolve_available_metrics(
    metrics: tuple[MetricSpec, ...], reporter: Reporter
) -> tuple[MetricSpec, ...]:
    """Return the metrics, with fallbacks for those whose weights are unavailable."""
    chosen: list[MetricSpec] = []
    for spec in metrics:
        if spec.weights_check is None or load_object(spec.weights_check)():
            chosen.append(spec)
        elif spec.fallback_metric is not None:
            stand_in = get_registry().get_spec(MetricSpec, spec.fallback_metric)
            reporter.report_message(
                f"Weights of {spec.title} not found and not downloadable. Reporting "
                f"{stand_in.title} instead; it is not comparable with {spec.title}."
            )
            chosen.append(stand_in)
        else:
            reporter.report_message(
                f"Weights of {spec.title} not found and not downloadable. Skipping this metric."
            )
    return tuple(dict.fromkeys(chosen))


CONFIDENCE = 0.95


RESAMPLES = 2000


_CHUNK_VALUES = 2**22
"""Resampled values per batch."""


def bootstrap_interval(terms: MetricTerms, seed: int) -> tuple[float, float] | None:
    """Return the 95 % percentile interval of a mean (Efron 1979), from 2000 resamples.

    Only for metrics that are means over images or pairs. Resampled sets have duplicates, which
    increase distances between sets (FID, KID, SWD): the interval would exclude the value. Their
    variation is seen over seeds.

    Returns:
        Lower and upper end, or None for fewer than two terms.
    """
    if len(terms) < 2:
        return None
    if np.ptp(terms) == 0:
        return float(terms[0]), float(terms[0])
    result = bootstrap(
        (terms,),
        np.mean,
        confidence_level=CONFIDENCE,
        n_resamples=RESAMPLES,
        batch=max(1, _CHUNK_VALUES // len(terms)),
        method="percentile",
        rng=np.random.default_rng(seed),
    ).confidence_interval
    return float(result.low), float(result.high)


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
        floor = load_or_compute_baseline(
            spec, function, MetricInputs(*halves, inputs.features, inputs.seed)
        )
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


def score_generated_set(
    evaluation: EvaluationContext, fake: ImageSet, metrics: Sequence[MetricSpec]
) -> list[MetricValue]:
    """Score generated images against the reference split, and draw the nearest training images."""
    train = evaluation.real_images[evaluation.train_split]
    held_out = evaluation.held_out_split
    unseen = (
        MemorisationSets(train, evaluation.real_images[held_out]) if held_out is not None else None
    )
    evaluation.save_picture("nearest", draw_nearest_grid(fake, train, unseen))
    return score_sets(
        metrics,
        evaluation.real_images[evaluation.reference_split],
        fake,
        evaluation.feature_provider,
        seed=evaluation.seed,
        unseen=unseen,
        counted=evaluation.report_progress,
    )
