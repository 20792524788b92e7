"""``benchbed data inspect``."""

from __future__ import annotations

import json
import os
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from benchbed.api.specs import MethodSpec, TaskSpec
from benchbed.cli.options import DataRootOption, JsonOption, complete_datasets, format_examples
from benchbed.config import paths
from benchbed.config.run_config import RunConfig
from benchbed.data.sources.own_data import parse_own_path
from benchbed.errors import BenchbedError
from benchbed.registry.lookup import get_registry

EPILOG = format_examples("data inspect my/images", "data inspect my/images --write cases.csv")

PREVIEW_WIDTH = 72
"""Maximum width of the picture in the terminal, in columns."""


def inspect(
    name: Annotated[
        str,
        typer.Argument(
            metavar="PATH",
            help="Folder, CSV file, folder:PATH, volumes:PATH, manifest:FILE.csv or dataset name.",
            autocompletion=complete_datasets,
        ),
    ],
    write: Annotated[
        Path | None, typer.Option(help="Write the cases to this CSV file, a manifest.")
    ] = None,
    sheet: Annotated[
        Path | None, typer.Option(help="Save a picture of nine random cases to this PNG file.")
    ] = None,
    data_root: DataRootOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show what would be read from your data, before anything is trained.

    Exit code: 0 a run is accepted, 1 a run is refused.
    """
    from benchbed.cli.output import ConsoleReporter, print_facts
    from benchbed.data.sources.inspection import inspect_data
    from benchbed.runs.task_checks import describe_tasks, find_task_problems

    dataset = _add_prefix(name)
    with ConsoleReporter() as reporter:
        found = inspect_data(dataset, data_root, reporter.report_progress, reporter.report_message)
    if write is not None:
        from benchbed.data.sources.manifest_file import write_manifest

        if found.manifest is None:
            raise BenchbedError(
                f"{name} is a dataset with a layout of its own; it needs no manifest."
            )
        write_manifest(found.manifest, write)
    if sheet is not None:
        _save_sheet(found.collection, sheet)
    tasks = find_task_problems(found.collection)
    facts = found.as_dict() | describe_tasks(tasks)
    if as_json:
        typer.echo(json.dumps(facts, indent=2))
    else:
        print_facts(facts)
        show_preview(found.collection)
    if found.examination.problems or all(tasks.values()):
        raise typer.Exit(1)
    accepted = [name for name, problem in tasks.items() if not problem]
    root = f" --data-root {shlex.quote(str(data_root))}" if data_root else ""
    typer.echo(f"Next: {_suggest_run(found.collection, dataset, accepted)}{root}", err=True)


def _add_prefix(name: str) -> str:
    """Return the dataset of a path: ``folder:PATH`` or ``manifest:FILE.csv``.

    Raises:
        BenchbedError: A path does not exist.
    """
    path = paths.expand_home(Path(name))
    if paths.is_folder(path):
        return f"folder:{name}"
    if paths.is_file(path):
        return f"manifest:{name}"
    if len(path.parts) > 1 and parse_own_path(name) is None:
        raise BenchbedError(f"{name} does not exist.")
    return name


def _save_sheet(collection: Any, path: Path) -> None:
    from PIL import Image

    from benchbed.data.contact_sheet import draw_contact_sheet

    if not collection.cases:
        raise BenchbedError(f"There is no case to draw, so {path} is not written.")
    paths.ensure_writable(path.parent, "--sheet")
    Image.fromarray(draw_contact_sheet(collection)).save(path, format="png")
    typer.echo(f"Picture: {os.fspath(path)}", err=True)


def show_preview(collection: Any) -> None:
    """Show the sheet in half blocks, in terminals with enough colours."""
    from benchbed.cli.output import create_console

    console = create_console()
    if not console.is_terminal or console.color_system not in ("256", "truecolor"):
        return
    if not collection.cases:
        return
    from PIL import Image
    from rich_pixels import Pixels

    from benchbed.data.contact_sheet import COLUMNS, draw_contact_sheet

    # Drawn for this size: outlines would vanish if a large sheet was made smaller.
    sheet = draw_contact_sheet(collection, tile=min(console.width, PREVIEW_WIDTH) // COLUMNS)
    console.print(Pixels.from_image(Image.fromarray(sheet)))


def _suggest_run(collection: Any, dataset: str, tasks: Sequence[str]) -> str:
    """Return a command that trains a method that fits one of the tasks, the usual one first."""
    roles = {role for case in collection.cases for role in case.files}
    roles |= {"label"} if collection.spec.classes else set()
    specs = get_registry().get_specs(TaskSpec)
    default = RunConfig.model_fields["task"].default
    # Tasks that vary the training data come last: they need further options to be of use.
    for name in sorted(tasks, key=lambda name: (name != default, bool(specs[name].regimes))):
        option = "" if name == default else f"--task {name} "
        for spec in get_registry().get_specs(MethodSpec).values():
            fits = collection.spec.dimensions in spec.dimensions and spec.is_trainable
            is_capable = spec.capabilities & specs[name].capabilities
            if is_capable and fits and spec.required_inputs | spec.optional_inputs <= roles:
                return f"benchbed run {option}--method {spec.name} --dataset {shlex.quote(dataset)}"
    return "benchbed list methods"
