"""A leaderboard as Markdown."""

from __future__ import annotations

from collections.abc import Sequence

from benchbed.report import grids, text
from benchbed.report.comparison import Comparison
from benchbed.report.grids import Grid, Shown
from benchbed.report.leaderboard import Leaderboard, Table

BUDGETS = (
    "Each dot is the run of one seed; lines join the means. Every run was trained for its budget "
    "from the start: the schedules of methods that have one are as long as the run.",
)


def render(board: Leaderboard) -> str:
    """The whole page; the same records give the same bytes."""
    parts = [f"# {board.title}", _intro(board)]
    parts += [_table(table) for table in board.tables]
    parts += [_comparison(comparison) for comparison in board.comparisons]
    parts += [
        f"## By budget: {found.title}\n\n![Metrics over the budget]({found.picture})\n\n"
        + _list(BUDGETS)
        for found in board.budgets
    ]
    if board.tables and not board.comparisons:
        parts.append(f"## Comparison\n\n{grids.NO_COMPARISON}")
    if board.absent:
        parts.append("## Not run yet\n\n" + _list(board.absent))
    if board.notes:
        parts.append("## Notes\n\n" + _list(board.notes))
    return "\n\n".join(part for part in parts if part) + "\n"


def _intro(board: Leaderboard) -> str:
    if not board.tables:
        return "No record yet. `benchbed run` makes one."
    return (
        "Made by `benchbed report` from the records; do not edit. Rows of a table share data, "
        "size, budget, sample counts and precision; tables do not compare with each other. Mean ± "
        "standard deviation over seeds; in brackets a 95 % interval: of one seed's value where the "
        "metric has one, by bootstrap of the mean over three seeds and more. **Bold** is the best "
        "mean among the rows with all seeds; *real* is the same metric between two disjoint parts "
        "of the real images."
    )


def _table(table: Table) -> str:
    parts = [f"## {text.title(table)}", _grid(grids.table(table)), *_quotes(table.warnings)]
    notes = grids.footnotes(table)
    if notes:
        parts.append("\n".join(f"- <sup>{note.mark}</sup> {note.text}" for note in notes))
    runs = ", ".join(f"`{run}`" for row in table.rows for run in row.runs)
    parts.append(_list([*grids.under_table(table), f"Records: {runs}."]))
    return "\n\n".join(parts)


def _comparison(comparison: Comparison) -> str:
    parts = [f"## Comparison: {comparison.title}", _grid(grids.ranks(comparison))]
    if comparison.picture:
        parts.append(f"![Mean ranks and critical differences]({comparison.picture})")
    if comparison.paired:
        parts.append(_grid(grids.pairs(comparison)))
    parts += [
        *_quotes(grids.warnings(comparison)),
        _list(grids.under_comparison(comparison)),
    ]
    return "\n\n".join(parts)


def _list(lines: Sequence[str]) -> str:
    return "\n".join(f"- {line}" for line in lines)


def _quotes(lines: Sequence[str]) -> list[str]:
    return [f"> {line}" for line in lines]


def _grid(grid: Grid) -> str:
    columns = [*grid.lead, *(column for block in grid.blocks for column in block)]
    rows = zip(*(map(_cell, column.cells) for column in columns), strict=True)
    rules = ["---:" if column.right else "---" for column in columns]
    lines = [[column.heading for column in columns], rules, *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _cell(shown: Shown) -> str:
    # A bar would end the cell.
    plain = shown.text.replace("|", "\\|")
    styled = f"**{plain}**" if shown.bold else f"*{plain}*" if shown.slanted else plain
    return styled + (f"<sup>{','.join(shown.marks)}</sup>" if shown.marks else "")
