"""Print facts as text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

UNLIMITED_COLUMNS = 10_000
"""Wider than any table."""


def print_facts(facts: Mapping[str, Any]) -> None:
    """Print facts: short ones as lines, lists of records as tables."""
    console = Console()
    short = Table(box=None, show_header=False, pad_edge=False)
    short.add_column(style="bold", no_wrap=True)
    short.add_column(overflow="fold")
    for name, value in facts.items():
        if value and not _is_record_list(value):
            shown = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
            short.add_row(name, Text(shown))
    console.print(short)
    for name, value in facts.items():
        if value and _is_record_list(value):
            console.print()
            _print_records(console, name, value)


def _is_record_list(value: object) -> bool:
    return isinstance(value, list) and bool(value) and isinstance(value[0], Mapping)


def _print_records(console: Console, name: str, rows: Sequence[Mapping[str, Any]]) -> None:
    """Print a table if it fits the terminal, else one paragraph per record."""
    table = _build_table(name, rows)
    unbounded = console.options.update(max_width=UNLIMITED_COLUMNS)
    if console.measure(table, options=unbounded).maximum <= console.width:
        console.print(table)
        return
    console.print(Text(name, style="bold"))
    for row in rows:
        first, *rest = [(key, str(value)) for key, value in row.items() if str(value)]
        console.print(Text(first[1]))
        has_names = len(rest) > 1
        facts = [
            Text.assemble((f"{key}: " if has_names else "", "dim"), value) for key, value in rest
        ]
        console.print(Padding(Text(" · ", style="dim").join(facts), (0, 0, 0, 4)))


def _build_table(name: str, rows: Sequence[Mapping[str, str]]) -> Table:
    table = Table(title=name, title_justify="left", title_style="bold", pad_edge=False, box=None)
    columns = [key for key in rows[0] if any(row[key] for row in rows)]
    for key in columns:
        table.add_column(key)
    for row in rows:
        table.add_row(*(Text(str(row[key])) for key in columns))
    return table
