"""``benchbed evaluate``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from benchbed.api.specs import MetricSpec, TaskSpec
from benchbed.cli.options import DeviceOption, JsonOption, complete_metrics, format_examples
from benchbed.registry.lookup import get_registry

app = typer.Typer(rich_markup_mode=None, add_completion=False)


@app.command(epilog=format_examples("evaluate --real photographs --fake samples --size 64"))
def evaluate(
    real: Annotated[Path, typer.Option(help="Folder with the real images.")],
    fake: Annotated[Path, typer.Option(help="Folder with the images to score.")],
    size: Annotated[
        int | None,
        typer.Option(
            min=16,
            max=8192,
            help="Size that all images are resized to. Default: the largest size without "
            "upsampling.",
        ),
    ] = None,
    held_out: Annotated[
        Path | None,
        typer.Option(help="Folder with real images that were not used for training."),
    ] = None,
    metric: Annotated[
        list[str] | None,
        typer.Option(
            help="Metric to compute. Repeat for several.", autocompletion=complete_metrics
        ),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Random seed of the metrics.")] = 0,
    device: DeviceOption = "auto",
    skip_bad: Annotated[
        bool, typer.Option("--skip-bad", help="Skip images that do not decode.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Score a folder of images against a folder of real images."""
    from benchbed.api.metric import MemorisationSets
    from benchbed.cli.output import ConsoleReporter
    from benchbed.data.image_folder import (
        check_separate_folders,
        check_separate_images,
        find_common_size,
        open_folder,
    )
    from benchbed.runs.validate import check_input_kind

    names = metric or get_registry().get_spec(TaskSpec, "synthesis").metrics
    specs = tuple(get_registry().get_spec(MetricSpec, name) for name in names)
    check_input_kind(specs, {"images"}, "benchbed evaluate")
    with ConsoleReporter() as reporter:
        options = {"--real": real, "--fake": fake, "--held-out": held_out}
        paths = {option: path for option, path in options.items() if path is not None}
        check_separate_folders(paths)
        opened = {
            option: open_folder(path, skip_bad, reporter.report_progress)
            for option, path in paths.items()
        }
        check_separate_images(opened)
        folders = list(opened.values())
        chosen = size or find_common_size(folders)
        photographs, generated, *rest = (
            folder.load_images(chosen, reporter.report_progress) for folder in folders
        )
        unseen = MemorisationSets(photographs, rest[0]) if rest else None
        from benchbed.metrics.features.cache import FeatureCache
        from benchbed.tasks.scoring import resolve_available_metrics, score_sets
        from benchbed.training.device import create_fabric

        specs = resolve_available_metrics(specs, reporter)
        features = FeatureCache(create_fabric(device, "fp32").device, reporter.report_progress)
        values = score_sets(
            specs, photographs, generated, features,
            seed=seed, unseen=unseen, progress=reporter.report_progress,
        )  # fmt: skip
    if as_json:
        typer.echo(json.dumps([value.as_dict() for value in values], indent=2))
        return
    from benchbed.cli.output import build_value_rows, print_rows

    print_rows(build_value_rows(values), empty="No metrics to compute.")
    typer.echo(f"Resizing all images to {chosen} px.", err=True)
