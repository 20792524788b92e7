"""Statistics over seeds and datasets, based on scipy.

Methods are compared as recommended by Demsar 2006, "Statistical comparisons of classifiers over
multiple data sets", JMLR 7: Wilcoxon's signed-rank test for two, Friedman's test and Nemenyi's
critical difference for more. The unit is the dataset: seeds are averaged first.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cache, lru_cache
from itertools import permutations
from statistics import fmean, stdev

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from benchbed.report.significance import MIN_T_VALUES, SIGNIFICANCE_LEVEL

_MAX_EXACT_TIES = 13
"""Up to this size the test with ties is exact, as in scipy."""

_MAX_RANK_SUMS = 10**5
"""Up to this number of rank sums Friedman's test counts all permutations."""

_PERMUTATIONS = 9999
"""Number of random permutations if there are too many to count."""


def compute_t_interval(
    values: Sequence[float], bounds: tuple[float | None, float | None] = (None, None)
) -> tuple[float, float] | None:
    """Return the 95 % t interval of a mean (Student 1908); None below three values.

    Args:
        values: Independent values: one per seed, or one per dataset.
        bounds: Smallest and largest possible value, to which the ends are clipped; None if there
            is none.
    """
    if len(values) < MIN_T_VALUES:
        return None
    mean = fmean(values)
    half = float(stats.t.ppf(0.975, len(values) - 1)) * stdev(values) / math.sqrt(len(values))
    low, high = bounds
    return (
        mean - half if low is None else max(low, mean - half),
        mean + half if high is None else min(high, mean + half),
    )


def compute_welch_p(first: Sequence[float], second: Sequence[float]) -> float:
    """Return the two-sided p of Welch's t-test (1947) that two methods have one mean over seeds.

    Seeds are not paired: a seed of one method has nothing in common with that of another.

    Args:
        first: Two or more values.
        second: Two or more values.
    """
    if stdev(first) == stdev(second) == 0:
        return 1.0 if first[0] == second[0] else 0.0
    moments = [part for v in (first, second) for part in (fmean(v), stdev(v), len(v))]
    return float(stats.ttest_ind_from_stats(*moments, equal_var=False).pvalue)


def compute_signed_rank_p(differences: Sequence[float]) -> float:
    """Return the two-sided p of Wilcoxon's signed-rank test; exact, except for many tied values.

    Args:
        differences: One value per dataset; zeros are dropped, as by Wilcoxon.
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
    """Return the p of Friedman's test (1937) that all methods rank equally, by permutation.

    Ranks are permuted within every dataset: all permutations if there are few, else 9,999 random
    ones of a fixed seed. The chi-squared approximation is poor below ten datasets.

    Args:
        scores: (datasets, methods), three or more methods.
    """
    ranks = stats.rankdata(scores, axis=1)
    observed = _compute_rank_spread(ranks.sum(axis=0))
    if (distribution := _count_rank_sums(ranks)) is not None:
        sums, shares = distribution
        return float(shares[_compute_rank_spread(sums) >= observed].sum())
    rng = np.random.default_rng(0)
    sums = np.zeros((_PERMUTATIONS, ranks.shape[1]))
    for row in ranks:
        sums += rng.permuted(np.tile(row, (_PERMUTATIONS, 1)), axis=1)
    extreme = int((_compute_rank_spread(sums) >= observed).sum())
    return (1 + extreme) / (1 + _PERMUTATIONS)


def _count_rank_sums(
    ranks: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.float64]] | None:
    """Return every set of rank sums with its share of all permutations; None if there are many.

    Sums are sorted: which method has which does not matter, so equal sets are counted together.
    """
    methods = ranks.shape[1]
    sums, shares = np.sort(ranks[:1]), np.ones(1)
    for row in ranks[1:]:
        if len(sums) * math.factorial(methods) > _MAX_RANK_SUMS:
            return None
        orders = np.array(list(permutations(row)))
        grown = np.sort((sums[:, None] + orders).reshape(-1, methods), axis=1)
        sums, places = np.unique(grown, axis=0, return_inverse=True)
        shares = np.bincount(places.ravel(), np.repeat(shares, len(orders))) / len(orders)
    return sums, shares


def _compute_rank_spread(sums: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the part of Friedman's statistic that permutations change; exact for half ranks."""
    spread: NDArray[np.float64] = (sums**2).sum(axis=-1)
    return spread


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
    # If every dataset ranks the methods equally, Friedman's p is (1 / k!)**(N - 1).
    friedman = 1 + math.ceil(-math.log(SIGNIFICANCE_LEVEL) / math.log(math.factorial(methods)))
    return max(nemenyi, friedman)


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
