"""``benchbed run``."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from benchbed.cli.options import (
    DeviceOption,
    ResultsOption,
    WeightsOption,
    add_run_options,
    format_examples,
    parse_duration,
    use_weights,
)

if TYPE_CHECKING:
    from benchbed.cli.output import ConsoleReporter
    from benchbed.config.run_config import RunConfig
    from benchbed.results.store import ResultStore
    from benchbed.runs.execute import RunOutcome
    from benchbed.runs.plan import RunPlan

app = typer.Typer(rich_markup_mode=None, add_completion=False)

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
@add_run_options(without="precision")
def run(
    fields: dict[str, Any],
    precision: Annotated[
        Literal["auto", "fp32", "bf16"],
        typer.Option(
            help="Precision. auto: bf16 where a short measurement finds it faster, else fp32."
        ),
    ] = "fp32",
    settings_file: Annotated[
        Path | None,
        typer.Option("--settings", help="YAML file with settings. --set takes precedence."),
    ] = None,
    device: DeviceOption = "auto",
    devices: Annotated[
        int,
        typer.Option(
            min=1, help="Number of devices. Each batch is split over them, one process per device."
        ),
    ] = 1,
    results: ResultsOption = None,
    resume: Annotated[str | None, typer.Option(help="Resume this run.")] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Retrain even if a record or checkpoint exists.")
    ] = False,
    keep_changed: Annotated[
        bool,
        typer.Option(
            "--keep-changed",
            help="Keep the result of a run whose method's code changed since.",
        ),
    ] = False,
    wait: Annotated[
        bool, typer.Option("--wait", help="Wait if another process uses this run.")
    ] = False,
    checkpoint_every: Annotated[
        str, typer.Option(help="Time between checkpoints, such as 60s or 10m.")
    ] = "60s",
    logger: Annotated[
        Literal["tensorboard"] | None,
        typer.Option(help="Also log to this logger, in addition to history.csv."),
    ] = None,
    weights: WeightsOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the record as JSON.")] = False,
) -> None:
    """Train a method on a dataset, score it, and write a record."""
    from benchbed.config import paths
    from benchbed.config.run_config import RunConfig, get_flag
    from benchbed.config.settings import read_settings_file
    from benchbed.errors import BenchbedError
    from benchbed.results.lookup import find_config
    from benchbed.results.store import ResultStore
    from benchbed.training.loggers import check_logger

    check_logger(logger)
    use_weights(weights)
    options = {
        "checkpoint_seconds": parse_duration(checkpoint_every, "--checkpoint-every"),
        "logger": logger,
    }
    store = ResultStore(paths.resolve_results_folder(results))
    if resume is not None:
        if precision != "fp32":
            fields["precision"] = precision
        given = [get_flag(name) for name in fields if name != "data_root"]
        if settings_file:
            given.append("--settings")
        if given:
            raise BenchbedError(
                f"--resume takes all options from the existing run. Remove {', '.join(given)}."
            )
        _, config = find_config(store, resume)
        if "data_root" in fields:
            config = config.model_copy(update={"data_root": fields["data_root"]})
    else:
        if not (fields.get("method") and fields.get("dataset")):
            raise BenchbedError(
                "--method and --dataset are required. Run `benchbed list methods` and "
                "`benchbed list datasets` to see the names."
            )
        if settings_file:
            fields["settings"] = read_settings_file(settings_file) | fields.get("settings", {})
        config = _apply_precision(RunConfig(**fields), precision, device)
    timeout = math.inf if wait else 0.0
    execution = {
        **{"device": device, "devices": devices, "force": force, "timeout": timeout},
        "keep_changed": keep_changed,
    }
    _execute_plan(config, store, options, execution, resume=resume, as_json=as_json)


def _apply_precision(
    config: RunConfig, precision: Literal["auto", "fp32", "bf16"], device: str
) -> RunConfig:
    """Return the configuration with a precision, which is measured for ``auto``."""
    if precision == "auto":
        from benchbed.cli.output import ConsoleReporter
        from benchbed.runs.precision import choose_precision

        with ConsoleReporter() as reporter:
            precision = choose_precision(device, reporter.report_message)
    return config.model_copy(update={"precision": precision})


def _execute_plan(
    config: RunConfig,
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
        planned = plan_run(config, reporter)
        if resume is not None and not planned.id.startswith(resume):
            raise BenchbedError(
                f"Run {resume} cannot be resumed: its data, its method's settings or the version "
                f"of the protocol changed, and its id is now {planned.id}. Start a new run with "
                "`benchbed run`."
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
    from benchbed.results.commands import format_command

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
        command = format_command(store, "run", "--resume", planned.id)
        reporter.report_message(f"Stopped. Resume with: {command}")
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
        _suggest_next_commands(outcome, store, reporter)
    if record.state == "diverged":
        raise typer.Exit(3)


def _suggest_next_commands(
    outcome: RunOutcome, store: ResultStore, reporter: ConsoleReporter
) -> None:
    """Print what to do with a new run: look at it, draw samples, compare it with others."""
    from benchbed.api.specs import MethodSpec
    from benchbed.registry.lookup import get_registry
    from benchbed.results.commands import format_command

    run, method = outcome.record.id, outcome.record.method
    can_sample = "sample" in get_registry().get_spec(MethodSpec, method).capabilities
    reporter.report_message("Next:")
    for words in (["show", run], *([["sample", run]] if can_sample else []), ["report"]):
        reporter.report_message(f"  {format_command(store, *words)}")
