"""``benchbed import``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from benchbed.cli.examples import examples

app = typer.Typer(rich_markup_mode=None, add_completion=False)


@app.command(epilog=examples("import RUN.zip", "import RUN.zip --results results-of-others"))
def import_(
    file: Annotated[Path, typer.Argument(help="A zip file that `benchbed export` made.")],
    results: Annotated[
        Path | None, typer.Option(help="Results folder; else $BENCHBED_RESULTS, else results.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="For a script.")] = False,
) -> None:
    """Make a run of an exported archive: `sample`, `show`, `compare` and `report` know it.

    Every member must be listed and have its checksum, and the weights must fit the method that is
    installed here; else nothing is written. Nothing in an archive is executed. The record says that
    it was imported, and from what. Checksums tell damage, not who made it: compare the SHA-256 with
    the one that `benchbed export` printed. Exit code: 0 it is here, 2 it is refused.
    """
    from benchbed import paths
    from benchbed.cli.plain import plain
    from benchbed.runs.install import install, offered
    from benchbed.runs.store import Store

    store = Store(paths.results(results))
    offer = offered(file)
    for note in offer.notes:
        typer.echo(plain(note), err=True)
    fresh = install(offer, store, lambda text: typer.echo(plain(text), err=True))
    run = offer.record.id
    if as_json:
        facts = {"run": run, "installed": fresh, "sha256": offer.archive.sha256}
        typer.echo(json.dumps({**facts, "notes": list(offer.notes)}, indent=2))
    elif fresh:
        typer.echo(f"{run}, SHA-256 {offer.archive.sha256}")
    if not fresh:
        typer.echo(
            f"The run {run} is here already with the same record and weights; nothing was changed.",
            err=True,
        )
    elif "sample" in offer.spec.abilities:
        typer.echo(f"Next: benchbed sample {run}", err=True)
    else:
        typer.echo(f"Next: benchbed show {run}", err=True)
