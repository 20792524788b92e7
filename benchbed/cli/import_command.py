"""``benchbed import``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from benchbed.cli.options import JsonOption, ResultsOption, format_examples
from benchbed.config import paths
from benchbed.results.store import ResultStore

app = typer.Typer(rich_markup_mode=None, add_completion=False)


@app.command(epilog=format_examples("import RUN.zip", "import RUN.zip --results results-of-others"))
def import_(
    file: Annotated[Path, typer.Argument(help="Zip file written by `benchbed export`.")],
    results: ResultsOption = None,
    as_json: JsonOption = False,
) -> None:
    """Import an exported archive as a run, for `sample`, `show`, `compare` and `report`.

    Every member must be listed with its checksum, and the weights must fit the installed method;
    otherwise nothing is written. Nothing in the archive is executed. The record is marked as
    imported. Checksums detect damage, not the author: compare the SHA-256 with the one that
    `benchbed export` printed. Exit code: 0 imported, 2 rejected.
    """
    from benchbed.cli.output import escape_control_characters
    from benchbed.sharing.install import check_archive, import_run

    store = ResultStore(paths.resolve_results_folder(results))
    candidate = check_archive(file)
    for note in candidate.notes:
        typer.echo(escape_control_characters(note), err=True)
    installed = import_run(
        candidate, store, lambda text: typer.echo(escape_control_characters(text), err=True)
    )
    run = candidate.record.id
    if as_json:
        facts = {"run": run, "installed": installed, "sha256": candidate.archive.sha256}
        typer.echo(json.dumps({**facts, "notes": list(candidate.notes)}, indent=2))
    elif installed:
        typer.echo(f"{run}, SHA-256 {candidate.archive.sha256}")
    if not installed:
        typer.echo(
            f"Run {run} already exists with the same record and weights. Nothing changed.", err=True
        )
    else:
        command = "sample" if "sample" in candidate.spec.capabilities else "show"
        typer.echo(f"Next: benchbed {command} {run}", err=True)
