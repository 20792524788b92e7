"""Statistics over seeds and data sets, by scipy; pure functions of numbers.

Methods are compared as Demsar 2006, "Statistical comparisons of classifiers over multiple data
sets", JMLR 7, recommends: Wilcoxon's signed-rank test for two, Friedman's test and Nemenyi's
critical difference for more.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cache, lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from benchbed.report.limits import BOOTSTRAP_SEEDS, LEVEL

_RESAMPLES = 9999

_AT_ONCE = 20_000_000
"""Numbers that are drawn at a time: what fits into memory however many seeds there are."""


def bootstrap_intervals(values: NDArray[np.float64]) -> list[tuple[float, float]]:
    """95 % percentile intervals of means over seeds.

    Args:
        values: (metrics, seeds), three seeds or more.

    Raises:
        ValueError: There are fewer seeds.
    """
    if values.shape[1] < BOOTSTRAP_SEEDS:
        raise ValueError(f"a bootstrap interval needs at least {BOOTSTRAP_SEEDS} seeds")
    found = stats.bootstrap(
        (values,), np.mean, axis=-1, vectorized=True, method="percentile",
        n_resamples=_RESAMPLES, random_state=np.random.default_rng(0),
        batch=max(1, min(_RESAMPLES, _AT_ONCE // values.size)),
    ).confidence_interval  # fmt: skip
    return [(float(low), float(high)) for low, high in zip(found.low, found.high, strict=True)]


def signed_rank(differences: Sequence[float]) -> float:
    """Two-sided p of Wilcoxon's signed-rank test; exact, but for equal sizes among many values.

    Args:
        differences: One value a pair; zeros are dropped, as Wilcoxon does.
    """
    kept = np.array([d for d in differences if d])
    if not kept.size:
        return 1.0
    signed = np.sign(kept) * stats.rankdata(abs(kept))
    # In whatever order they stand: many pairs of methods have the same.
    return _signed_rank(tuple(sorted(map(float, signed))))


@lru_cache(maxsize=2**14)
def _signed_rank(ranks: tuple[float, ...]) -> float:
    """The test of differences that have these ranks in size, each with its sign."""
    equal = len(set(map(abs, ranks))) < len(ranks)
    if not equal or len(ranks) > _EXACT_WITH_EQUALS:
        return float(stats.wilcoxon(ranks).pvalue)
    # The same test over every pattern of signs; scipy's own way to it takes seconds.
    found = stats.permutation_test(
        (np.array(ranks),), _total, permutation_type="samples", vectorized=True,
        n_resamples=np.inf,
    )  # fmt: skip
    return float(found.pvalue)


_EXACT_WITH_EQUALS = 13
"""Up to here all patterns of signs are gone through where sizes are equal, as scipy does."""


def _total(values: NDArray[np.float64], axis: int) -> NDArray[np.float64]:
    total: NDArray[np.float64] = values.sum(axis=axis)
    return total


def mean_ranks(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """Each method's rank averaged over data sets; 1 is best, equals share the mean rank.

    Args:
        scores: (data sets, methods), larger is better.

    Returns:
        (methods,).
    """
    ranks: NDArray[np.float64] = stats.rankdata(-scores, axis=1).mean(axis=0)
    return ranks


def friedman(scores: NDArray[np.float64]) -> float:
    """P of Friedman's test that all methods rank alike.

    Args:
        scores: (data sets, methods), three methods or more.
    """
    if bool((scores == scores[:, :1]).all()):
        return 1.0
    return float(stats.friedmanchisquare(*scores.T).pvalue)


def critical_difference(methods: int, datasets: int) -> float:
    """Nemenyi's critical difference of mean ranks at `LEVEL` (Demsar 2006, 3.2.2).

    Args:
        methods: How many are compared.
        datasets: How many the ranks are averaged over.
    """
    return _quantile(methods) * math.sqrt(methods * (methods + 1) / (6 * datasets))


@cache
def _quantile(methods: int) -> float:
    return float(stats.studentized_range.ppf(1 - LEVEL, methods, np.inf) / math.sqrt(2))


def datasets_needed(methods: int) -> int:
    """From how many data sets on the first and the last of the methods can be told apart.

    Args:
        methods: How many are compared.
    """
    one = critical_difference(methods, 1)
    nemenyi = math.ceil((one / (methods - 1)) ** 2)
    # Where every data set ranks the methods alike, Friedman's statistic is N (k - 1).
    chi = math.ceil(stats.chi2.isf(LEVEL, methods - 1) / (methods - 1))
    return int(max(nemenyi, chi, 2))


def groups(ranks: Sequence[float], critical: float) -> list[tuple[int, ...]]:
    """The largest sets of neighbours in rank that differ by less than the critical difference.

    Args:
        ranks: Mean ranks, ascending.
        critical: The critical difference.

    Returns:
        Sets of two and more, as places in `ranks`.
    """
    found: list[tuple[int, ...]] = []
    for first, least in enumerate(ranks):
        near = [i for i in range(first, len(ranks)) if ranks[i] - least < critical]
        if len(near) > 1 and (not found or near[-1] > found[-1][-1]):
            found.append(tuple(near))
    return found
