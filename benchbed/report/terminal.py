"""Render a leaderboard for the terminal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

from rich.cells import cell_len
from rich.console import Console, RenderableType
from rich.table import Table as RichTable
from rich.text import Text

from benchbed.api.specs import MetricSpec
from benchbed.report import text
from benchbed.report.leaderboard import Cell, Table

MANY_COLUMNS = 10_000

BESIDE = 3
"""Width of a column besides its text: a space on each side, and a border."""


def render(table: Table, console: Console) -> Iterator[RenderableType]:
    """Yield the table in blocks of as many metrics as fit the terminal, so no number is cut."""
    yield Text(text.title(table), style="bold")
    columns = [_column(table, spec) for spec in table.metrics]
    for block in _blocks(table, columns, console):
        yield _block(table, block)
    for reason in text.reasons(table):
        yield Text(f"* not comparable: {reason}", style="dim")
    for row in table.rows:
        if row.imported:
            yield Text(f"{row.label}: {row.imported}", style="dim")
    for warning in table.warnings:
        yield Text(warning, style="dim")


@dataclass(frozen=True)
class _Column:
    """One metric: its heading, a cell per row, and the baseline."""

    heading: str
    cells: Sequence[Text]
    floor: str

    @cached_property
    def width(self) -> int:
        """Width in a table, in terminal columns."""
        lines = (line for cell in self.cells for line in cell.plain.splitlines())
        return BESIDE + max(map(cell_len, (self.heading, self.floor, *lines)))


def _column(table: Table, spec: MetricSpec) -> _Column:
    cells = [_cell(row.cells[spec.name]) for row in table.rows]
    return _Column(text.heading(spec), cells, text.floor(table, spec.name))


def _blocks(table: Table, columns: Sequence[_Column], console: Console) -> list[list[_Column]]:
    """Return the columns in blocks of one or more that fit the terminal's width."""
    unbounded = console.options.update(max_width=MANY_COLUMNS)
    lead = console.measure(_block(table, ()), options=unbounded).maximum
    blocks: list[list[_Column]] = []
    available = 0
    for column in columns:
        if not blocks or column.width > available:
            blocks.append([])
            available = console.width - lead
        blocks[-1].append(column)
        available -= column.width
    return blocks


def _block(table: Table, columns: Sequence[_Column]) -> RichTable:
    shown = RichTable()
    shown.add_column("Method")
    shown.add_column("Seeds")
    for column in columns:
        shown.add_column(column.heading, justify="right")
    for index, row in enumerate(table.rows):
        cells = [column.cells[index] for column in columns]
        shown.add_row(Text(row.label), text.seeds(row, table), *cells)
    shown.add_row("real", "", *(column.floor for column in columns), style="dim")
    return shown


def _cell(cell: Cell) -> Text:
    """Return our value, with the paper's value and its verdict below."""
    shown = Text(text.value(cell), style="bold" if cell.best else "")
    if cell.printed is not None:
        word = "" if cell.verdict is None else cell.verdict.word
        mark = "*" if word == "not comparable" else f" {word}" if word else ""
        shown.append(f"\npaper {cell.printed}{mark}", style="not bold dim")
    return shown
