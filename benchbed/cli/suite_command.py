"""``benchbed suite``."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from benchbed.cli.options import (
    DeviceOption,
    ResultsOption,
    add_run_options,
    format_examples,
    parse_duration,
)
from benchbed.errors import BenchbedError
from benchbed.utils.text import format_count

if TYPE_CHECKING:
    from benchbed.results.store import ResultStore
    from benchbed.suites.estimate import Estimate, ResourceShare
    from benchbed.suites.executors.base import Executor
    from benchbed.suites.plan import SuiteRun

app = typer.Typer(rich_markup_mode=None, add_completion=False)

EPILOG = (
    format_examples(
        "list suites",
        "suite NAME --dry-run",
        "suite NAME --jobs 2",
        "suite NAME --devices 2",
        "suite NAME --executor ray --address HOST:6379 --results SHARED",
        "suite NAME --seed 0 --seed 1 --seed 2",
        "suite my/suite.yaml --preset standard --source real",
    )
    + "\n\nRepeat the command to resume a stopped suite. Exit code: 0 all runs are\n"
    "complete, 1 some failed, 2 wrong input, 130 stopped."
)


@dataclass(frozen=True)
class ExecutionOptions:
    """Execution options of a suite.

    Attributes:
        executor: ``"local"`` or ``"ray"``.
        address: Address of the Ray cluster.
        jobs: Number of parallel runs.
        threads: Cores of each run, or of each of its processes.
        device: Device option of each run.
        devices: Devices per run.
        checkpoint_seconds: Seconds between checkpoints.
        logger: Logger of each run, in addition to its own files.
    """

    executor: str
    address: str | None
    jobs: int | None
    threads: int | None
    device: str
    devices: int
    checkpoint_seconds: float
    logger: str | None

    @property
    def max_parallel_runs(self) -> int | None:
        """Maximum number of parallel runs; None if only the cluster knows."""
        return self.jobs or (1 if self.executor == "local" else None)

    @property
    def resource_share(self) -> ResourceShare:
        """Resources of each run."""
        from benchbed.suites.estimate import ResourceShare
        from benchbed.suites.executors.local import compute_core_count

        if self.executor == "ray":
            return ResourceShare(self.threads or 1, self.devices)
        cores = compute_core_count(self.threads, (self.max_parallel_runs or 1) * self.devices)
        return ResourceShare(int(cores) if cores.isdigit() else None, self.devices)


def _complete_suites(incomplete: str) -> list[str]:
    from benchbed.suites.spec import list_shipped_suites

    return [name for name in list_shipped_suites() if name.startswith(incomplete)]


@app.command(epilog=EPILOG)
@add_run_options("preset", "source", "data_root", "precision", "skip_bad")
def suite(
    fields: dict[str, Any],
    name: Annotated[
        str,
        typer.Argument(
            help="Name of a suite, or path of a suite file.", autocompletion=_complete_suites
        ),
    ],
    seed: Annotated[
        list[int] | None,
        typer.Option(min=0, help="Random seed, instead of those of the suite. Repeat for several."),
    ] = None,
    method: Annotated[
        list[str] | None,
        typer.Option(
            help="Method to run, instead of all methods of the suite. Repeat for several."
        ),
    ] = None,
    dataset: Annotated[
        list[str] | None,
        typer.Option(help="Dataset to run on, instead of those of the suite. Repeat for several."),
    ] = None,
    executor: Annotated[
        Literal["local", "ray"],
        typer.Option(help="Where to run: local processes or a Ray cluster."),
    ] = "local",
    address: Annotated[
        str | None,
        typer.Option(help="Address of the Ray cluster. Default: $RAY_ADDRESS, else this machine."),
    ] = None,
    jobs: Annotated[
        int | None,
        typer.Option(
            min=1, help="Number of parallel runs. Default: 1, or the capacity of the cluster."
        ),
    ] = None,
    threads: Annotated[
        int | None,
        typer.Option(min=1, help="Cores per run. Default: an even share, or 1 on a cluster."),
    ] = None,
    device: DeviceOption = "auto",
    devices: Annotated[
        int, typer.Option(min=1, help="Number of devices per run, one process per device.")
    ] = 1,
    checkpoint_every: Annotated[
        str, typer.Option(help="Time between checkpoints, such as 60s or 10m.")
    ] = "60s",
    logger: Annotated[
        Literal["tensorboard"] | None,
        typer.Option(help="Also log to this logger, in addition to history.csv."),
    ] = None,
    results: ResultsOption = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print the plan without running anything.")
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the plan as JSON without running anything.")
    ] = False,
) -> None:
    """Run a suite: all of its runs that are not complete yet."""
    from benchbed.cli.output import ConsoleReporter
    from benchbed.config import paths
    from benchbed.config.run_config import RunConfig
    from benchbed.results.store import ResultStore
    from benchbed.suites.plan import iter_run_configs, plan_suite_runs
    from benchbed.suites.spec import check_names, find_suite
    from benchbed.training.loggers import check_logger

    check_logger(logger)
    _check_executor(executor, address)
    options = ExecutionOptions(
        executor,
        address=address,
        jobs=jobs,
        threads=threads,
        device=device,
        devices=devices,
        checkpoint_seconds=parse_duration(checkpoint_every, "--checkpoint-every"),
        logger=logger,
    )
    chosen = find_suite(name).select_entries(method or (), dataset or ())
    check_names(chosen)
    preset = fields.pop("preset", RunConfig.model_fields["preset"].default)
    configs = iter_run_configs(chosen, preset, seeds=seed, **fields)
    store = ResultStore(paths.resolve_results_folder(results))
    with ConsoleReporter() as reporter:
        planned = plan_suite_runs(list(configs), reporter)
    if as_json:
        rows = [{"run": m.plan.id, "state": m.get_state(store)} for m in planned]
        typer.echo(json.dumps(rows, indent=2))
        return
    pending, expected = _print_plan(chosen.title, planned, store, options)
    if not dry_run and pending:
        paths.ensure_writable(store.root)
        _execute_suite(pending, expected, store, options)
    elif not pending:
        typer.echo("Next: benchbed report", err=True)


def _print_plan(
    title: str, planned: list[SuiteRun], store: ResultStore, options: ExecutionOptions
) -> tuple[list[SuiteRun], Estimate]:
    """Print the state of the suite.

    Returns:
        The runs that are not complete, and the estimate of their duration.
    """
    from benchbed.cli.output import print_rows
    from benchbed.suites.estimate import estimate_duration

    states = {suite_run.plan.id: suite_run.get_state(store) for suite_run in planned}
    pending = [m for m in planned if states[m.plan.id] in ("begun", "missing")]
    _check_devices(pending, options.devices)
    print_rows(_build_grid(planned, states), empty="No run.")
    expected = estimate_duration(pending, store, options.resource_share)
    count, first = len(pending), expected.upstream_count
    rest = f", {count} to run" if pending else ""
    rest += f" after {first} upstream runs" if first else ""
    typer.echo(
        f"{title}: {format_count(len(planned), 'run')}, {len(planned) - count} complete{rest}.",
        err=True,
    )
    if pending:
        typer.echo(format_estimate(expected, options.max_parallel_runs), err=True)
    return pending, expected


def format_estimate(expected: Estimate, room: int | None) -> str:
    """Format the estimated duration; `room` is None if only the cluster knows its capacity."""
    from benchbed.cli.output import format_duration

    if expected.unknown_speeds:
        return (
            "Duration unknown: no record contains the speed of "
            f"{', '.join(expected.unknown_speeds)}."
        )
    training = f"about {format_duration(expected.total_seconds)} of training"
    if room is None:
        message = (
            f"Estimated duration: {training} in total, divided by the number of parallel runs of "
            "the cluster."
        )
    elif (room := min(room, len(expected.pending_plans))) == 1:
        message = f"Estimated duration: {training}, one run at a time."
    else:
        wall = format_duration(expected.estimate_wall_seconds(room))
        message = (
            f"Estimated duration: about {wall} with {room} parallel runs, {training} in total."
        )
    if not expected.has_same_resources:
        message += (
            " Some records behind this estimate used a different number of cores or devices "
            "per run."
        )
    return message


def _build_grid(planned: list[SuiteRun], states: Mapping[str, str]) -> list[dict[str, str]]:
    """Return a row per dataset and method, with the state of each seed."""
    rows: dict[tuple[str, str], dict[str, str]] = {}
    for suite_run in planned:
        protocol = suite_run.plan.protocol
        data = f"{protocol.dataset} ({protocol.source})"
        row = rows.setdefault(
            (data, suite_run.row_label), {"dataset": data, "method": suite_run.row_label}
        )
        row[f"seed {suite_run.plan.seed}"] = states[suite_run.plan.id]
    return list(rows.values())


def _check_executor(executor: str, address: str | None) -> None:
    if executor == "ray":
        from benchbed.suites.executors.ray import check_ray

        check_ray()
    elif address is not None:
        raise BenchbedError("--address requires --executor ray.")


def _check_devices(pending: Sequence[SuiteRun], devices: int) -> None:
    """Refuse a suite with a run that does not support this number of devices."""
    if devices == 1:
        return
    from benchbed.runs.workers import check_devices

    for suite_run in pending:
        try:
            check_devices(suite_run.plan, suite_run.count_devices(devices))
        except BenchbedError as error:
            raise BenchbedError(
                f"No run started because {suite_run.plan.id} cannot run: {error}"
            ) from (error)


def _create_executor(
    options: ExecutionOptions, store: ResultStore, log: Callable[[str], None]
) -> Executor:
    if options.executor == "ray":
        from benchbed.suites.executors.ray import RayExecutor

        return RayExecutor(
            store,
            address=options.address,
            jobs=options.jobs,
            threads=options.threads or 1,
            device=options.device,
            options={"checkpoint_seconds": options.checkpoint_seconds, "logger": options.logger},
            devices=options.devices,
            log=log,
        )
    from benchbed.suites.executors.local import LocalExecutor, select_accelerators

    jobs = options.max_parallel_runs or 1
    logger_options = () if options.logger is None else ("--logger", options.logger)
    return LocalExecutor(
        store,
        jobs=jobs,
        threads=options.threads,
        device=options.device,
        accelerators=select_accelerators(options.device, jobs, options.devices),
        devices=options.devices,
        arguments=("--checkpoint-every", f"{options.checkpoint_seconds:g}s", *logger_options),
    )


def _execute_suite(
    pending: list[SuiteRun], expected: Estimate, store: ResultStore, options: ExecutionOptions
) -> None:
    from benchbed.cli.suite_progress import ProgressTable
    from benchbed.suites.scheduler import STOPPED_EXIT_CODE, execute_runs

    outcomes: list[str] = []
    with ProgressTable(store, len(pending)) as watch:
        executor = _create_executor(options, store, watch.report_message)
        if options.max_parallel_runs is None and executor.capacity and not expected.unknown_speeds:
            watch.report_message(format_estimate(expected, executor.capacity))
        for ended in execute_runs(
            pending, executor, watch=watch.show_progress, log=watch.report_message
        ):
            outcomes.append(ended.outcome)
            watch.report_finished(ended)
    counts = ", ".join(f"{outcomes.count(word)} {word}" for word in dict.fromkeys(outcomes))
    left = len(pending) - len(outcomes) + outcomes.count("stopped")
    typer.echo(f"{counts}{f', {left} left' if left else ''}. Next: benchbed report", err=True)
    if left:
        typer.echo("Repeat the command to resume.", err=True)
        raise typer.Exit(STOPPED_EXIT_CODE)
    if "broken" in outcomes:
        raise typer.Exit(1)
