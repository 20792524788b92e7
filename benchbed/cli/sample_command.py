"""``benchbed sample``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from benchbed.cli.options import DeviceOption, ResultsOption, RunArgument, format_examples
from benchbed.config import paths
from benchbed.results.lookup import find_run
from benchbed.results.store import ResultStore

app = typer.Typer(rich_markup_mode=None, add_completion=False)


@app.command(epilog=format_examples("sample RUN -n 100 --out images"))
def sample(
    run: RunArgument,
    count: Annotated[int, typer.Option("-n", "--count", min=1, help="Number of images.")] = 16,
    out: Annotated[Path, typer.Option(help="Output folder.")] = Path("samples"),
    seed: Annotated[int, typer.Option(min=0, help="Random seed.")] = 0,
    device: DeviceOption = "auto",
    results: ResultsOption = None,
) -> None:
    """Sample images from a completed run: one PNG per sample, plus the method's other outputs.

    Volumes are written as NIfTI together with their masks. An overview image shows the first ones.
    """
    from benchbed.cli.output import ConsoleReporter

    store = ResultStore(paths.resolve_results_folder(results))
    find_run(store, run)
    folder = paths.ensure_writable(out)
    from benchbed.runs.build import load_trained_method
    from benchbed.training.sampling import draw_samples
    from benchbed.training.visualization.images import save_samples

    with ConsoleReporter() as reporter:
        name, method = load_trained_method(store, run, device)
        samples = draw_samples(
            method, count, seed, lambda n: reporter.report_progress("sampling", n, count)
        )
        if method.data.dimensions == 3:
            # Imported late: nibabel is slow to load, and only volumes need it.
            from benchbed.training.visualization.volumes import save_volumes

            save_volumes(samples, folder)
        else:
            save_samples(samples, folder)
    typer.echo(f"{count} samples of {name} written to {folder}.", err=True)
