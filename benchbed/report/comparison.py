"""What a comparison of methods over several data sets found: plain data.

`statistics.py` computes the parts, `compare.py` puts them together from the frame.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from benchbed.api.specs import MetricSpec


@dataclass(frozen=True)
class Pair:
    """Two methods over the (data set, seed) pairs that both have.

    Attributes:
        first: Label of one.
        second: Label of the other.
        count: (Data set, seed) pairs that both have.
        wins: How many of them the first wins; ties are no wins.
        losses: How many the second wins.
        difference: Mean over them of the first's value less the second's, in the metric's units.
        interval: 95 % interval of that mean, by bootstrap over them; None where there are fewer
            than three.
        p: Wilcoxon's signed-rank p, two-sided, corrected by Holm over all pairs of the metric;
            None where there are too few (data set, seed) pairs for any p of 0.05.
    """

    first: str
    second: str
    count: int
    wins: int
    losses: int
    difference: float
    interval: tuple[float, float] | None
    p: float | None

    def turned(self) -> Pair:
        """The same, with the second method first."""
        ends = None if self.interval is None else (-self.interval[1], -self.interval[0])
        return Pair(
            self.second, self.first, self.count, self.losses, self.wins, -self.difference, ends,
            self.p,
        )  # fmt: skip


@dataclass(frozen=True)
class Rank:
    """A method's place among the methods.

    Attributes:
        label: The method.
        mean: Its rank averaged over the data sets; 1 is best, equals share the mean rank.
        best: Whether no other mean rank is smaller.
        tied: Whether it is not the best, and cannot be told from it.
    """

    label: str
    mean: float
    best: bool
    tied: bool


@dataclass(frozen=True)
class MetricComparison:
    """All methods by one metric.

    Attributes:
        metric: The metric; it has a direction.
        datasets: The data sets that every method here has a value on.
        ranks: The methods, best first.
        friedman: p of Friedman's test that all methods rank alike; None where there are fewer than
            three methods or two data sets, or too many methods to compare each with each.
        critical: Nemenyi's critical difference of mean ranks at 5 %; None as `friedman`.
        groups: Largest sets of methods that cannot be told apart, best first, as labels.
        pairs: Every two methods, in the order of `ranks`; none where the methods are too many.
        warnings: Why the numbers say little, each a sentence.
    """

    metric: MetricSpec
    datasets: tuple[str, ...]
    ranks: tuple[Rank, ...]
    friedman: float | None
    critical: float | None
    groups: tuple[tuple[str, ...], ...]
    pairs: tuple[Pair, ...]
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class Comparison:
    """Methods over all data sets of one source, under equal conditions.

    Attributes:
        title: Source, size, budget.
        name: For file names: the board's name and a part that tells it from the board's others.
        shared: What all data sets share: ``source``, ``preset``, ``size`` and so on.
        datasets: Every data set that takes part, by name.
        metrics: One comparison a metric, in the order of the tables' columns.
        warnings: What holds for all of its metrics, each a sentence.
    """

    title: str
    name: str
    shared: Mapping[str, Any]
    datasets: tuple[str, ...]
    metrics: tuple[MetricComparison, ...]
    warnings: tuple[str, ...] = ()

    @property
    def paired(self) -> bool:
        """Whether it tells of pairs of methods: of very many it does not."""
        return any(part.pairs for part in self.metrics)

    @property
    def picture(self) -> str:
        """File name of the critical-difference picture; empty where there is nothing to draw."""
        return f"{self.name}.svg" if any(m.critical is not None for m in self.metrics) else ""
