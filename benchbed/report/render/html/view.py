"""View model of the leaderboards: all texts of the page's templates, fully formatted."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import count

from benchbed.report.model.leaderboard import (
    MISSING_TEXT,
    Cell,
    Footnote,
    Leaderboard,
    MethodComparison,
    Row,
    Table,
)
from benchbed.report.render import tables as tables_module
from benchbed.results.record import Record


@dataclass(frozen=True)
class CostColumn:
    """A cost of training, as a column.

    Attributes:
        key: The field of the record's ``training``.
        heading: Column heading with unit.
        initial_order: Sort order of the first click on the heading.
        format_value: Formats a value.
    """

    key: str
    heading: str
    initial_order: str
    format_value: Callable[[float], str]


def _format_duration(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 120 else f"{minutes // 60} h {minutes % 60:02d} min"


def _format_memory(size: float) -> str:
    return f"{size / 1e9:.2f} GB" if size >= 1e9 else f"{size / 1e6:.0f} MB"


COSTS = (
    CostColumn("images_per_second", "Images/s", "descending", tables_module.format_number),
    CostColumn("seconds", "Training time", "ascending", _format_duration),
    CostColumn("peak_memory_bytes", "Peak memory", "ascending", _format_memory),
)


@dataclass(frozen=True)
class NumberCell:
    """One cell.

    Attributes:
        metric: Name of its column.
        text: Its text.
        sort_key: The number to sort by, as text; empty if there is none.
        is_best: Whether it is marked as the best.
        paper_value: The paper's value.
        verdict: The word of its verdict.
        footnote: Number of the reason under the table; 0 for none.
        is_known: Whether it has details to show.
        is_tied: Whether it does not differ significantly from the best.
        marks: Marks of the footnotes of the paper's value.
    """

    metric: str
    text: str
    sort_key: str = ""
    is_best: bool = False
    paper_value: str = ""
    verdict: str = ""
    footnote: int = 0
    is_known: bool = True
    is_tied: bool = False
    marks: tuple[str, ...] = ()


@dataclass(frozen=True)
class TableRow:
    """One row."""

    label: str
    method: str
    seeds: str
    count: int
    numbers: Sequence[NumberCell]
    is_published_only: bool
    marks: Sequence[str]


@dataclass(frozen=True)
class ColumnHeading:
    """A sortable column."""

    metric: str
    text: str
    initial_order: str


@dataclass(frozen=True)
class TableView:
    """One table."""

    index: int
    title: str
    paper: str
    protocol: Mapping[str, object]
    headings: Sequence[ColumnHeading]
    rows: Sequence[TableRow]
    baselines: Sequence[NumberCell]
    reasons: Sequence[str]
    recipes: Sequence[tuple[str, str]]
    notes: Sequence[str]
    footnotes: Sequence[Footnote]
    warnings: Sequence[str]


@dataclass(frozen=True)
class LeaderboardView:
    """One leaderboard."""

    anchor: str
    title: str
    tables: Sequence[TableView]
    notes: Sequence[str]
    missing_rows: Sequence[str]
    comparisons: Sequence[tuple[int, MethodComparison]]


def build_leaderboard_views(
    boards: Sequence[Leaderboard], records: Mapping[str, Record]
) -> list[LeaderboardView]:
    """Return the leaderboards, with their tables and comparisons numbered consecutively."""
    found: list[LeaderboardView] = []
    tables, comparisons = count(), count()
    for board in boards:
        anchor = re.sub(r"[^a-z0-9]+", "-", board.name.lower()).strip("-")
        sheets = [_build_table(next(tables), table, records) for table in board.tables]
        compared = [(next(comparisons), comparison) for comparison in board.comparisons]
        found.append(
            LeaderboardView(anchor, board.title, sheets, board.notes, board.missing_rows, compared)
        )
    return found


def _build_table(place: int, table: Table, records: Mapping[str, Record]) -> TableView:
    reasons = tables_module.list_reasons(table)
    sorts = {"up": "descending", "down": "ascending", "none": "ascending"}
    metrics = [
        ColumnHeading(m.name, tables_module.format_heading(m), sorts[m.direction])
        for m in table.metrics
    ]
    costs = [ColumnHeading(f"cost:{c.key}", c.heading, c.initial_order) for c in COSTS]
    return TableView(
        index=place,
        title=table.title,
        paper=table.paper or "",
        protocol=table.protocol,
        headings=[*metrics, *costs],
        rows=[_build_row(row, table, records, reasons) for row in table.rows],
        baselines=[_build_baseline_cell(table, spec.name) for spec in table.metrics],
        reasons=reasons,
        recipes=[(spec.title, spec.recipe) for spec in table.metrics],
        notes=table.notes,
        footnotes=table.footnotes,
        warnings=table.warnings,
    )


def _build_row(
    row: Row, table: Table, records: Mapping[str, Record], reasons: Sequence[str]
) -> TableRow:
    numbers = [
        _build_number_cell(name, row.cells[name], reasons)
        for name in (m.name for m in table.metrics)
    ]
    finished = [
        records[run] for run in row.runs if run in records and records[run].state == "finished"
    ]
    costs = [_build_cost_cell(cost, finished) for cost in COSTS]
    return TableRow(
        label=row.label,
        method=row.method or row.label,
        seeds=tables_module.format_seeds(row, table),
        count=len(row.seeds),
        numbers=[*numbers, *costs],
        is_published_only=row.is_published_only,
        marks=row.marks,
    )


def _build_number_cell(metric: str, cell: Cell, reasons: Sequence[str]) -> NumberCell:
    word, footnote = "", 0
    if cell.verdict is not None:
        word, joined = cell.verdict.word, "; ".join(cell.verdict.reasons)
        footnote = reasons.index(joined) + 1 if joined else 0
    return NumberCell(
        metric=metric,
        text=tables_module.format_value(cell),
        sort_key="" if cell.mean is None else repr(cell.mean),
        is_best=cell.is_best,
        paper_value=cell.paper_value or "",
        verdict=word,
        footnote=footnote,
        is_known=cell.mean is not None
        or cell.paper_value is not None
        or bool(cell.note or cell.unusable_values),
        is_tied=cell.is_tied,
        marks=cell.marks,
    )


def _build_cost_cell(cost: CostColumn, finished: Sequence[Record]) -> NumberCell:
    """Return the mean cost over the finished runs."""
    values = [getattr(record.training, cost.key) for record in finished]
    known = [float(value) for value in values if value]
    if not known:
        return NumberCell(f"cost:{cost.key}", MISSING_TEXT, is_known=False)
    mean = sum(known) / len(known)
    return NumberCell(f"cost:{cost.key}", cost.format_value(mean), sort_key=repr(mean))


def _build_baseline_cell(table: Table, metric: str) -> NumberCell:
    return NumberCell(
        metric, tables_module.format_baseline(table, metric), is_known=metric in table.baselines
    )
