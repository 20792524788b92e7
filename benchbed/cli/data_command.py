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

Root = Annotated[
    Path | None, typer.Option(help="Folder with the real data. Default: $BENCHBED_DATA.")
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.callback()
def data() -> None:
    """Find, download and verify datasets."""


def _open_to_all() -> str:
    from benchbed.api.specs import DatasetSpec
    from benchbed.registry import registry

    specs = registry().specs(DatasetSpec).values()
    return next((spec.name for spec in specs if spec.downloads), "DATASET")


def _complete_named(incomplete: str) -> list[str]:
    return [name for name in complete_datasets(incomplete) if not name.endswith(":")]


@app.command(epilog=examples("data status", "data status --data-root my/data"))
def status(data_root: Root = None, as_json: Json = False) -> None:
    """Show which datasets are on this machine and how many cases they have."""
    from benchbed import paths
    from benchbed.api.specs import DatasetSpec
    from benchbed.registry import registry

    root = paths.data_root(data_root)
    rows = [_status(spec, root) for spec in registry().specs(DatasetSpec).values()]
    if as_json:
        typer.echo(json.dumps(rows, indent=2))
        return
    from benchbed.cli.console import print_rows

    typer.echo(f"Data root: {root}.", err=True)
    print_rows(rows, empty="No plugin offers a dataset.")


def _status(spec: Any, root: Path) -> dict[str, str]:
    from benchbed.data.collection import collect
    from benchbed.data.source import look
    from benchbed.errors import BenchbedError

    report = look(spec, root)
    if not report.places:
        suffix = "and no phantom" if spec.phantom else "using the phantom"
        return {"dataset": spec.name, "state": f"not found; {suffix}", "cases": "", "folder": ""}
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
            help="Dataset name, folder:PATH or nifti:PATH.", autocompletion=complete_datasets
        ),
    ],
    data_root: Root = None,
    as_json: Json = False,
) -> None:
    """Decode and hash every file. List undecodable files and duplicates."""
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
    name: Annotated[
        str, typer.Argument(help="Name of the dataset.", autocompletion=_complete_named)
    ],
    data_root: Root = None,
    force: Annotated[
        bool,
        typer.Option("--force", help="Download again even if present. The old folder is renamed."),
    ] = False,
) -> None:
    """Download a dataset into the data root, or show how to get it by hand.

    Repeat the command to resume an interrupted download. Exit code: 0 dataset is present, 1 source
    is unreachable or sends a wrong file, 2 no open download, 130 stopped.
    """
    from benchbed import paths
    from benchbed.api.specs import DatasetSpec
    from benchbed.cli.console import ConsoleReporter, print_rows
    from benchbed.data.fetch import FetchFailed
    from benchbed.data.fetch import fetch as download
    from benchbed.registry import registry

    spec = registry().spec(DatasetSpec, name)
    root = paths.data_root(data_root)
    try:
        with ConsoleReporter() as reporter:
            # Wrapped addresses and paths could not be copied.
            say = partial(reporter.console.print, soft_wrap=True, markup=False, highlight=False)
            download(spec, root, force=force, say=say, counted=reporter.counted)
    except FetchFailed as error:
        typer.echo(f"benchbed: {error}", err=True)
        raise typer.Exit(1) from error
    except KeyboardInterrupt as error:
        typer.echo("Stopped. Repeat the command to resume the download.", err=True)
        raise typer.Exit(130) from error
    print_rows([_status(spec, root)], empty="")
    root_option = f" --data-root {shlex.quote(str(data_root))}" if data_root else ""
    typer.echo(f"Next: benchbed data verify {name}{root_option}", err=True)
