"""Statistics over seeds and datasets, based on scipy.

Methods are compared as recommended by Demsar 2006, "Statistical comparisons of classifiers over
multiple data sets", JMLR 7: Wilcoxon's signed-rank test for two, Friedman's test and Nemenyi's
critical difference for more.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cache, lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from benchbed.report.significance import SIGNIFICANCE_LEVEL

_MAX_EXACT_TIES = 13
"""Up to this size the test with ties is exact, as in scipy."""


def compute_signed_rank_p(differences: Sequence[float]) -> float:
    """Return the two-sided p of Wilcoxon's signed-rank test; exact, except for many tied values.

    Args:
        differences: One value per pair; zeros are dropped, as by Wilcoxon.
    """
    nonzero = np.array([d for d in differences if d])
    if not nonzero.size:
        return 1.0
    signed = np.sign(nonzero) * stats.rankdata(abs(nonzero))
    # Sorted for the cache: many pairs of methods have the same ranks.
    return _compute_rank_pattern_p(tuple(sorted(map(float, signed))))


@lru_cache(maxsize=2**14)
def _compute_rank_pattern_p(ranks: tuple[float, ...]) -> float:
    has_ties = len(set(map(abs, ranks))) < len(ranks)
    if not has_ties or len(ranks) > _MAX_EXACT_TIES:
        return float(stats.wilcoxon(ranks).pvalue)
    # The permutation test is the same exact test; scipy's own exact method takes seconds.
    result = stats.permutation_test(
        (np.array(ranks),), np.sum, permutation_type="samples", vectorized=True,
        n_resamples=np.inf,
    )  # fmt: skip
    return float(result.pvalue)


def compute_mean_ranks(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return each method's rank averaged over datasets; 1 is best, ties share the mean rank.

    Args:
        scores: (datasets, methods), larger is better.

    Returns:
        (methods,).
    """
    ranks: NDArray[np.float64] = stats.rankdata(-scores, axis=1).mean(axis=0)
    return ranks


def compute_friedman_p(scores: NDArray[np.float64]) -> float:
    """Return the p of Friedman's test that all methods rank equally.

    Args:
        scores: (datasets, methods), three or more methods.
    """
    if bool((scores == scores[:, :1]).all()):
        return 1.0
    return float(stats.friedmanchisquare(*scores.T).pvalue)


def compute_critical_difference(methods: int, datasets: int) -> float:
    """Return Nemenyi's critical difference of mean ranks at the level (Demsar 2006, 3.2.2)."""
    return _compute_quantile(methods) * math.sqrt(methods * (methods + 1) / (6 * datasets))


@cache
def _compute_quantile(methods: int) -> float:
    return float(
        stats.studentized_range.ppf(1 - SIGNIFICANCE_LEVEL, methods, np.inf) / math.sqrt(2)
    )


def count_required_datasets(methods: int) -> int:
    """Return the number of datasets from which the best and worst method can differ."""
    for_one_dataset = compute_critical_difference(methods, 1)
    nemenyi = math.ceil((for_one_dataset / (methods - 1)) ** 2)
    # If every dataset ranks the methods equally, Friedman's statistic is N (k - 1).
    friedman_count = math.ceil(stats.chi2.isf(SIGNIFICANCE_LEVEL, methods - 1) / (methods - 1))
    return int(max(nemenyi, friedman_count, 2))


def find_rank_groups(ranks: Sequence[float], critical: float) -> list[tuple[int, ...]]:
    """Return the largest sets of adjacent ranks within the critical difference.

    Args:
        ranks: Mean ranks, ascending.
        critical: The critical difference.

    Returns:
        Sets of two or more indices into `ranks`.
    """
    groups: list[tuple[int, ...]] = []
    for first, lowest in enumerate(ranks):
        close = [i for i in range(first, len(ranks)) if ranks[i] - lowest < critical]
        if len(close) > 1 and (not groups or close[-1] > groups[-1][-1]):
            groups.append(tuple(close))
    return groups
