"""Data classes of a leaderboard: tables of equal protocol, with the values of a paper."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import groupby
from operator import itemgetter
from statistics import fmean, stdev
from typing import Any

from benchbed.api.specs import MetricSpec
from benchbed.report.model.paper_values import Verdict


@dataclass(frozen=True)
class MethodPair:
    """Two methods over the datasets that all have, by their means over seeds.

    Attributes:
        count: Number of datasets.
        wins: Number of datasets that the first wins; ties do not count.
        difference: Mean over datasets of first minus second, in the metric's units.
        interval: 95 % t interval of that mean; None for fewer than three datasets.
        p_value: Two-sided p of Wilcoxon's signed-rank test over datasets, Holm-corrected over all
            pairs of methods of the metric; None if so few datasets cannot reach 0.05.
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
        return replace(
            self, first=self.second, second=self.first, wins=self.losses, losses=self.wins,
            difference=-self.difference, interval=ends,
        )  # fmt: skip


@dataclass(frozen=True)
class MethodRank:
    """Rank of a method among the methods.

    Attributes:
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
        friedman_p: p of Friedman's permutation test that all methods rank equally; None below three
            methods or two datasets, or for too many methods.
        critical_difference: Nemenyi's critical difference of mean ranks at 5 %; None as
            `friedman_p`.
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
        name: File name without suffix, unique within the leaderboard.
        shared: Values that all datasets share: ``source``, ``preset``, ``size`` and so on.
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
        is_drawn = any(part.critical_difference is not None for part in self.metrics)
        return f"{self.name}.svg" if is_drawn else ""


@dataclass(frozen=True)
class BudgetCurve:
    """Values of one method: budget (kimg) and value of each run, by budget, then by seed."""

    label: str
    points: tuple[tuple[float, float], ...]

    @property
    def means(self) -> dict[float, float]:
        """Mean over seeds by budget, ascending."""
        runs_by_budget = groupby(self.points, key=itemgetter(0))
        return {kimg: fmean(value for _, value in runs) for kimg, runs in runs_by_budget}


@dataclass(frozen=True)
class BudgetPanel:
    """One metric on one dataset, with the curves of methods with two or more budgets, by label."""

    dataset: str
    metric: MetricSpec
    curves: tuple[BudgetCurve, ...]


@dataclass(frozen=True)
class BudgetFigure:
    """Metrics over the budget, for all datasets of one source."""

    title: str
    name: str
    panels: tuple[BudgetPanel, ...]

    @property
    def picture_file(self) -> str:
        """File name of the picture."""
        return f"{self.name}.svg"


@dataclass(frozen=True)
class Cell:
    """Values of one row and metric, with the paper's value.

    Attributes:
        values: Values by seed; empty if there are none.
        paper_value: The paper's value as printed, or None.
        verdict: The comparison with the paper's value, if both exist.
        is_best: Whether no other mean of the rows with all seeds is better.
        is_better_incomplete: Whether it is better than the best but has fewer seeds.
        note: Why there is no value.
        interval: 95 % interval over cases of the value of a single seed, if the metric has one.
        seed_interval: 95 % t interval of the mean over seeds; None below three seeds.
        is_tied: Whether it is not the best but not significantly worse; also False if there are too
            few seeds to test.
        marks: Marks of footnotes on the paper's value in this cell.
        seed_count: Number of seeds of its row.
        unusable_values: By seed, values that are not usable, such as infinity; shown but in no
            mean.
        superseded_values: By seed, values that are superseded; shown but in no mean.
        superseded_reasons: Why they are superseded, one sentence each.
        value_marks: Marks of footnotes on our values, with these reasons.
    """

    values: Mapping[int, float]
    paper_value: str | None = None
    verdict: Verdict | None = None
    is_best: bool = False
    note: str = ""
    interval: tuple[float, float] | None = None
    seed_interval: tuple[float, float] | None = None
    is_tied: bool = False
    marks: tuple[str, ...] = ()
    seed_count: int = 0
    unusable_values: Mapping[int, str] = field(default_factory=dict)
    superseded_values: Mapping[int, str] = field(default_factory=dict)
    superseded_reasons: tuple[str, ...] = ()
    value_marks: tuple[str, ...] = ()
    is_better_incomplete: bool = False

    @cached_property
    def mean(self) -> float | None:
        """Mean over seeds; fsum-based, so independent of their order."""
        return fmean(self.values.values()) if self.values else None

    @cached_property
    def sd(self) -> float | None:
        """Sample standard deviation over seeds; None below two seeds."""
        return stdev(self.values.values()) if len(self.values) > 1 else None


@dataclass(frozen=True)
class Row:
    """One method, or a line of the paper's table that no method here implements.

    Attributes:
        label: Name, with the settings that distinguish it within the table.
        method: Name of the method; empty for a published line.
        seeds: Finished seeds.
        diverged: Diverged seeds.
        import_note: Which runs were imported, as a sentence; empty if none.
        superseded_reasons: Why diverged runs of it are superseded, one sentence each.
        collapse_note: Which runs show signs of collapse, as a sentence; empty if none.
        marks: Marks of footnotes on the whole row.
    """

    label: str
    method: str
    seeds: tuple[int, ...]
    diverged: tuple[int, ...]
    runs: tuple[str, ...]
    cells: Mapping[str, Cell]
    import_note: str = ""
    superseded_reasons: tuple[str, ...] = ()
    collapse_note: str = ""
    marks: tuple[str, ...] = ()

    @property
    def is_published_only(self) -> bool:
        """Whether it has only the paper's values."""
        return not self.runs


@dataclass(frozen=True)
class Footnote:
    """A text that cells or rows refer to by its superscript mark: ``"a"``, ``"b"`` and so on."""

    mark: str
    text: str


@dataclass(frozen=True)
class Table:
    """Rows of one protocol.

    Attributes:
        protocol: Values that all rows share: ``dataset``, ``source``, ``size`` and so on.
        rows: Its rows, by label.
        baselines: Real-vs-real baseline by metric, with the images in each part.
        paper: The heading of the paper's column, or None.
        footnotes: Footnotes on cells and rows, in the order of their marks.
        warnings: Why the comparison of rows is limited, one sentence each.
    """

    title: str
    protocol: Mapping[str, Any]
    metrics: tuple[MetricSpec, ...]
    rows: tuple[Row, ...]
    seeds: tuple[int, ...]
    baselines: Mapping[str, tuple[float, int]]
    paper: str | None = None
    notes: tuple[str, ...] = ()
    footnotes: tuple[Footnote, ...] = ()
    warnings: tuple[str, ...] = ()

    @cached_property
    def printed_metrics(self) -> frozenset[str]:
        """Metrics for which the paper printed a value of some row."""
        cells = [(name, cell) for row in self.rows for name, cell in row.cells.items()]
        return frozenset(name for name, cell in cells if cell.paper_value is not None)


@dataclass(frozen=True)
class Leaderboard:
    """Tables on one page.

    name: File name without suffix.
    missing_rows: Rows of the paper without any run.
    comparisons: Methods compared over its datasets, one per source and budget.
    budgets: Metrics over the budget, one per source.
    """

    name: str
    title: str
    tables: tuple[Table, ...]
    notes: tuple[str, ...] = ()
    missing_rows: tuple[str, ...] = ()
    comparisons: tuple[MethodComparison, ...] = ()
    budgets: tuple[BudgetFigure, ...] = ()
