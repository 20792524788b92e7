"""``benchbed data inspect``."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Annotated, Any

import typer

from benchbed.api.specs import MethodSpec
from benchbed.cli.options import DataRootOption, JsonOption, complete_datasets, format_examples
from benchbed.config import paths
from benchbed.errors import BenchbedError
from benchbed.registry.lookup import get_registry

EPILOG = format_examples("data inspect my/images", "data inspect my/images --write cases.csv")


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
    if as_json:
        typer.echo(json.dumps(found.as_dict(), indent=2))
    else:
        print_facts(found.as_dict())
    if found.examination.problems:
        raise typer.Exit(1)
    typer.echo(f"Next: {_suggest_run(found.collection, dataset)}", err=True)


def _add_prefix(name: str) -> str:
    """Return the dataset of a path: ``folder:PATH`` or ``manifest:FILE.csv``."""
    path = paths.expand_home(Path(name))
    if paths.is_folder(path):
        return f"folder:{name}"
    return f"manifest:{name}" if paths.is_file(path) else name


def _save_sheet(collection: Any, path: Path) -> None:
    from PIL import Image

    from benchbed.data.contact_sheet import draw_contact_sheet

    if not collection.cases:
        raise BenchbedError(f"There is no case to draw, so {path} is not written.")
    paths.ensure_writable(path.parent, "--sheet")
    Image.fromarray(draw_contact_sheet(collection)).save(path, format="png")
    typer.echo(f"Picture: {os.fspath(path)}", err=True)


def _suggest_run(collection: Any, dataset: str) -> str:
    """Return a command that trains a method that fits: it samples, or else segments."""
    roles = {role for case in collection.cases for role in case.files}
    for capability, options in (("sample", ""), ("segment", "--task segmentation ")):
        for spec in get_registry().get_specs(MethodSpec).values():
            fits = collection.spec.dimensions in spec.dimensions and spec.is_trainable
            if capability in spec.capabilities and fits and spec.required_inputs <= roles:
                return f"benchbed run {options}--method {spec.name} --dataset {dataset}"
    return "benchbed list methods"
