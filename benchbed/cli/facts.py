"""Facts as a person reads them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text


def print_facts(facts: Mapping[str, Any]) -> None:
    """Print facts: short ones as lines, lists of records as tables."""
    console = Console()
    short = Table(box=None, show_header=False, pad_edge=False)
    short.add_column(style="bold", no_wrap=True)
    short.add_column(overflow="fold")
    for name, value in facts.items():
        if value and not _records(value):
            shown = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
            short.add_row(name, Text(shown))
    console.print(short)
    for name, value in facts.items():
        if value and _records(value):
            console.print()
            console.print(_table(name, value))


def _records(value: object) -> bool:
    return isinstance(value, list) and bool(value) and isinstance(value[0], Mapping)


def _table(name: str, rows: Sequence[Mapping[str, str]]) -> Table:
    table = Table(title=name, title_justify="left", title_style="bold", pad_edge=False, box=None)
    columns = [key for key in rows[0] if any(row[key] for row in rows)]
    for position, key in enumerate(columns):
        table.add_column(key, no_wrap=position == 0, overflow="fold")
    for row in rows:
        table.add_row(*(Text(str(row[key])) for key in columns))
    return table
