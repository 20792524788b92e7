"""``benchbed evaluate``."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from benchbed.api.specs import MetricSpec, TaskSpec
from benchbed.cli.options import (
    DeviceOption,
    JsonOption,
    WeightsOption,
    complete_metrics,
    format_examples,
    use_weights,
)
from benchbed.config.protocol import parse_window
from benchbed.errors import BenchbedError
from benchbed.registry.lookup import get_registry

if TYPE_CHECKING:
    from benchbed.api.metric import ImageSet, MetricValue
    from benchbed.tasks.scoring import SampleCounts
    from benchbed.utils.progress import Reporter

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
    resize: Annotated[
        Literal["crop", "pad", "stretch"],
        typer.Option(
            help="How images become square: crop to the central square, pad with black, or stretch."
        ),
    ] = "crop",
    window: Annotated[
        str | None,
        typer.Option(
            help="Values that become black and white in images of more than 8 bits, LOW,HIGH; "
            "or per-file to stretch each image. Default: the 0.5th and 99.5th percentile of all "
            "real images.",
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
    weights: WeightsOption = None,
    as_json: JsonOption = False,
) -> None:
    """Score a folder of images against a folder of real images."""
    from benchbed.runs.validate import check_input_kind

    use_weights(weights)
    names = metric or get_registry().get_spec(TaskSpec, "synthesis").metrics
    specs = tuple(get_registry().get_spec(MetricSpec, name) for name in names)
    check_input_kind(specs, {"images"}, "benchbed evaluate")
    # numpy is slow to import, and the errors above do not need it.
    from benchbed.cli.output import ConsoleReporter, build_value_rows, print_rows
    from benchbed.data.image_comparison import (
        describe_copies,
        describe_window,
        find_common_size,
        open_folders,
    )

    declared = None if window is None else parse_window(window, "--window")
    options = {"--real": real, "--fake": fake, "--held-out": held_out}
    paths = {option: path for option, path in options.items() if path is not None}
    with ConsoleReporter() as reporter:
        folders = open_folders(
            paths,
            skip_bad=skip_bad, window=declared, progress=reporter.report_progress,
            log=reporter.report_message,
        )  # fmt: skip
        from benchbed.tasks.scoring import SampleCounts  # imports torch, which errors do not need

        counts = SampleCounts(*(len(folder.shapes) for folder in folders.values()))
        _check_counts(specs, counts, allow_some=metric is None)
        chosen = size or find_common_size(folders.values(), resize)
        for option, folder in folders.items():
            for line in (*folder.notes, folder.describe_loading(chosen, resize)):
                reporter.report_message(f"{option}: {line}")
        for line in filter(None, (describe_window(folders, declared), describe_copies(folders))):
            reporter.report_message(line)
        sets = [
            folder.load_images(chosen, resize, reporter.report_progress, reporter.report_message)
            for folder in folders.values()
        ]
        values = _score_folders(specs, sets, reporter, seed=seed, device=device)
    if as_json:
        typer.echo(json.dumps([value.as_dict() for value in values], indent=2))
        return
    print_rows(build_value_rows(values), empty="No metrics to compute.")


def _check_counts(specs: Sequence[MetricSpec], counts: SampleCounts, *, allow_some: bool) -> None:
    """Refuse metrics that cannot be computed from so few images, before any is computed.

    Args:
        specs: The metrics.
        counts: Numbers of images.
        allow_some: Whether one metric that can be computed is enough.

    Raises:
        BenchbedError: A metric cannot be computed, or with `allow_some`, none.
    """
    reasons = {spec.name: counts.find_refusal_reason(spec) for spec in specs}
    refused = [f"{name} {reason}" for name, reason in reasons.items() if reason]
    if refused and not (allow_some and len(refused) < len(specs)):
        raise BenchbedError(
            f"These metrics cannot be computed: {'; '.join(refused)}. Add images, or select other "
            "metrics with --metric."
        )


def _score_folders(
    specs: tuple[MetricSpec, ...],
    sets: Sequence[ImageSet],
    reporter: Reporter,
    *,
    seed: int,
    device: str,
) -> list[MetricValue]:
    """Score fakes against real images, and report what makes a value unreliable.

    Args:
        specs: The metrics.
        sets: Real images, fakes and, optionally, held-out real images.
        reporter: Receives progress and warnings.
        seed: Random seed of the metrics.
        device: Device of the features.
    """
    from benchbed.api.metric import MemorisationSets
    from benchbed.metrics.features.cache import FeatureCache
    from benchbed.tasks.scoring import resolve_available_metrics, score_sets
    from benchbed.training.device import create_fabric

    real, fake, *rest = sets
    values = score_sets(
        resolve_available_metrics(specs, reporter),
        real,
        fake,
        FeatureCache(create_fabric(device, "fp32").device, reporter.report_progress),
        seed=seed,
        unseen=MemorisationSets(real, rest[0]) if rest else None,
        progress=reporter.report_progress,
    )
    for value in values:
        if value.value is not None and value.note:
            title = get_registry().get_spec(MetricSpec, value.metric).title
            reporter.report_message(f"{title} is {value.note}.")
    return values
