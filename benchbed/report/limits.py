"""From how many seeds and data sets on a test can say anything.

Without scipy, which takes long to load: most tables have too few seeds for it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

LEVEL = 0.05
"""A difference counts where its p is no larger."""

BOOTSTRAP_SEEDS = 3
"""Fewer seeds have too few different resamples for an interval."""

FRIEDMAN_DATASETS = 10
"""From here on the chi-squared distribution serves Friedman's statistic (Demsar 2006, 3.2.2)."""


def smallest_p(pairs: int, comparisons: int = 1) -> float:
    """The least p that the exact signed-rank test can give, corrected by Holm.

    Args:
        pairs: Number of differences; each sign pattern has the probability 2**-pairs.
        comparisons: How many tests the correction counts.
    """
    return min(1.0, comparisons * 2.0 ** (1 - pairs))


def pairs_needed(comparisons: int = 1) -> int:
    """From how many pairs on the exact signed-rank test can reach `LEVEL`.

    Args:
        comparisons: How many tests the correction counts.
    """
    return math.ceil(1 + math.log2(comparisons / LEVEL))


def holm(values: Sequence[float]) -> list[float]:
    """p-values corrected for their number (Holm 1979, Scandinavian Journal of Statistics 6)."""
    corrected = [0.0] * len(values)
    least = 0.0
    for done, place in enumerate(sorted(range(len(values)), key=lambda i: values[i])):
        least = max(least, min(1.0, (len(values) - done) * values[place]))
        corrected[place] = least
    return corrected
