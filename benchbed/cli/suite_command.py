"""``benchbed suite``."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from benchbed.cli.examples import examples
from benchbed.errors import BenchbedError

if TYPE_CHECKING:
    from benchbed.runs.store import Store
    from benchbed.suites.estimate import Estimate, Share
    from benchbed.suites.executors.executor import Executor
    from benchbed.suites.grid import Member

app = typer.Typer(rich_markup_mode=None, add_completion=False)

EPILOG = (
    examples(
        "list suites",
        "suite NAME --dry-run",
        "suite NAME --jobs 2",
        "suite NAME --devices 2",
        "suite NAME --executor ray --address HOST:6379 --results SHARED",
        "suite NAME --seed 0 --seed 1 --seed 2",
        "suite my/suite.yaml --preset standard --source real",
    )
    + """

A suite that was stopped goes on when the same command is given again. Exit code: 0 all runs are
done, 1 some broke, 2 wrong input, 130 stopped."""
)


@dataclass(frozen=True)
class Where:
    """Where the runs are computed.

    Attributes:
        executor: ``"local"`` or ``"ray"``.
        address: Of the Ray cluster.
        jobs: Runs that go on at a time.
        threads: Cores of each run, or of each of its processes.
        device: Where each computes.
        devices: How many devices train each together.
        every: Seconds between checkpoints.
        logger: What each run tells beside its own files.
    """

    executor: str
    address: str | None
    jobs: int | None
    threads: int | None
    device: str
    devices: int
    every: float
    logger: str | None

    @property
    def room(self) -> int | None:
        """How many runs go on at a time; None where only the cluster knows."""
        return self.jobs or (1 if self.executor == "local" else None)

    @property
    def share(self) -> Share:
        """What each run has of a machine."""
        from benchbed.suites.estimate import Share
        from benchbed.suites.executors.local import cores_each

        if self.executor == "ray":
            return Share(self.threads or 1, self.devices)
        cores = cores_each(self.threads, (self.room or 1) * self.devices)
        return Share(int(cores) if cores.isdigit() else None, self.devices)


def _complete(incomplete: str) -> list[str]:
    from benchbed.suites.suite import shipped

    return [name for name in shipped() if name.startswith(incomplete)]


@app.command(epilog=EPILOG)
def suite(
    name: Annotated[
        str, typer.Argument(help="Name of a suite, or a suite file.", autocompletion=_complete)
    ],
    preset: Annotated[
        Literal["quick", "standard", "paper"], typer.Option(help="Size, budget and counts.")
    ] = "quick",
    seed: Annotated[
        list[int] | None, typer.Option(min=0, help="Seed, instead of the suite's.")
    ] = None,
    source: Annotated[
        Literal["auto", "real", "phantom"],
        typer.Option(help="Real images where they lie, else the phantom; or one of them."),
    ] = "auto",
    data_root: Annotated[
        Path | None, typer.Option(help="Folder of the real data; else $BENCHBED_DATA.")
    ] = None,
    method: Annotated[
        list[str] | None, typer.Option(help="Method, instead of all of the suite's.")
    ] = None,
    dataset: Annotated[
        list[str] | None, typer.Option(help="Data set, instead of the suite's.")
    ] = None,
    precision: Annotated[
        Literal["fp32", "bf16"], typer.Option(help="Precision of every run.")
    ] = "fp32",
    executor: Annotated[
        Literal["local", "ray"],
        typer.Option(help="Who computes: processes of this machine, or a Ray cluster."),
    ] = "local",
    address: Annotated[
        str | None,
        typer.Option(help="Address of the Ray cluster; else $RAY_ADDRESS, else this machine."),
    ] = None,
    jobs: Annotated[
        int | None,
        typer.Option(min=1, help="Runs that go on at a time; 1, or what a cluster has room for."),
    ] = None,
    threads: Annotated[
        int | None,
        typer.Option(min=1, help="Cores of each run; an even share, or 1 on a cluster."),
    ] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:N.")] = "auto",
    devices: Annotated[
        int, typer.Option(min=1, help="Devices that train each run, a process for each.")
    ] = 1,
    checkpoint_every: Annotated[str, typer.Option(help="Time between checkpoints.")] = "60s",
    logger: Annotated[
        Literal["tensorboard"] | None, typer.Option(help="Tell this too, beside history.csv.")
    ] = None,
    results: Annotated[
        Path | None, typer.Option(help="Results folder; else $BENCHBED_RESULTS, else results.")
    ] = None,
    skip_bad: Annotated[
        bool, typer.Option("--skip-bad", help="Leave out images that do not decode.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be run, and run nothing.")
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the plan for a script; run nothing.")
    ] = False,
) -> None:
    """Carry out a grid of runs, those that are not done yet."""
    from benchbed import paths
    from benchbed.cli.console import ConsoleReporter
    from benchbed.cli.options import seconds
    from benchbed.runs.store import Store
    from benchbed.suites.grid import members, requests
    from benchbed.suites.suite import check_names, find_suite
    from benchbed.training.board import check_logger

    check_logger(logger)
    _check_executor(executor, address)
    where = Where(
        executor,
        address=address,
        jobs=jobs,
        threads=threads,
        device=device,
        devices=devices,
        every=seconds(checkpoint_every, "--checkpoint-every"),
        logger=logger,
    )
    chosen = find_suite(name).narrowed(method or (), dataset or ())
    check_names(chosen)
    asked = requests(
        chosen,
        preset,
        seeds=seed,
        source=source,
        data_root=data_root,
        precision=precision,
        skip_bad=skip_bad,
    )
    store = Store(paths.results(results))
    with ConsoleReporter() as reporter:
        planned = members(list(asked), reporter)
    if as_json:
        rows = [{"run": m.plan.id, "state": m.standing(store)} for m in planned]
        typer.echo(json.dumps(rows, indent=2))
        return
    todo, expected = _tell_plan(chosen.title, planned, store, where)
    if not dry_run and todo:
        paths.writable(store.root)
        _execute(todo, expected, store, where)
    elif not todo:
        typer.echo("Next: benchbed report", err=True)


def _tell_plan(
    title: str, planned: list[Member], store: Store, where: Where
) -> tuple[list[Member], Estimate]:
    """Say how far the suite is.

    Returns:
        The runs that are not done, and how long they will take.
    """
    from benchbed.cli.console import print_rows
    from benchbed.suites.estimate import estimate

    standings = {member.plan.id: member.standing(store) for member in planned}
    todo = [m for m in planned if standings[m.plan.id] in ("begun", "missing")]
    _check_devices(todo, where.devices)
    print_rows(_grid(planned, standings), empty="No run.")
    expected = estimate(todo, store, where.share)
    count, first = len(todo), expected.first
    rest = f", {count} to run" if todo else ""
    rest += f" after {first} that they build on" if first else ""
    typer.echo(f"{title}: {len(planned)} runs, {len(planned) - count} done{rest}.", err=True)
    if todo:
        typer.echo(time_words(expected, where.room), err=True)
    return todo, expected


def time_words(expected: Estimate, room: int | None) -> str:
    """How long runs will take, in a sentence or two.

    Args:
        expected: What is known.
        room: How many go on at a time; None where only the cluster knows.
    """
    from benchbed.cli.console import duration

    if expected.unknown:
        return f"Time not known: no record tells the speed of {', '.join(expected.unknown)}."
    work = f"about {duration(expected.work)} of training"
    if room is None:
        told = f"Expected: {work} in all, shared by as many runs as the cluster has room for."
    elif (room := min(room, len(expected.todo))) == 1:
        told = f"Expected: {work}, one run at a time."
    else:
        wall = duration(expected.wall(room))
        told = f"Expected: about {wall} with {room} runs at a time, {work} in all."
    if not expected.alike:
        told += " Some of the records behind it had other numbers of cores or devices to each run."
    return told


def _grid(planned: list[Member], standings: Mapping[str, str]) -> list[dict[str, str]]:
    """A line for each data set and method, a word for each seed."""
    rows: dict[tuple[str, str], dict[str, str]] = {}
    for member in planned:
        protocol = member.plan.protocol
        data = f"{protocol.dataset} ({protocol.source})"
        row = rows.setdefault((data, member.row), {"dataset": data, "method": member.row})
        row[f"seed {member.plan.seed}"] = standings[member.plan.id]
    return list(rows.values())


def _check_executor(executor: str, address: str | None) -> None:
    if executor == "ray":
        from benchbed.suites.executors.cluster import check_ray

        check_ray()
    elif address is not None:
        raise BenchbedError("--address is a Ray cluster's: give --executor ray with it.")


def _check_devices(todo: Sequence[Member], devices: int) -> None:
    """Refuse a suite of which some run cannot be trained on so many devices."""
    if devices == 1:
        return
    from benchbed.runs.along import check_devices

    for member in todo:
        try:
            check_devices(member.plan, member.devices(devices))
        except BenchbedError as error:
            raise BenchbedError(f"No run was begun, because of {member.plan.id}: {error}") from (
                error
            )


def _executor(where: Where, store: Store, say: Callable[[str], None]) -> Executor:
    if where.executor == "ray":
        from benchbed.suites.executors.cluster import Cluster

        return Cluster(
            store,
            address=where.address,
            jobs=where.jobs,
            threads=where.threads or 1,
            device=where.device,
            options={"checkpoint_seconds": where.every, "logger": where.logger},
            devices=where.devices,
            say=say,
        )
    from benchbed.suites.executors.accelerators import shared_out
    from benchbed.suites.executors.local import Local

    jobs = where.room or 1
    told = () if where.logger is None else ("--logger", where.logger)
    return Local(
        store,
        jobs=jobs,
        threads=where.threads,
        device=where.device,
        accelerators=shared_out(where.device, jobs, where.devices),
        devices=where.devices,
        more=("--checkpoint-every", f"{where.every:g}s", *told),
    )


def _execute(todo: list[Member], expected: Estimate, store: Store, where: Where) -> None:
    from benchbed.cli.suite_watch import Watch
    from benchbed.suites.execute import STOPPED, carry_out

    outcomes: list[str] = []
    with Watch(store, len(todo)) as watch:
        executor = _executor(where, store, watch.say)
        if where.room is None and executor.room and not expected.unknown:
            watch.say(time_words(expected, executor.room))
        for ended in carry_out(todo, executor, watch=watch.show, say=watch.say):
            outcomes.append(ended.outcome)
            watch.over(ended)
    counts = ", ".join(f"{outcomes.count(word)} {word}" for word in dict.fromkeys(outcomes))
    left = len(todo) - len(outcomes) + outcomes.count("stopped")
    typer.echo(f"{counts}{f', {left} left' if left else ''}. Next: benchbed report", err=True)
    if left:
        typer.echo("Go on with the same command.", err=True)
        raise typer.Exit(STOPPED)
    if "broken" in outcomes:
        raise typer.Exit(1)
