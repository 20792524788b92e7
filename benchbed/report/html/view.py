"""View model of the leaderboards: all texts of the page's templates, fully formatted."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import count

from benchbed.report import text
from benchbed.report.comparison import Comparison
from benchbed.report.leaderboard import MISSING, Cell, Footnote, Leaderboard, Row, Table
from benchbed.runs.record import Record


@dataclass(frozen=True)
class Cost:
    """A cost of training, as a column.

    Attributes:
        key: The field of the record's ``training``.
        heading: Column heading with unit.
        first: Sort order of the first click on the heading.
        words: Formats a value.
    """

    key: str
    heading: str
    first: str
    words: Callable[[float], str]


def _duration(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 120 else f"{minutes // 60} h {minutes % 60:02d} min"


def _memory(size: float) -> str:
    return f"{size / 1e9:.2f} GB" if size >= 1e9 else f"{size / 1e6:.0f} MB"


COSTS = (
    Cost("images_per_second", "Images/s", "descending", text.number),
    Cost("seconds", "Training time", "ascending", _duration),
    Cost("peak_memory_bytes", "Peak memory", "ascending", _memory),
)


@dataclass(frozen=True)
class Number:
    """One cell.

    Attributes:
        metric: Name of its column.
        shown: Its text.
        sort: The number to sort by, as text; empty if there is none.
        best: Whether it is marked as the best.
        printed: The paper's value.
        verdict: The word of its verdict.
        footnote: Number of the reason under the table; 0 for none.
        known: Whether it has details to show.
        tied: Whether it does not differ significantly from the best.
        marks: Marks of the footnotes of the paper's value.
    """

    metric: str
    shown: str
    sort: str = ""
    best: bool = False
    printed: str = ""
    verdict: str = ""
    footnote: int = 0
    known: bool = True
    tied: bool = False
    marks: tuple[str, ...] = ()


@dataclass(frozen=True)
class Line:
    """One row."""

    label: str
    method: str
    seeds: str
    count: int
    numbers: Sequence[Number]
    published: bool
    marks: Sequence[str]


@dataclass(frozen=True)
class Heading:
    """A sortable column."""

    metric: str
    shown: str
    first: str


@dataclass(frozen=True)
class Sheet:
    """One table."""

    place: int
    title: str
    paper: str
    protocol: Mapping[str, object]
    headings: Sequence[Heading]
    lines: Sequence[Line]
    floors: Sequence[Number]
    reasons: Sequence[str]
    recipes: Sequence[tuple[str, str]]
    notes: Sequence[str]
    footnotes: Sequence[Footnote]
    warnings: Sequence[str]


@dataclass(frozen=True)
class Section:
    """One leaderboard."""

    anchor: str
    title: str
    sheets: Sequence[Sheet]
    notes: Sequence[str]
    absent: Sequence[str]
    comparisons: Sequence[tuple[int, Comparison]]


def sections(boards: Sequence[Leaderboard], records: Mapping[str, Record]) -> list[Section]:
    """Return the leaderboards, with their tables and comparisons numbered consecutively."""
    found: list[Section] = []
    tables, comparisons = count(), count()
    for board in boards:
        anchor = re.sub(r"[^a-z0-9]+", "-", board.name.lower()).strip("-")
        sheets = [_sheet(next(tables), table, records) for table in board.tables]
        compared = [(next(comparisons), comparison) for comparison in board.comparisons]
        found.append(Section(anchor, board.title, sheets, board.notes, board.absent, compared))
    return found


def _sheet(place: int, table: Table, records: Mapping[str, Record]) -> Sheet:
    reasons = text.reasons(table)
    sorts = {"up": "descending", "down": "ascending", "none": "ascending"}
    metrics = [Heading(m.name, text.heading(m), sorts[m.direction]) for m in table.metrics]
    costs = [Heading(f"cost:{c.key}", c.heading, c.first) for c in COSTS]
    return Sheet(
        place=place,
        title=table.title,
        paper=table.paper or "",
        protocol=table.protocol,
        headings=[*metrics, *costs],
        lines=[_line(row, table, records, reasons) for row in table.rows],
        floors=[_floor(table, spec.name) for spec in table.metrics],
        reasons=reasons,
        recipes=[(spec.title, spec.recipe) for spec in table.metrics],
        notes=table.notes,
        footnotes=table.footnotes,
        warnings=table.warnings,
    )


def _line(row: Row, table: Table, records: Mapping[str, Record], reasons: Sequence[str]) -> Line:
    numbers = [_number(name, row.cells[name], reasons) for name in (m.name for m in table.metrics)]
    finished = [
        records[run] for run in row.runs if run in records and records[run].state == "finished"
    ]
    costs = [_cost(cost, finished) for cost in COSTS]
    return Line(
        label=row.label,
        method=row.method or row.label,
        seeds=text.seeds(row, table),
        count=len(row.seeds),
        numbers=[*numbers, *costs],
        published=row.published,
        marks=row.marks,
    )


def _number(metric: str, cell: Cell, reasons: Sequence[str]) -> Number:
    word, footnote = "", 0
    if cell.verdict is not None:
        word, joined = cell.verdict.word, "; ".join(cell.verdict.reasons)
        footnote = reasons.index(joined) + 1 if joined else 0
    return Number(
        metric=metric,
        shown=text.value(cell),
        sort="" if cell.mean is None else repr(cell.mean),
        best=cell.best,
        printed=cell.printed or "",
        verdict=word,
        footnote=footnote,
        known=cell.mean is not None or cell.printed is not None or bool(cell.note or cell.lost),
        tied=cell.tied,
        marks=cell.marks,
    )


def _cost(cost: Cost, finished: Sequence[Record]) -> Number:
    """Return the mean cost over the finished runs."""
    values = [getattr(record.training, cost.key) for record in finished]
    known = [float(value) for value in values if value]
    if not known:
        return Number(f"cost:{cost.key}", MISSING, known=False)
    mean = sum(known) / len(known)
    return Number(f"cost:{cost.key}", cost.words(mean), sort=repr(mean))


def _floor(table: Table, metric: str) -> Number:
    return Number(metric, text.floor(table, metric), known=metric in table.floors)
