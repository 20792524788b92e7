"""``benchbed export``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from benchbed.cli.options import JsonOption, ResultsOption, RunArgument, format_examples
from benchbed.config import paths
from benchbed.results.store import ResultStore

app = typer.Typer(rich_markup_mode=None, add_completion=False)


@app.command(epilog=format_examples("export RUN", "export RUN --out shared/run.zip --no-pictures"))
def export(
    run: RunArgument,
    out: Annotated[
        Path | None,
        typer.Option(help="Output file or folder. Default: RUN.zip in the current folder."),
    ] = None,
    pictures: Annotated[
        bool, typer.Option(help="Include the sample grid and the nearest training images.")
    ] = True,
    results: ResultsOption = None,
    as_json: JsonOption = False,
) -> None:
    """Pack a completed run into one zip file for `benchbed import`.

    The file contains weights (safetensors, no pickle), settings, protocol, record, loss history,
    sample grid, a model card, and a manifest with SHA-256 checksums. Exporting the same run twice
    gives identical bytes.
    """
    from benchbed.sharing.export import export_run as pack
    from benchbed.sharing.export import find_exportable_run

    exportable = find_exportable_run(ResultStore(paths.resolve_results_folder(results)), run)
    name = f"{exportable.record.id}.zip"
    file = Path(name) if out is None else out / name if out.is_dir() else out
    paths.ensure_writable(file.parent)
    exported = pack(exportable, file, pictures=pictures)
    if as_json:
        facts = {"run": exportable.record.id, "file": str(file), "sha256": exported.sha256}
        typer.echo(json.dumps({**facts, "members": exported.members}, indent=2))
    else:
        from rich.filesize import decimal

        typer.echo(f"{file} ({decimal(file.stat().st_size)}), SHA-256 {exported.sha256}")
    if exportable.record.source != "real":
        return
    if any(name.endswith(".png") for name in exported.members):
        typer.echo(
            "The images may show real training images; the licence of the data applies to "
            "them. Use --no-pictures to exclude them.",
            err=True,
        )
    if exported.stored_tensors:
        typer.echo(
            "The weights contain values of real training cases, such as masks "
            f"({', '.join(exported.stored_tensors)}). The licence of the data applies to them.",
            err=True,
        )
