"""What a leaderboard is: tables of equal protocol, ours beside the paper's. Plain data."""

from __future__ import annotations

import statistics
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from benchbed.api.specs import MetricSpec
from benchbed.report.budgets import Budgets
from benchbed.report.comparison import Comparison
from benchbed.report.verdict import Verdict

MISSING = "–"
"""What stands in a cell without a value."""


@dataclass(frozen=True)
class Cell:
    """One number of ours, with the paper's beside it.

    Attributes:
        values: Our values by seed; empty where there is none.
        printed: The paper's value as printed, or None.
        verdict: What may be concluded, where both are there.
        best: Whether no other mean of the column is better.
        note: Why there is no value.
        interval: The 95 % interval of the one value that there is, where the metric has one; over
            several seeds the standard deviation says more.
        seed_interval: The 95 % bootstrap interval of the mean over seeds; None below three seeds.
        tied: Whether it is not the best and cannot be told from the best of its column; False also
            where there are too few seeds to tell anything.
        marks: Marks of the table's footnotes that belong to the paper's value in this very cell.
        of: How many seeds its row has.
        lost: By seed, what was measured and is no number to compute with, such as infinity; it is
            shown, and in no mean.
    """

    values: Mapping[int, float]
    printed: str | None = None
    verdict: Verdict | None = None
    best: bool = False
    note: str = ""
    interval: tuple[float, float] | None = None
    seed_interval: tuple[float, float] | None = None
    tied: bool = False
    marks: tuple[str, ...] = ()
    of: int = 0
    lost: Mapping[int, str] = field(default_factory=dict)

    @cached_property
    def mean(self) -> float | None:
        """Mean over seeds, rounded once: the order of the seeds changes nothing."""
        return statistics.fmean(self.values.values()) if self.values else None

    @cached_property
    def sd(self) -> float | None:
        """Sample standard deviation over seeds; None below two."""
        return statistics.stdev(self.values.values()) if len(self.values) > 1 else None


@dataclass(frozen=True)
class Row:
    """One method, or a line of the paper's table for which nothing here stands.

    Attributes:
        label: Its name, with the settings that tell it from its namesakes in the table.
        method: Its name; empty where nothing here stands for it.
        seeds: Seeds that finished.
        diverged: Seeds that diverged.
        runs: The runs behind the row.
        cells: Its cells by metric.
        imported: Which of its runs came from an archive, as a sentence; empty where none did.
        marks: Marks of the table's footnotes that belong to the row as a whole.
    """

    label: str
    method: str
    seeds: tuple[int, ...]
    diverged: tuple[int, ...]
    runs: tuple[str, ...]
    cells: Mapping[str, Cell]
    imported: str = ""
    marks: tuple[str, ...] = ()

    @property
    def published(self) -> bool:
        """Whether the paper's values are all that it has."""
        return not self.runs


@dataclass(frozen=True)
class Footnote:
    """A text that cells or rows of a table point to.

    Attributes:
        mark: What stands there, raised: ``"a"``, ``"b"`` and so on.
        text: The text.
    """

    mark: str
    text: str


@dataclass(frozen=True)
class Table:
    """Rows of one protocol.

    Attributes:
        title: Data set, source, size, budget.
        protocol: What all rows share: ``dataset``, ``source``, ``size`` and so on.
        metrics: Its columns.
        rows: Its rows, by name.
        seeds: Every seed that some row has.
        floors: Real-versus-real value by metric, with the images in each part.
        paper: The heading of the paper's column, or None.
        notes: Texts that belong under the table.
        footnotes: Texts that single cells and rows point to, in the order of their marks.
        warnings: Why its numbers say little about which row is better, each a sentence.
    """

    title: str
    protocol: Mapping[str, Any]
    metrics: tuple[MetricSpec, ...]
    rows: tuple[Row, ...]
    seeds: tuple[int, ...]
    floors: Mapping[str, tuple[float, int]]
    paper: str | None = None
    notes: tuple[str, ...] = ()
    footnotes: tuple[Footnote, ...] = ()
    warnings: tuple[str, ...] = ()

    @cached_property
    def printed(self) -> frozenset[str]:
        """The metrics for which the paper printed a value of some row."""
        cells = [(name, cell) for row in self.rows for name, cell in row.cells.items()]
        return frozenset(name for name, cell in cells if cell.printed is not None)


@dataclass(frozen=True)
class Leaderboard:
    """Tables on one page.

    Attributes:
        name: File name without suffix.
        title: Heading.
        tables: Its tables.
        notes: Texts that belong to all of them.
        absent: What the page would show had it been run.
        comparisons: The methods compared over its data sets, one for each source and budget.
        budgets: What a larger budget brings, one for each source.
    """

    name: str
    title: str
    tables: tuple[Table, ...]
    notes: tuple[str, ...] = ()
    absent: tuple[str, ...] = ()
    comparisons: tuple[Comparison, ...] = ()
    budgets: tuple[Budgets, ...] = ()
