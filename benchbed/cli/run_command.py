"""``benchbed run``."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from benchbed.cli.options import (
    complete_datasets,
    complete_methods,
    complete_metrics,
    format_examples,
)

if TYPE_CHECKING:
    from benchbed.cli.output import ConsoleReporter
    from benchbed.config.run_config import RunConfig
    from benchbed.results.store import ResultStore
    from benchbed.runs.execute import RunOutcome
    from benchbed.runs.plan import RunPlan

app = typer.Typer(rich_markup_mode=None, add_completion=False)

PresetName = Literal["quick", "standard", "paper"]

EPILOG = (
    format_examples(
        "run --method {method} --dataset {dataset}",
        "run --method {method} --dataset {dataset} --time 10m --seed 1",
        "run --method {method} --dataset folder:my/pictures --size 128 --set batch_size=16",
        "run --resume RUN",
    )
    + "\n\nRepeat the command to resume a stopped run. Exit code: 0 finished, 1\nfailed, 2 "
    "wrong input, 3 diverged, 130 stopped."
)


@app.command(epilog=EPILOG)
def run(
    method: Annotated[
        str | None, typer.Option(help="Name of the method.", autocompletion=complete_methods)
    ] = None,
    dataset: Annotated[
        str | None,
        typer.Option(
            help="Dataset name, folder:PATH or nifti:PATH.",
            autocompletion=complete_datasets,
        ),
    ] = None,
    task: Annotated[str, typer.Option(help="Task that the method is evaluated on.")] = "synthesis",
    preset: Annotated[
        PresetName, typer.Option(help="Preset for size, budget and sample counts.")
    ] = "quick",
    changes: Annotated[
        list[str] | None,
        typer.Option("--set", help="Method setting as name=value. Repeat for several."),
    ] = None,
    settings: Annotated[
        Path | None, typer.Option(help="YAML file with settings. --set takes precedence.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Random seed.")] = 0,
    source: Annotated[
        Literal["auto", "real", "phantom"],
        typer.Option(help="Which images to use: real, phantom, or auto (real if found)."),
    ] = "auto",
    data_root: Annotated[
        Path | None, typer.Option(help="Folder with the real data. Default: $BENCHBED_DATA.")
    ] = None,
    size: Annotated[int | None, typer.Option(help="Image size in pixels.")] = None,
    kimg: Annotated[
        float | None, typer.Option(help="Training budget in thousands of images.")
    ] = None,
    time: Annotated[
        str | None, typer.Option(help="Training budget as a duration, such as 10m.")
    ] = None,
    samples: Annotated[int | None, typer.Option(help="Number of samples to score.")] = None,
    augment: Annotated[
        Literal["none", "flip"] | None, typer.Option(help="Augmentation of the training images.")
    ] = None,
    metric: Annotated[
        list[str] | None,
        typer.Option(
            help="Metric to compute. Repeat for several.", autocompletion=complete_metrics
        ),
    ] = None,
    regime: Annotated[
        Literal["real", "synthetic", "mixed", "finetuned"] | None,
        typer.Option(help="Training data of a segmentation network (regime)."),
    ] = None,
    generator: Annotated[
        str | None,
        typer.Option(
            help="Method that generates the synthetic pairs.", autocompletion=complete_methods
        ),
    ] = None,
    generator_dataset: Annotated[
        str | None, typer.Option(help="Dataset the generator is trained on. Default: --dataset.")
    ] = None,
    generator_kimg: Annotated[
        float | None,
        typer.Option(
            help="Budget of the generator in thousands of images. Default: from the preset."
        ),
    ] = None,
    pairs: Annotated[int | None, typer.Option(help="Number of synthetic pairs.")] = None,
    real_share: Annotated[
        float | None, typer.Option(help="Fraction of the real training cases to use, such as 0.1.")
    ] = None,
    masks_from: Annotated[
        str | None,
        typer.Option(
            help="Dataset with masks to learn pseudo-labels from, if --dataset has no masks."
        ),
    ] = None,
    annotator: Annotated[
        str | None,
        typer.Option(
            help="Method that predicts the pseudo-labels.",
            autocompletion=complete_methods,
        ),
    ] = None,
    annotator_kimg: Annotated[
        float | None,
        typer.Option(
            help="Budget of the annotator in thousands of images. Default: from the preset."
        ),
    ] = None,
    precision: Annotated[Literal["fp32", "bf16"], typer.Option(help="Precision.")] = "fp32",
    device: Annotated[str, typer.Option(help="Device: auto, cpu, cuda or cuda:N.")] = "auto",
    devices: Annotated[
        int,
        typer.Option(
            min=1, help="Number of devices. Each batch is split over them, one process per device."
        ),
    ] = 1,
    results: Annotated[
        Path | None,
        typer.Option(help="Results folder. Default: $BENCHBED_RESULTS, else ./results."),
    ] = None,
    resume: Annotated[str | None, typer.Option(help="Resume this run.")] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Retrain even if a record or checkpoint exists.")
    ] = False,
    wait: Annotated[
        bool, typer.Option("--wait", help="Wait if another process uses this run.")
    ] = False,
    skip_bad: Annotated[
        bool, typer.Option("--skip-bad", help="Skip images that do not decode.")
    ] = False,
    checkpoint_every: Annotated[
        str, typer.Option(help="Time between checkpoints, such as 60s or 10m.")
    ] = "60s",
    logger: Annotated[
        Literal["tensorboard"] | None,
        typer.Option(help="Also log to this logger, in addition to history.csv."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the record as JSON.")] = False,
) -> None:
    """Train a method on a dataset, score it, and write a record."""
    from benchbed.cli.options import parse_duration
    from benchbed.config import paths
    from benchbed.config.run_config import RunConfig
    from benchbed.config.settings import parse_assignments, read_settings_file
    from benchbed.errors import BenchbedError
    from benchbed.results.store import ResultStore
    from benchbed.training.loggers import check_logger

    check_logger(logger)
    options = {
        "checkpoint_seconds": parse_duration(checkpoint_every, "--checkpoint-every"),
        "logger": logger,
    }
    store = ResultStore(paths.resolve_results_folder(results))
    if resume is not None:
        if method or dataset or changes or settings:
            raise BenchbedError(
                "--resume takes all options from the existing run. Remove the other run options."
            )
        request = _load_run_config(store, resume, data_root)
    else:
        if not method or not dataset:
            raise BenchbedError(
                "--method and --dataset are required. Run `benchbed list methods` and "
                "`benchbed list datasets` to see the names."
            )
        request = RunConfig(
            method=method,
            dataset=dataset,
            task=task,
            preset=preset,
            settings={
                **(read_settings_file(settings) if settings else {}),
                **parse_assignments(changes or ()),
            },
            seed=seed,
            source=source,
            data_root=data_root,
            size=size,
            kimg=kimg,
            seconds=None if time is None else parse_duration(time, "--time"),
            samples=samples,
            augment=augment,
            metrics=tuple(metric or ()),
            precision=precision,
            skip_bad=skip_bad,
            regime=regime,
            generator=generator,
            generator_dataset=generator_dataset,
            generator_kimg=generator_kimg,
            pair_count=pairs,
            real_share=real_share,
            masks_from=masks_from,
            annotator=annotator,
            annotator_kimg=annotator_kimg,
        )
    patience = math.inf if wait else 0.0
    execution = {"device": device, "devices": devices, "force": force, "patience": patience}
    _execute_plan(request, store, options, execution, resume=resume, as_json=as_json)


def _load_run_config(store: ResultStore, run: str, data_root: Path | None) -> RunConfig:
    from benchbed.config.run_config import RunConfig
    from benchbed.results.lookup import find_plan

    _, plan = find_plan(store, run)
    protocol = plan["protocol"]
    root = Path(plan["root"]) if plan["root"] else None
    pairs = plan.get("pairs") or {}
    masks = plan.get("masks") or {}
    return RunConfig(
        method=plan["method"],
        dataset=plan["dataset"],
        task=plan["task"],
        preset=protocol["preset"],
        settings=plan["settings"],
        seed=plan["seed"],
        source=protocol["source"],
        data_root=data_root or root,
        size=protocol["size"],
        kimg=protocol["kimg"],
        seconds=protocol["seconds"],
        samples=protocol["samples"],
        augment=protocol["augment"],
        metrics=tuple(plan["metrics"]),
        precision=plan["precision"],
        skip_bad=plan["skip_bad"],
        regime=pairs.get("regime"),
        generator=pairs.get("generator"),
        generator_dataset=pairs.get("dataset"),
        generator_kimg=pairs.get("kimg"),
        pair_count=pairs.get("count"),
        real_share=pairs.get("real_share"),
        masks_from=masks.get("dataset"),
        annotator=masks.get("annotator"),
        annotator_kimg=masks.get("kimg"),
    )


def _execute_plan(
    request: RunConfig,
    store: ResultStore,
    options: Mapping[str, Any],
    execution: Mapping[str, Any],
    *,
    resume: str | None,
    as_json: bool,
) -> None:
    from benchbed.cli.output import ConsoleReporter
    from benchbed.config import paths
    from benchbed.errors import BenchbedError
    from benchbed.runs.planner import plan_run

    with ConsoleReporter() as reporter:
        planned = plan_run(request, reporter)
        if resume is not None and not planned.id.startswith(resume):
            raise BenchbedError(
                f"Run {resume} cannot be resumed: its data or method settings changed, and its "
                f"id is now {planned.id}. Start a new run with `benchbed run`."
            )
        paths.ensure_writable(store.root)
        outcome = _execute_with_messages(planned, store, reporter, options, execution)
    _print_outcome(outcome, store, reporter, as_json)


def _execute_with_messages(
    planned: RunPlan,
    store: ResultStore,
    reporter: ConsoleReporter,
    options: Mapping[str, Any],
    execution: Mapping[str, Any],
) -> RunOutcome:
    # Imported late: torch is slow to import, and all user errors were found before.
    from benchbed.runs.execute import RunError, execute_run
    from benchbed.training.loop import TrainingInterrupted, TrainingOptions

    reporter.report_message(
        f"Run {planned.id}: {planned.method.title}, {planned.protocol.budget_text}."
    )
    folder = store.get_run_folder(planned.id)
    try:
        return execute_run(
            planned, store, reporter, options=TrainingOptions(**options), **execution
        )
    except TrainingInterrupted as error:
        reporter.report_message(f"Stopped. Resume with: benchbed run --resume {planned.id}")
        raise typer.Exit(130) from error
    except RunError as error:
        reporter.report_message(
            f"The run failed: {error}. See the traceback in {folder / 'log.txt'}."
        )
        raise typer.Exit(1) from error


def _print_outcome(
    outcome: RunOutcome, store: ResultStore, reporter: ConsoleReporter, as_json: bool
) -> None:
    from benchbed.cli.output import build_value_rows, format_duration, print_rows

    record = outcome.record
    path = store.get_record_path(record.id)
    if not outcome.is_new:
        reporter.report_message(f"This run is already complete ({path}). Use --force to retrain.")
    if as_json:
        typer.echo(record.model_dump_json(indent=2))
    elif record.state == "finished":
        print_rows(build_value_rows(record.metrics), empty="No metrics to compute.")
    if record.state == "diverged":
        reporter.report_message(
            f"The run diverged: {record.message}. The record states this as its result."
        )
    reporter.report_message(
        f"{record.training.kimg:.1f} kimg in {format_duration(record.training.seconds)} "
        f"({record.training.images_per_second:.0f} images/s). Record: {path}"
    )
    if outcome.is_new:
        reporter.report_message("Next: benchbed report")
    if record.state == "diverged":
        raise typer.Exit(3)
