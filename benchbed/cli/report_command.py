"""``benchbed report``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from benchbed.cli.examples import examples

if TYPE_CHECKING:
    from benchbed.report.leaderboard import Leaderboard

app = typer.Typer(rich_markup_mode=None, add_completion=False)


@app.command(epilog=examples("report", "report --out paper/tables --format tex", "report --serve"))
def report(
    results: Annotated[
        Path | None,
        typer.Option(help="Results folder. Default: $BENCHBED_RESULTS, else ./results."),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Output folder. Default: RESULTS/leaderboards.")
    ] = None,
    formats: Annotated[
        list[str] | None,
        typer.Option("--format", help="Formats to write: md, csv, tex, html. Default: all."),
    ] = None,
    show: Annotated[bool, typer.Option(help="Also print the tables.")] = True,
    serve: Annotated[
        bool,
        typer.Option(
            "--serve", help="Serve the page locally and open it in the browser until Ctrl-C."
        ),
    ] = False,
    port: Annotated[
        int, typer.Option(min=0, max=65535, help="Port of --serve. 0 selects a free port.")
    ] = 0,
    browse: Annotated[
        bool, typer.Option("--open/--no-open", help="Open the browser with --serve.")
    ] = True,
) -> None:
    """Build the leaderboards from the records."""
    from benchbed import paths
    from benchbed.errors import BenchbedError
    from benchbed.report import FORMATS

    kinds = _kinds(formats or [*FORMATS, "html"], (*FORMATS, "html"))
    from benchbed.report.write import leaderboards, write
    from benchbed.runs.store import Store

    store = Store(paths.results(results))
    records = store.records()
    if not records:
        raise BenchbedError(
            f"No records found in {store.records_folder}. Run `benchbed run` first."
        )
    folder = paths.writable(out or store.root / "leaderboards")
    boards = leaderboards(records, paths.benchmarks() / "papers")
    files = write(boards, folder, kinds)
    if serve or "html" in kinds:
        from benchbed.report.html.page import write_page

        files.append(write_page(boards, records, store.root, folder))
    if show and not serve:
        for board in boards:
            _show(board)
    typer.echo(f"{len(records)} records, {len(files)} files written to {folder}.", err=True)
    if serve:
        from benchbed.report.html.server import serve as serve_folder

        serve_folder(folder, port, typer.echo, browse=browse)


def _kinds(given: Sequence[str], allowed: Sequence[str]) -> list[str]:
    from benchbed.errors import unknown

    for name in given:
        if name not in allowed:
            raise unknown("format", name, allowed, "benchbed report --help")
    return list(given)


def _show(board: Leaderboard) -> None:
    from rich.console import Console

    from benchbed.report import terminal

    console = Console()
    console.rule(board.title)
    if not board.tables:
        console.print("No runs yet.")
    for table in board.tables:
        console.print(*terminal.render(table, console), "", sep="\n")
