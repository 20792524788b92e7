"""Metrics on two sets of images, each with its real-versus-real floor."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from benchbed.api.metric import Features, ImageSet, MetricFunction, MetricInputs, MetricValue
from benchbed.api.specs import MetricSpec
from benchbed.registry import load

FLOOR_SEED = 7


def score(
    metrics: Sequence[MetricSpec],
    real: ImageSet,
    fake: ImageSet,
    features: Features,
    *,
    seed: int = 0,
    counted: Callable[[str, int, int], None] = lambda *_: None,
) -> list[MetricValue]:
    """Every metric between `real` and `fake`.

    The floor is the same metric between two disjoint, seeded parts of the real images, each as
    large as the scored set where there are enough, else half of what there is.

    Args:
        metrics: What to compute.
        real: The reference.
        fake: What is scored.
        features: Gives features of image sets.
        seed: Seed of what the metrics draw.
        counted: Told how far it is.
    """
    halves = _parts(real, len(fake))
    values: list[MetricValue] = []
    for position, spec in enumerate(metrics):
        counted(f"scoring {spec.title}", position, len(metrics))
        function: MetricFunction = load(spec.implementation)
        values.append(_one(spec, function, MetricInputs(real, fake, features, seed), halves))
    counted("scoring", len(metrics), len(metrics))
    return values


def _one(
    spec: MetricSpec,
    function: MetricFunction,
    inputs: MetricInputs,
    halves: tuple[ImageSet, ImageSet],
) -> MetricValue:
    n_real, n_fake, n_floor = len(inputs.real), len(inputs.fake), len(halves[0])
    fewest = min(n_real, n_fake)
    if fewest < spec.min_samples:
        note = f"needs {spec.min_samples} images a side, there were {fewest}"
        return MetricValue(spec.name, None, spec.recipe, n_real, n_fake, note=note)
    value = function(inputs)
    floor = None
    if n_floor >= spec.min_samples:
        floor = function(MetricInputs(*halves, inputs.features, inputs.seed))
    return MetricValue(
        spec.name, value, spec.recipe, n_real, n_fake, floor, n_floor if floor is not None else 0
    )


def _parts(real: ImageSet, wanted: int) -> tuple[ImageSet, ImageSet]:
    count = min(wanted, len(real) // 2)
    order = np.random.default_rng(FLOOR_SEED).permutation(len(real))
    return real.subset(np.sort(order[:count])), real.subset(np.sort(order[count : 2 * count]))
