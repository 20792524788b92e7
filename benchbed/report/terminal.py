"""A leaderboard for the terminal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.console import Console, RenderableType
from rich.table import Table as RichTable
from rich.text import Text

from benchbed.api.specs import MetricSpec
from benchbed.report import text
from benchbed.report.leaderboard import Cell, Table

MANY_COLUMNS = 10_000


def render(table: Table, console: Console) -> Iterator[RenderableType]:
    """The table, in as many blocks of columns as the terminal's width asks for.

    A number is never cut: a block holds as many metrics as fit.
    """
    yield Text(text.title(table), style="bold")
    rest = list(table.metrics)
    while rest:
        count = next((n for n in range(len(rest), 1, -1) if _fits(table, rest[:n], console)), 1)
        yield _block(table, rest[:count])
        rest = rest[count:]
    for reason in text.reasons(table):
        yield Text(f"* not comparable: {reason}", style="dim")
    for row in table.rows:
        if row.imported:
            yield Text(f"{row.label}: {row.imported}", style="dim")
    for warning in table.warnings:
        yield Text(warning, style="dim")


def _fits(table: Table, metrics: Sequence[MetricSpec], console: Console) -> bool:
    unbounded = console.options.update(max_width=MANY_COLUMNS)
    return console.measure(_block(table, metrics), options=unbounded).maximum <= console.width


def _block(table: Table, metrics: Sequence[MetricSpec]) -> RichTable:
    shown = RichTable()
    shown.add_column("Method")
    shown.add_column("Seeds")
    for spec in metrics:
        shown.add_column(text.heading(spec), justify="right")
    for row in table.rows:
        cells = [_cell(row.cells[spec.name]) for spec in metrics]
        shown.add_row(Text(row.label), text.seeds(row, table), *cells)
    floors = [text.floor(table, spec.name) for spec in metrics]
    shown.add_row("real", "", *floors, style="dim")
    return shown


def _cell(cell: Cell) -> Text:
    """Our value; below it the paper's, with its verdict."""
    shown = Text(text.value(cell), style="bold" if cell.best else "")
    if cell.printed is not None:
        word = "" if cell.verdict is None else cell.verdict.word
        mark = "*" if word == "not comparable" else f" {word}" if word else ""
        shown.append(f"\npaper {cell.printed}{mark}", style="not bold dim")
    return shown
