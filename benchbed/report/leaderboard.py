"""Data classes of a leaderboard: tables of equal protocol, with the values of a paper."""

from __future__ import annotations

import statistics
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from benchbed.api.specs import MetricSpec
from benchbed.report.budgets import BudgetFigure
from benchbed.report.comparison import MethodComparison
from benchbed.report.verdict import Verdict

MISSING_TEXT = "–"
"""Text of a cell without a value."""


@dataclass(frozen=True)
class Cell:
    """Values of one row and metric, with the paper's value.

    Attributes:
        values: Values by seed; empty if there are none.
        paper_value: The paper's value as printed, or None.
        verdict: The comparison with the paper's value, if both exist.
        is_best: Whether no other mean of the column is better.
        note: Why there is no value.
        interval: 95 % interval of the value of a single seed, if the metric has one.
        seed_interval: 95 % bootstrap interval of the mean over seeds; None below three seeds.
        is_tied: Whether it is not the best but not significantly worse; also False if there are too
            few seeds to test.
        marks: Marks of footnotes on the paper's value in this cell.
        seed_count: Number of seeds of its row.
        unusable_values: By seed, values that are not usable, such as infinity; shown but in no mean.
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

    @cached_property
    def mean(self) -> float | None:
        """Mean over seeds; fsum-based, so independent of their order."""
        return statistics.fmean(self.values.values()) if self.values else None

    @cached_property
    def sd(self) -> float | None:
        """Sample standard deviation over seeds; None below two seeds."""
        return statistics.stdev(self.values.values()) if len(self.values) > 1 else None


@dataclass(frozen=True)
class Row:
    """One method, or a line of the paper's table that no method here implements.

    Attributes:
        label: Name, with the settings that distinguish it within the table.
        method: Name of the method; empty for a published line.
        seeds: Finished seeds.
        diverged: Diverged seeds.
        runs: Ids of its runs.
        cells: Its cells by metric.
        import_note: Which runs were imported, as a sentence; empty if none.
        marks: Marks of footnotes on the whole row.
    """

    label: str
    method: str
    seeds: tuple[int, ...]
    diverged: tuple[int, ...]
    runs: tuple[str, ...]
    cells: Mapping[str, Cell]
    import_note: str = ""
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
        title: Dataset, source, size, budget.
        protocol: Values that all rows share: ``dataset``, ``source``, ``size`` and so on.
        metrics: Its columns.
        rows: Its rows, by label.
        seeds: All seeds of its rows.
        baselines: Real-vs-real baseline by metric, with the images in each part.
        paper: The heading of the paper's column, or None.
        notes: Notes under the table.
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
    title: Heading.
    tables: Its tables.
    notes: Notes on all tables.
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
