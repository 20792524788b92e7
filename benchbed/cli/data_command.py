"""``benchbed data``."""

from __future__ import annotations

import json
import shlex
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from benchbed.api.specs import DatasetSpec
from benchbed.cli.inspect_command import EPILOG, inspect
from benchbed.cli.options import DataRootOption, JsonOption, complete_datasets, format_examples
from benchbed.config import paths
from benchbed.errors import BenchbedError
from benchbed.registry.lookup import get_registry

app = typer.Typer(rich_markup_mode=None, add_completion=False, no_args_is_help=True)


@app.callback()
def data() -> None:
    """Find, download and verify datasets."""


def _complete_named(incomplete: str) -> list[str]:
    return [name for name in complete_datasets(incomplete) if not name.endswith(":")]


@app.command(epilog=format_examples("data status", "data status --data-root my/data"))
def status(data_root: DataRootOption = None, as_json: JsonOption = False) -> None:
    """Show which datasets are on this machine and how many cases they have.

    Variants of a dataset are shown only if they are found.
    """
    root = paths.resolve_data_root(data_root)
    rows = [
        row
        for spec, *variants in get_registry().group_datasets()
        for row in [
            _describe_status(spec, root),
            *(each for each in (_describe_status(v, root) for v in variants) if each["folder"]),
        ]
    ]
    if as_json:
        typer.echo(json.dumps(rows, indent=2))
        return
    from benchbed.cli.output import print_rows

    typer.echo(f"Data root: {root}.", err=True)
    print_rows(rows, empty="No plugin provides a dataset.")


def _describe_status(spec: Any, root: Path) -> dict[str, str]:
    from benchbed.data.sources.resolve import find_dataset

    location = find_dataset(spec, root)
    if not location.paths:
        suffix = "using the phantom" if spec.phantom else "and no phantom"
        return {"dataset": spec.name, "state": f"not found; {suffix}", "cases": "", "folder": ""}
    folders = ", ".join(map(str, location.paths))
    try:
        counts = location.collect_cases().count_cases()
    except BenchbedError as error:
        return {"dataset": spec.name, "state": str(error), "cases": "", "folder": folders}
    cases = ", ".join(f"{count} {split}" for split, count in counts.items())
    return {"dataset": spec.name, "state": "real", "cases": cases, "folder": folders}


@app.command(epilog=format_examples("data verify {dataset}", "data verify folder:mine"))
def verify(
    name: Annotated[
        str,
        typer.Argument(
            help="Dataset name, folder:PATH, volumes:PATH or manifest:FILE.csv.",
            autocompletion=complete_datasets,
        ),
    ],
    data_root: DataRootOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make every check that a run makes, without training: decode and compare all files.

    Exit code: 0 a run is accepted, 1 a run is refused.
    """
    from benchbed.cli.output import ConsoleReporter, print_facts
    from benchbed.data.sources.resolve import resolve_collection
    from benchbed.data.sources.verification import verify_files
    from benchbed.runs.task_checks import describe_tasks, find_task_problems

    with ConsoleReporter() as reporter:
        collection = resolve_collection(name, "real", data_root, reporter.report_message)
        findings = verify_files(collection, reporter.report_progress, reporter.report_message)
    tasks = find_task_problems(findings.examination.collection)
    facts = findings.as_dict() | describe_tasks(tasks)
    if as_json:
        typer.echo(json.dumps(facts, indent=2))
    else:
        print_facts(facts)
    if findings.examination.problems or all(tasks.values()):
        raise typer.Exit(1)


app.command(epilog=EPILOG)(inspect)


_DOWNLOADABLE = next(
    (spec.name for spec in get_registry().get_specs(DatasetSpec).values() if spec.downloads),
    "DATASET",
)


@app.command(
    epilog=format_examples(
        f"data fetch {_DOWNLOADABLE}", f"data fetch {_DOWNLOADABLE} --data-root my/data"
    )
)
def fetch(
    name: Annotated[
        str, typer.Argument(help="Name of the dataset.", autocompletion=_complete_named)
    ],
    data_root: DataRootOption = None,
    force: Annotated[
        bool,
        typer.Option("--force", help="Download again even if present. The old folder is renamed."),
    ] = False,
) -> None:
    """Download a dataset into the data root, or show how to get it by hand.

    Repeat the command to resume an interrupted download. Exit code: 0 dataset is present, 1 source
    is unreachable or sends a wrong file, 2 no open download, 130 stopped.
    """
    from benchbed.cli.output import ConsoleReporter, print_rows
    from benchbed.data.download.fetch import FetchError, fetch_dataset

    spec = get_registry().get_spec(DatasetSpec, name)
    root = paths.resolve_data_root(data_root)
    try:
        with ConsoleReporter() as reporter:
            # Wrapped addresses and paths could not be copied.
            log = partial(reporter.console.print, soft_wrap=True, markup=False, highlight=False)
            fetch_dataset(spec, root, force=force, log=log, progress=reporter.report_progress)
    except FetchError as error:
        typer.echo(f"benchbed: {error}", err=True)
        raise typer.Exit(1) from error
    except KeyboardInterrupt as error:
        typer.echo("Stopped. Repeat the command to resume the download.", err=True)
        raise typer.Exit(130) from error
    print_rows([_describe_status(spec, root)], empty="")
    root_option = f" --data-root {shlex.quote(str(data_root))}" if data_root else ""
    typer.echo(f"Next: benchbed data verify {name}{root_option}", err=True)
