"""Results of comparing methods over several datasets.

`statistics.py` computes the tests, `method_comparison.py` assembles them from the frame.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from benchbed.api.specs import MetricSpec


@dataclass(frozen=True)
class MethodPair:
    """Two methods over the (dataset, seed) pairs that both have.

    Attributes:
        first: Label of the first method.
        second: Label of the second.
        count: Number of (dataset, seed) pairs.
        wins: Number of pairs that the first wins; ties do not count.
        losses: Number of pairs that the second wins.
        difference: Mean over pairs of first minus second, in the metric's units.
        interval: 95 % bootstrap interval of that mean; None for fewer than three pairs.
        p_value: Two-sided p of Wilcoxon's signed-rank test, Holm-corrected over all pairs of methods of
            the metric; None if too few (dataset, seed) pairs could reach 0.05.
    """

    first: str
    second: str
    count: int
    wins: int
    losses: int
    difference: float
    interval: tuple[float, float] | None
    p_value: float | None

    def flip_order(self) -> MethodPair:
        """Return the pair in the opposite order."""
        ends = None if self.interval is None else (-self.interval[1], -self.interval[0])
        return MethodPair(
            self.second, self.first, self.count, self.losses, self.wins, -self.difference, ends,
            self.p_value,
        )  # fmt: skip


@dataclass(frozen=True)
class MethodRank:
    """Rank of a method among the methods.

    Attributes:
        label: Label of the method.
        mean: Its rank averaged over the datasets; 1 is best, ties share the mean rank.
        is_best: Whether no other mean rank is smaller.
        is_tied: Whether it is not the best, but not significantly worse.
    """

    label: str
    mean: float
    is_best: bool
    is_tied: bool


@dataclass(frozen=True)
class MetricComparison:
    """All methods compared by one metric.

    Attributes:
        metric: The metric; it has a direction.
        datasets: The datasets on which every method has a value.
        ranks: The methods, best first.
        friedman_p: p of Friedman's test that all methods rank equally; None below three methods or
            two datasets, or for too many methods.
        critical_difference: Nemenyi's critical difference of mean ranks at 5 %; None as `friedman_p`.
        groups: Largest sets of methods without significant differences, best first, as labels.
        pairs: Every two methods, in the order of `ranks`; empty for too many methods.
        warnings: Why the numbers may mislead, one sentence each.
    """

    metric: MetricSpec
    datasets: tuple[str, ...]
    ranks: tuple[MethodRank, ...]
    friedman_p: float | None
    critical_difference: float | None
    groups: tuple[tuple[str, ...], ...]
    pairs: tuple[MethodPair, ...]
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class MethodComparison:
    """Methods compared over all datasets of one source under equal conditions.

    Attributes:
        title: Source, size, budget.
        name: File name without suffix, unique within the leaderboard.
        shared: Values that all datasets share: ``source``, ``preset``, ``size`` and so on.
        datasets: Names of the datasets.
        metrics: One comparison per metric, in the order of the tables' columns.
        warnings: What applies to all metrics, one sentence each.
    """

    title: str
    name: str
    shared: Mapping[str, Any]
    datasets: tuple[str, ...]
    metrics: tuple[MetricComparison, ...]
    warnings: tuple[str, ...] = ()

    @property
    def has_pairs(self) -> bool:
        """Whether methods were compared in pairs, which is not done for many methods."""
        return any(part.pairs for part in self.metrics)

    @property
    def picture_file(self) -> str:
        """File name of the critical-difference picture; empty if there is nothing to draw."""
        return f"{self.name}.svg" if any(m.critical_difference is not None for m in self.metrics) else ""
