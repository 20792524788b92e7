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
from benchbed.report.model.leaderboard import Cell, Table
from benchbed.report.render import tables
from benchbed.utils.text import measure_width

COLUMN_PADDING = 3
"""Width of a column besides its text: a space on each side, and a border."""


def render_terminal(table: Table, console: Console) -> Iterator[RenderableType]:
    """Yield the table in blocks of as many metrics as fit the terminal, so no number is cut."""
    yield Text(tables.format_title(table), style="bold")
    columns = [_build_column(table, spec) for spec in table.metrics]
    for block in _split_blocks(table, columns, console):
        yield _build_table(table, block)
    for reason in tables.list_reasons(table):
        yield Text(f"* not comparable: {reason}", style="dim")
    for row in table.rows:
        for note in filter(None, (row.import_note, row.collapse_note)):
            yield Text(f"{row.label}: {note}", style="dim")
    for reason in tables.list_superseded_reasons(table):
        yield Text(reason, style="dim")
    for warning in table.warnings:
        yield Text(warning, style="dim")


@dataclass(frozen=True)
class _MetricColumn:
    """One metric: its heading, a cell per row, and the baseline."""

    heading: str
    cells: Sequence[Text]
    baseline: str

    @cached_property
    def width(self) -> int:
        """Width in a table, in terminal columns."""
        lines = (line for cell in self.cells for line in cell.plain.splitlines())
        return COLUMN_PADDING + max(map(cell_len, (self.heading, self.baseline, *lines)))


def _build_column(table: Table, spec: MetricSpec) -> _MetricColumn:
    cells = [_format_cell(row.cells[spec.name]) for row in table.rows]
    baseline = tables.format_baseline(table, spec.name)
    return _MetricColumn(spec.heading, cells, baseline)


def _split_blocks(
    table: Table, columns: Sequence[_MetricColumn], console: Console
) -> list[list[_MetricColumn]]:
    """Return the columns in blocks of one or more that fit the terminal's width."""
    lead = measure_width(_build_table(table, ()), console)
    blocks: list[list[_MetricColumn]] = []
    available = 0
    for column in columns:
        if not blocks or column.width > available:
            blocks.append([])
            available = console.width - lead
        blocks[-1].append(column)
        available -= column.width
    return blocks


def _build_table(table: Table, columns: Sequence[_MetricColumn]) -> RichTable:
    rich_table = RichTable("Method", "Seeds")
    for column in columns:
        rich_table.add_column(column.heading, justify="right")
    for index, row in enumerate(table.rows):
        cells = [column.cells[index] for column in columns]
        rich_table.add_row(Text(row.label), tables.format_seeds(row, table), *cells)
    rich_table.add_row("real", "", *(column.baseline for column in columns), style="dim")
    return rich_table


def _format_cell(cell: Cell) -> Text:
    """Return our value, with the paper's value and its verdict below."""
    text = Text(tables.format_value(cell), style="bold" if cell.is_best else "")
    if cell.paper_value is not None:
        word = "" if cell.verdict is None else cell.verdict.word
        mark = "*" if word == "not comparable" else f" {word}" if word else ""
        text.append(f"\npaper {cell.paper_value}{mark}", style="not bold dim")
    return text
