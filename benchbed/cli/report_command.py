"""``benchbed report``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from benchbed.cli.options import ResultsOption, format_examples
from benchbed.config import paths
from benchbed.errors import BenchbedError, make_unknown_error
from benchbed.results.store import ResultStore
from benchbed.utils.text import format_count

if TYPE_CHECKING:
    from benchbed.report.model.leaderboard import Leaderboard

app = typer.Typer(rich_markup_mode=None, add_completion=False)


@app.command(
    epilog=format_examples("report", "report --out paper/tables --format tex", "report --serve")
)
def report(
    results: ResultsOption = None,
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
    from benchbed.report import FORMATS

    allowed = (*FORMATS, "html")
    kinds = formats or allowed
    for name in kinds:
        if name not in allowed:
            raise make_unknown_error("format", name, allowed, "benchbed report --help")
    from benchbed.cli.output import print_warning
    from benchbed.report.write import build_leaderboards, write_leaderboards

    store = ResultStore(paths.resolve_results_folder(results))
    records = store.load_records(print_warning)
    if not records:
        raise BenchbedError(
            f"No records found in {store.records_folder}. Run `benchbed run` first."
        )
    folder = paths.ensure_writable(out or store.root / "leaderboards")
    leaderboards = build_leaderboards(records, paths.find_benchmarks_folder() / "papers")
    files = write_leaderboards(leaderboards, folder, kinds)
    if serve or "html" in kinds:
        from benchbed.report.render.html.page import write_page

        files.append(write_page(leaderboards, records, store.root, folder))
    if show and not serve:
        for leaderboard in leaderboards:
            _print_tables(leaderboard)
    counts = f"{format_count(len(records), 'record')}, {format_count(len(files), 'file')}"
    typer.echo(f"{counts} written to {folder}.", err=True)
    if serve:
        from benchbed.report.render.html.server import serve as serve_folder

        serve_folder(folder, port, typer.echo, browse=browse)


def _print_tables(leaderboard: Leaderboard) -> None:
    from benchbed.cli.output import create_console
    from benchbed.report.render import terminal

    console = create_console()
    if console.is_terminal:
        console.rule(leaderboard.title)
    else:
        console.print(f"── {leaderboard.title} ──", markup=False)
    if not leaderboard.tables:
        console.print("No runs yet.")
    for table in leaderboard.tables:
        console.print(*terminal.render_terminal(table, console), "", sep="\n")
