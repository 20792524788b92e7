"""Precision, recall, density and coverage of features."""

from __future__ import annotations

import hashlib
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from benchbed.api.metric import MetricInputs, MetricTerms
from benchbed.metrics.distances import SquaredDistances

Float = npt.NDArray[np.float64]

NEIGHBOUR_COUNT = 5
"""k of the nearest neighbours (Naeem et al. 2020, section 4.2)."""

_CACHE_SIZE = 8
"""Pairs of sets whose measures are cached: the scored ones and those of the baseline."""

_cache: dict[str, ManifoldMeasures] = {}


class ManifoldMeasures(NamedTuple):
    """Precision, recall, density and coverage of two feature sets; each is the mean of its terms.

    Attributes:
        precision: 1 for a fake inside the ball of some real image, else 0; ``(m,)``.
        recall: 1 for a real image inside the ball of some fake, else 0; ``(n,)``.
        density: Number of open real balls that contain a fake, divided by k; ``(m,)``. Mean 1 for
            equal sets and for equal distributions.
        coverage: 1 for a real ball that contains a fake, else 0; ``(n,)``.
    """

    precision: MetricTerms
    recall: MetricTerms
    density: MetricTerms
    coverage: MetricTerms


def measure_manifold(
    real: npt.NDArray[np.floating],
    fake: npt.NDArray[np.floating],
    neighbours: int = NEIGHBOUR_COUNT,
) -> ManifoldMeasures:
    """Compute precision, recall, density and coverage.

    Precision and recall after Kynkaanniemi et al. 2019, "Improved precision and recall metric for
    assessing generative models", eq. 1 and 2; density and coverage after Naeem et al. 2020,
    "Reliable fidelity and diversity metrics for generative models", eq. 3 and 4. The ball
    around a point reaches to its k-th nearest neighbour in its own set, excluding itself. It is
    closed, except for density, whose authors' code leaves the surface out: with it, each point of
    two equal sets would be in k + 1 balls.

    Args:
        real: Features ``(n, d)``.
        fake: Features ``(m, d)``.
        neighbours: k.

    Raises:
        ValueError: A set has no more than k rows.
    """
    if min(len(real), len(fake)) <= neighbours:
        raise ValueError(
            f"{len(real)} and {len(fake)} images are too few for k = {neighbours} neighbours."
        )
    # k + 1, since the nearest is the point itself.
    real_radii, fake_radii = (
        SquaredDistances(side).find_kth_smallest(neighbours + 1) for side in (real, fake)
    )
    around_fake = np.zeros(len(fake), dtype=np.int64)
    precise = np.zeros(len(fake), dtype=bool)
    recalled = np.zeros(len(real), dtype=bool)
    covered = np.zeros(len(real), dtype=bool)
    for tile in SquaredDistances(real, fake).iter_tiles():
        rows, columns = tile.rows, tile.columns
        in_real_ball = tile.find_within(real_radii[rows, None])
        around_fake[columns] += tile.find_within(real_radii[rows, None], closed=False).sum(0)
        precise[columns] |= in_real_ball.any(0)
        covered[rows] |= in_real_ball.any(1)
        recalled[rows] |= tile.find_within(fake_radii[None, columns]).any(1)
    return ManifoldMeasures(
        precision=precise.astype(np.float64),
        recall=recalled.astype(np.float64),
        density=around_fake / neighbours,
        coverage=covered.astype(np.float64),
    )


def prdc(inputs: MetricInputs, *, measure: str, extractor: str) -> MetricTerms:
    """Compute one measure of `ManifoldMeasures`; all four are computed at once and cached."""
    real, fake = (inputs.features(extractor, side) for side in (inputs.real, inputs.fake))
    digest = hashlib.sha256(np.ascontiguousarray(real).data)
    digest.update(np.ascontiguousarray(fake).data)
    key = f"{digest.hexdigest()}-{real.shape}-{fake.shape}"
    if key not in _cache:
        while len(_cache) >= _CACHE_SIZE:
            del _cache[next(iter(_cache))]
        _cache[key] = measure_manifold(real, fake)
    terms: MetricTerms = getattr(_cache[key], measure)
    return terms
