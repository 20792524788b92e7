"""``benchbed data``."""

from __future__ import annotations

import json
import shlex
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from benchbed.cli.examples import examples
from benchbed.cli.options import complete_datasets

app = typer.Typer(rich_markup_mode=None, add_completion=False, no_args_is_help=True)

Root = Annotated[Path | None, typer.Option(help="Folder of the real data; else $BENCHBED_DATA.")]
Json = Annotated[bool, typer.Option("--json", help="For a script.")]


@app.callback()
def data() -> None:
    """Fetch real data, say where they lie, or what is wrong with them."""


def _open_to_all() -> str:
    """A data set that the command `fetch` can get, for its help."""
    from benchbed.api.specs import DatasetSpec
    from benchbed.registry import registry

    specs = registry().specs(DatasetSpec).values()
    return next((spec.name for spec in specs if spec.downloads), "DATASET")


def _complete_named(incomplete: str) -> list[str]:
    return [name for name in complete_datasets(incomplete) if not name.endswith(":")]


@app.command(epilog=examples("data status", "data status --data-root my/data"))
def status(data_root: Root = None, as_json: Json = False) -> None:
    """Say which data sets lie on this machine, and how many cases they have."""
    from benchbed import paths
    from benchbed.api.specs import DatasetSpec
    from benchbed.registry import registry

    root = paths.data_root(data_root)
    rows = [_status(spec, root) for spec in registry().specs(DatasetSpec).values()]
    if as_json:
        typer.echo(json.dumps(rows, indent=2))
        return
    from benchbed.cli.console import print_rows

    typer.echo(f"Looked in {root}.", err=True)
    print_rows(rows, empty="No plugin offers a data set.")


def _status(spec: Any, root: Path) -> dict[str, str]:
    from benchbed.data.collection import collect
    from benchbed.data.source import look
    from benchbed.errors import BenchbedError

    report = look(spec, root)
    if not report.places:
        stand_in = "the phantom stands in" if spec.phantom else "and there is no phantom"
        return {"dataset": spec.name, "state": f"not here; {stand_in}", "cases": "", "folder": ""}
    folders = ", ".join(str(folder) for _, folder in report.places)
    try:
        counts = collect(spec, report.places, root).counts()
    except BenchbedError as error:
        return {"dataset": spec.name, "state": str(error), "cases": "", "folder": folders}
    cases = ", ".join(f"{count} {split}" for split, count in counts.items())
    return {"dataset": spec.name, "state": "real", "cases": cases, "folder": folders}


@app.command(epilog=examples("data verify {dataset}", "data verify folder:mine"))
def verify(
    name: Annotated[
        str,
        typer.Argument(
            help="The data set, folder:PATH or nifti:PATH.", autocompletion=complete_datasets
        ),
    ],
    data_root: Root = None,
    as_json: Json = False,
) -> None:
    """Decode and hash every file; name those that do not decode and those that are equal."""
    from benchbed.cli.console import ConsoleReporter
    from benchbed.data.source import resolve
    from benchbed.data.verify import verify as examine

    with ConsoleReporter() as reporter:
        collection = resolve(name, "real", data_root, reporter.say)
        findings = examine(collection, reporter.counted, reporter.say)
    if as_json:
        typer.echo(json.dumps(findings.as_dict(), indent=2))
    else:
        from benchbed.cli.facts import print_facts

        print_facts(findings.as_dict())
    if findings.undecodable:
        raise typer.Exit(1)


@app.command(
    epilog=examples(
        f"data fetch {_open_to_all()}", f"data fetch {_open_to_all()} --data-root my/data"
    )
)
def fetch(
    name: Annotated[str, typer.Argument(help="The data set.", autocompletion=_complete_named)],
    data_root: Root = None,
    force: Annotated[
        bool,
        typer.Option("--force", help="Fetch it even where it lies; the old folder is kept aside."),
    ] = False,
) -> None:
    """Download a data set into the data root, or say where to go and what to put where.

    What was stopped or broke off goes on when the same command is given again. Exit code: 0 it is
    there, 1 the source cannot be reached or gives something else, 2 it cannot be had this way, 130
    stopped.
    """
    from benchbed import paths
    from benchbed.api.specs import DatasetSpec
    from benchbed.cli.console import ConsoleReporter, print_rows
    from benchbed.data.fetch import FetchFailed
    from benchbed.data.fetch import fetch as bring
    from benchbed.registry import registry

    spec = registry().spec(DatasetSpec, name)
    root = paths.data_root(data_root)
    try:
        with ConsoleReporter() as reporter:
            # An address or a folder that is broken into two lines cannot be copied.
            say = partial(reporter.console.print, soft_wrap=True, markup=False, highlight=False)
            bring(spec, root, force=force, say=say, counted=reporter.counted)
    except FetchFailed as error:
        typer.echo(f"benchbed: {error}", err=True)
        raise typer.Exit(1) from error
    except KeyboardInterrupt as error:
        typer.echo("Stopped. What has come is kept; the same command goes on from there.", err=True)
        raise typer.Exit(130) from error
    print_rows([_status(spec, root)], empty="")
    place = f" --data-root {shlex.quote(str(data_root))}" if data_root else ""
    typer.echo(f"Next: benchbed data verify {name}{place}", err=True)
