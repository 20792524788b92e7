"""``benchbed new``."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from benchbed.api.specs import DatasetSpec, MethodSpec
from benchbed.cli.options import format_examples
from benchbed.registry.lookup import get_registry
from benchbed.utils.text import format_count

app = typer.Typer(rich_markup_mode=None, add_completion=False, no_args_is_help=True)

NameArgument = Annotated[str, typer.Argument(help="Name: lower-case words joined by hyphens.")]
IntoOption = Annotated[Path, typer.Option(help="Parent folder of the new folder NAME.")]


@app.callback()
def new() -> None:
    """Create a package for a new method or dataset. It works without changes."""


@app.command(epilog=format_examples("new method my-gan", "new method my-gan --into plugins"))
def method(name: NameArgument, into: IntoOption = Path()) -> None:
    """Create a package with a method: a small GAN to replace part by part."""
    from benchbed.scaffold.package import create_package

    files = create_package("method", name, into)
    specs = get_registry().get_specs(DatasetSpec).values()
    partner = next((spec.name for spec in specs if spec.phantom and spec.dimensions == 2), None)
    _print_next_steps(name, into, files, ["--method", name, "--dataset", partner])


@app.command(
    epilog=format_examples("new dataset my-images", "new dataset my-images --into plugins")
)
def dataset(name: NameArgument, into: IntoOption = Path()) -> None:
    """Create a package with a dataset: layout, splits and a phantom."""
    from benchbed.scaffold.package import create_package

    files = create_package("dataset", name, into)
    specs = get_registry().get_specs(MethodSpec).values()
    partner = next(
        (m.name for m in specs if "sample" in m.capabilities and not m.required_inputs), None
    )
    _print_next_steps(name, into, files, ["--method", partner, "--dataset", name])


def _print_next_steps(
    name: str, into: Path, files: Sequence[Path], run: Sequence[str | None]
) -> None:
    """Print what was written and the next commands; no run without a partner for it."""
    folder = into / name
    commands = [["pip", "install", "-e", str(folder)], ["benchbed", "check", name]]
    if None not in run:
        commands.append(["benchbed", "run", *(word for word in run if word)])
    typer.echo(
        f"{format_count(len(files), 'file')} written to {folder}. README.md describes what to "
        "replace. Next:"
    )
    for command in commands:
        typer.echo(f"  {shlex.join(command)}")
