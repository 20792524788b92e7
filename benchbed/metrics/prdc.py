"""Precision, recall, density and coverage in two feature spaces, under two sets of names."""

from __future__ import annotations

import hashlib
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from benchbed.api.metric import MetricInputs, Terms
from benchbed.metrics.distances import Distances

Float = npt.NDArray[np.float64]

NEIGHBOURS = 5
"""k of the nearest neighbours (Naeem et al. 2020, section 4.2)."""

_KEPT = 8
"""Pairs of sets whose measures are kept: the scored ones and those of the floor."""

_known: dict[str, Manifold] = {}


class Manifold(NamedTuple):
    """How two sets of features cover each other; each measure is the mean of its terms.

    Attributes:
        precision: 1 for a fake inside a ball around some real one, else 0; ``(m,)``.
        recall: 1 for a real one inside a ball around some fake one, else 0; ``(n,)``.
        density: Number of real balls around a fake, divided by k; ``(m,)``. Its mean is 1 where
            the sets agree.
        coverage: 1 for a real ball that holds a fake, else 0; ``(n,)``.
    """

    precision: Terms
    recall: Terms
    density: Terms
    coverage: Terms


def manifold(
    real: npt.NDArray[np.floating], fake: npt.NDArray[np.floating], neighbours: int = NEIGHBOURS
) -> Manifold:
    """Precision, recall, density and coverage.

    Precision and recall after Kynkaanniemi et al. 2019, "Improved precision and recall metric for
    assessing generative models", eq. 1 and 2; density and coverage after Naeem et al. 2020,
    "Reliable fidelity and diversity metrics for generative models", eq. 3 and 4. The ball around
    a point reaches to its k-th nearest neighbour in its own set, itself not counted, and holds
    its surface.

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
    # The nearest of all is the point itself.
    real_radii, fake_radii = (Distances(side).smallest(neighbours + 1) for side in (real, fake))
    around_fake = np.zeros(len(fake), dtype=np.int64)
    recalled = np.zeros(len(real), dtype=bool)
    covered = np.zeros(len(real), dtype=bool)
    for tile in Distances(real, fake).tiles():
        rows, columns = tile.rows, tile.columns
        in_real_ball = tile.within(real_radii[rows, None])
        around_fake[columns] += in_real_ball.sum(0)
        covered[rows] |= in_real_ball.any(1)
        recalled[rows] |= tile.within(fake_radii[None, columns]).any(1)
    return Manifold(
        precision=(around_fake > 0).astype(np.float64),
        recall=recalled.astype(np.float64),
        density=around_fake / neighbours,
        coverage=covered.astype(np.float64),
    )


def _manifold(extractor: str, inputs: MetricInputs) -> Manifold:
    """All four measures; they are asked for one by one, and computed once."""
    real, fake = (inputs.features(extractor, side) for side in (inputs.real, inputs.fake))
    digest = hashlib.sha256(np.ascontiguousarray(real).data)
    digest.update(np.ascontiguousarray(fake).data)
    key = f"{digest.hexdigest()}-{real.shape}-{fake.shape}"
    if key not in _known:
        while len(_known) >= _KEPT:
            del _known[next(iter(_known))]
        _known[key] = manifold(real, fake)
    return _known[key]


def precision(inputs: MetricInputs) -> Terms:
    """Precision in Inception's features."""
    return _manifold("inception", inputs).precision


def recall(inputs: MetricInputs) -> Terms:
    """Recall in Inception's features."""
    return _manifold("inception", inputs).recall


def density(inputs: MetricInputs) -> Terms:
    """Density in Inception's features."""
    return _manifold("inception", inputs).density


def coverage(inputs: MetricInputs) -> Terms:
    """Coverage in Inception's features."""
    return _manifold("inception", inputs).coverage


def precision_random(inputs: MetricInputs) -> Terms:
    """Precision in the features of an untrained network."""
    return _manifold("random", inputs).precision


def recall_random(inputs: MetricInputs) -> Terms:
    """Recall in the features of an untrained network."""
    return _manifold("random", inputs).recall


def density_random(inputs: MetricInputs) -> Terms:
    """Density in the features of an untrained network."""
    return _manifold("random", inputs).density


def coverage_random(inputs: MetricInputs) -> Terms:
    """Coverage in the features of an untrained network."""
    return _manifold("random", inputs).coverage
