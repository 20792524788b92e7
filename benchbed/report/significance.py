"""Minimum numbers of seeds and datasets for intervals and tests.

Free of scipy, which is slow to import: most tables have too few seeds to need it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

SIGNIFICANCE_LEVEL = 0.05
"""A difference is significant if its p is at most this level."""

MIN_T_VALUES = 3
"""Fewest seeds or datasets for a t interval: over two it is 18 standard deviations wide."""

MIN_NEMENYI_DATASETS = 10
"""Minimum for the approximation of Nemenyi's critical difference (Demsar 2006, 3.2.2)."""


def compute_smallest_p(pairs: int, comparisons: int = 1) -> float:
    """Return the smallest Holm-corrected p that the exact signed-rank test can reach.

    Args:
        pairs: Number of differences; each sign pattern has probability 2**-pairs.
        comparisons: Number of tests in the correction.
    """
    return min(1.0, comparisons * 2.0 ** (1 - pairs))


def count_required_pairs(comparisons: int = 1) -> int:
    """Return the number of pairs with which the exact signed-rank test can reach the level."""
    return math.ceil(1 + math.log2(comparisons / SIGNIFICANCE_LEVEL))


def apply_holm(values: Sequence[float]) -> list[float]:
    """Return Holm-corrected p-values (Holm 1979, Scandinavian Journal of Statistics 6)."""
    corrected = [0.0] * len(values)
    lower_bound = 0.0
    for rank, index in enumerate(sorted(range(len(values)), key=lambda i: values[i])):
        lower_bound = max(lower_bound, min(1.0, (len(values) - rank) * values[index]))
        corrected[index] = lower_bound
    return corrected
