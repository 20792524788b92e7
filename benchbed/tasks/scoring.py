"""Compute metrics, with a real-vs-real baseline for sets of images."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np

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
from benchbed.metrics.bootstrap import bootstrap_interval
from benchbed.metrics.features.cache import FeatureCache
from benchbed.registry.lookup import get_registry, load_object
from benchbed.tasks.pictures import draw_nearest_grid
from benchbed.utils.progress import ProgressCallback, Reporter, ignore_progress


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


def score_each(
    metrics: Sequence[MetricSpec],
    score: Callable[[MetricSpec, Callable[..., Any]], MetricValue],
    progress: ProgressCallback,
) -> list[MetricValue]:
    """Call `score` with each metric and its function, whose parameters are set."""
    values: list[MetricValue] = []
    for position, spec in enumerate(metrics):
        progress(f"scoring {spec.title}", position, len(metrics))
        values.append(score(spec, partial(load_object(spec.implementation), **spec.parameters)))
    progress("scoring", len(metrics), len(metrics))
    return values


def summarize_terms(
    spec: MetricSpec, terms: float | MetricTerms, seed: int, n_real: int, n_fake: int
) -> MetricValue:
    """Return the mean of a metric's terms, with its interval from 2000 resamples.

    Only means over images or pairs have an interval. Resampled sets have duplicates, which
    increase distances between sets (FID, KID, SWD): the interval would exclude the value. Their
    variation is seen over seeds.
    """
    low = high = None
    if isinstance(terms, np.ndarray):
        low, high = bootstrap_interval(terms, resamples=2000, seed=seed) or (None, None)
    value = float(np.mean(terms))
    return MetricValue(spec.name, value, spec.recipe, n_real, n_fake, ci_low=low, ci_high=high)


BASELINE_SEED = 7


def score_sets(
    metrics: Sequence[MetricSpec],
    real: ImageSet,
    fake: ImageSet,
    features: FeatureProvider,
    *,
    seed: int = 0,
    unseen: MemorisationSets | None = None,
    progress: ProgressCallback = ignore_progress,
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
        progress: Receives progress.
    """
    halves = _split_halves(real, len(fake))

    def score(spec: MetricSpec, function: MetricFunction) -> MetricValue:
        tracked = FeatureSpaceTracker(features) if isinstance(features, FeatureCache) else features
        return _score_metric(
            spec, function, MetricInputs(real, fake, tracked, seed, unseen), halves
        )

    return score_each(metrics, score, progress)


def _score_metric(
    spec: MetricSpec,
    function: MetricFunction,
    inputs: MetricInputs,
    halves: tuple[ImageSet, ImageSet],
) -> MetricValue:
    n_real, n_fake, n_half = len(inputs.real), len(inputs.fake), len(halves[0])
    unseen = inputs.memorisation_sets
    counts = SampleCounts(n_real, n_fake, None if unseen is None else len(unseen.held_out))
    if reason := counts.find_refusal_reason(spec):
        return MetricValue(spec.name, None, spec.recipe, n_real, n_fake, note=reason)
    value = summarize_terms(spec, function(inputs), inputs.seed, n_real, n_fake)
    value = replace(value, note=counts.find_caveat(spec))
    # Metrics on held-out images compare with real images already.
    if n_half < spec.min_samples or spec.needs_held_out:
        return value
    real_inputs = MetricInputs(*halves, inputs.features, inputs.seed)
    baseline = load_or_compute_baseline(spec, function, real_inputs)
    return replace(value, baseline=baseline, n_baseline=n_half)


@dataclass(frozen=True)
class SampleCounts:
    """Numbers of cases that a metric can use.

    Attributes:
        real: Reference cases.
        fake: Scored cases.
        held_out: Real cases that were held out of training, or None if there are none.
    """

    real: int
    fake: int
    held_out: int | None = None

    def find_refusal_reason(self, spec: MetricSpec) -> str:
        """Return why a metric cannot be computed, or an empty string."""
        if spec.needs_held_out and self.held_out is None:
            return "needs real images excluded from training, got none"
        smallest = self._find_smallest(spec)
        if smallest < spec.min_samples:
            return f"needs at least {spec.min_samples} {spec.input_kind} per side, got {smallest}"
        return ""

    def find_caveat(self, spec: MetricSpec) -> str:
        """Return what too few cases do to a value, or an empty string."""
        smallest = self._find_smallest(spec)
        if smallest >= spec.recommended_samples:
            return ""
        return (
            f"{spec.small_sample_effect}; {spec.recommended_samples} {spec.input_kind} per side "
            f"are recommended, got {smallest}"
        )

    def _find_smallest(self, spec: MetricSpec) -> int:
        sides = [self.real, self.fake]
        if spec.needs_held_out and self.held_out is not None:
            sides.append(self.held_out)
        return min(sides)


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
        progress=evaluation.report_progress,
    )
