"""``benchbed report``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from benchbed.cli.examples import examples

if TYPE_CHECKING:
    from benchbed.report.leaderboard import Leaderboard

app = typer.Typer(rich_markup_mode=None, add_completion=False)


@app.command(epilog=examples("report", "report --out paper/tables"))
def report(
    results: Annotated[
        Path | None, typer.Option(help="Results folder; else $BENCHBED_RESULTS, else results.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Where to write; RESULTS/leaderboards unless given.")
    ] = None,
    show: Annotated[bool, typer.Option(help="Show the tables here too.")] = True,
) -> None:
    """Make the leaderboards from the records."""
    from benchbed import paths
    from benchbed.errors import BenchbedError
    from benchbed.report.write import leaderboards, write
    from benchbed.runs.store import Store

    store = Store(paths.results(results))
    records = store.records()
    if not records:
        raise BenchbedError(
            f"There is no record in {store.records_folder}; `benchbed run` makes one."
        )
    folder = paths.writable(out or store.root / "leaderboards")
    boards = leaderboards(records, paths.benchmarks() / "papers")
    files = write(boards, folder)
    if show:
        for board in boards:
            _show(board)
    typer.echo(f"{len(records)} records, {len(files)} files written to {folder}.", err=True)


def _show(board: Leaderboard) -> None:
    from rich.console import Console

    from benchbed.report import terminal

    console = Console()
    console.rule(board.title)
    if not board.tables:
        console.print("No run yet.")
    for table in board.tables:
        console.print(*terminal.render(table, console), "", sep="\n")
