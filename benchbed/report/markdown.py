"""A leaderboard as Markdown."""

from __future__ import annotations

from collections.abc import Sequence

from benchbed.report import text
from benchbed.report.leaderboard import MISSING, Cell, Leaderboard, Row, Table


def render(board: Leaderboard) -> str:
    """The whole page; the same records give the same bytes."""
    parts = [f"# {board.title}", _intro(board)]
    parts += [_table(table) for table in board.tables]
    if board.absent:
        parts.append("## Not run yet\n\n" + "\n".join(f"- {line}" for line in board.absent))
    if board.notes:
        parts.append("## Notes\n\n" + "\n".join(f"- {note}" for note in board.notes))
    return "\n\n".join(part for part in parts if part) + "\n"


def _intro(board: Leaderboard) -> str:
    if not board.tables:
        return "No record yet. `benchbed run` makes one."
    return (
        "Made by `benchbed report` from the records; do not edit. Rows of a table share data, "
        "size, budget, sample counts and precision; tables do not compare with each other. Mean ± "
        "standard deviation over seeds; **bold** is the best mean among the rows with all seeds; "
        "*real* is the same metric between two disjoint parts of the real images."
    )


def _table(table: Table) -> str:
    header = ["Method", "Seeds"]
    for spec in table.metrics:
        header += [text.heading(spec)]
        header += ["paper", "verdict"] if spec.name in table.printed else []
    rows = [_row(row, table) for row in table.rows]
    rows.append(_floor_row(table))
    lines = [f"## {text.title(table)}"]
    lines.append(_grid(header, rows))
    lines.append("\n".join(_footer(table)))
    return "\n\n".join(lines)


def _row(row: Row, table: Table) -> list[str]:
    cells = [row.label, text.seeds(row, table)]
    for spec in table.metrics:
        cell = row.cells[spec.name]
        cells.append(_value(cell))
        if spec.name in table.printed:
            cells += [cell.printed or MISSING, str(cell.verdict or MISSING)]
    return cells


def _value(cell: Cell) -> str:
    shown = text.value(cell)
    if cell.note:
        shown += f" ({cell.note})"
    return f"**{shown}**" if cell.best else shown


def _floor_row(table: Table) -> list[str]:
    cells = ["*real*", ""]
    for spec in table.metrics:
        cells.append(text.floor(table, spec.name))
        if spec.name in table.printed:
            cells += ["", ""]
    return cells


def _footer(table: Table) -> list[str]:
    shared = table.protocol
    lines = [
        f"- Data fingerprint `{shared['fingerprint']}`, protocol `{shared['protocol']}`, "
        f"preset `{shared['preset']}`."
    ]
    lines += [f"- {spec.title}: {spec.recipe}." for spec in table.metrics]
    lines += [f"- {note}" for note in table.notes]
    runs = ", ".join(f"`{run}`" for row in table.rows for run in row.runs)
    return [*lines, f"- Records: {runs}."]


def _grid(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)
