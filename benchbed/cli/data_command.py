"""``benchbed data``."""

from __future__ import annotations

import json
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
    """Say where real data lie, or what is wrong with them."""


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
        str, typer.Argument(help="The data set, or folder:PATH.", autocompletion=complete_datasets)
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
        findings = examine(collection, reporter.counted)
    if as_json:
        typer.echo(json.dumps(findings.as_dict(), indent=2))
    else:
        from benchbed.cli.facts import print_facts

        print_facts(findings.as_dict())
    if findings.undecodable:
        raise typer.Exit(1)
