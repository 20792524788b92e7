"""What a node of a cluster does: the look around before the suite begins, and one run.

It is imported on every node by the task that a node is given; so it loads little, and reads the
rest when it needs it.
"""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchbed import __version__
from benchbed.errors import BenchbedError
from benchbed.runs.request import Request
from benchbed.suites.executors.executor import Outcome

LOCK_SECONDS = 150.0
"""How long a run waits for the lock of the node that it was on: a file server may hold it for the
90 seconds after which it takes a silent client for dead."""


@dataclass(frozen=True)
class Sight:
    """What a node sees.

    Attributes:
        name: The node's.
        version: Of benchbed.
        shared: Whether it sees the suite's results folder.
    """

    name: str
    version: str
    shared: bool


@dataclass(frozen=True)
class Job:
    """A run for a node to carry out.

    Attributes:
        request: What is asked for.
        run: Identity of the run that it makes.
        root: The results folder.
        mark: A file in it that shows that this is the suite's own.
        device: Where to compute.
        options: Fields of the loop's `Options`.
        devices: How many devices train it together.
        threads: Cores of each process, where there are several.
    """

    request: Request
    run: str
    root: Path
    mark: Path
    device: str
    options: Mapping[str, Any]
    devices: int = 1
    threads: int = 1


def look(mark: Path) -> Sight:
    """What this node sees."""
    return Sight(socket.gethostname(), __version__, mark.exists())


def unshared(root: Path, nodes: str) -> BenchbedError:
    """The error for nodes that have another folder, or none, under this path."""
    return BenchbedError(
        f"Results folder {root} not found on {nodes}. All nodes need the same shared folder "
        "under the same path; set it with --results."
    )


class _Lines:
    """Says lines where the cluster gathers them; how far the run is stands in its folder.

    Of the processes that train a run together, the first one speaks.
    """

    def __init__(self, run: str) -> None:
        self._run = run

    def say(self, text: str) -> None:
        if os.environ.get("LOCAL_RANK", "0") == "0":
            print(f"{self._run}: {text}", file=sys.stderr, flush=True)

    def counted(self, what: str, done: int, total: int) -> None:
        """Nothing."""

    def training(self, progress: object) -> None:
        """Nothing."""

    def picture(self, path: Path) -> None:
        """Nothing."""


def compute(job: Job) -> tuple[Outcome, str]:
    """Carry out a run, or go on with it.

    Returns:
        How it ended, and why where it broke.
    """
    if job.devices == 1:
        return compute_here(job)
    from benchbed.suites.executors.several import compute_apart

    return compute_apart(job)


def compute_here(job: Job) -> tuple[Outcome, str]:
    """Carry out a run, or go on with it, in this process.

    Returns:
        How it ended, and why where it broke.
    """
    try:
        return _compute(job)
    except BenchbedError as error:
        return "broken", str(error)
    except KeyboardInterrupt:
        return "stopped", ""


def _compute(job: Job) -> tuple[Outcome, str]:
    from benchbed.runs.plan import plan
    from benchbed.runs.store import Store

    here = socket.gethostname()
    if not job.mark.exists():
        raise unshared(job.root, here)
    lines = _Lines(job.run)
    planned = plan(job.request, lines)
    if planned.id != job.run:
        raise BenchbedError(
            f"Node {here} plans {planned.id}, but the suite plans {job.run}: data, plugins or "
            "benchbed differ. Install the same versions and data on every node."
        )
    from benchbed.runs.runner import RunFailed, carry_out
    from benchbed.training.loop import Interrupted, Options

    try:
        outcome = carry_out(
            planned,
            Store(job.root),
            lines,
            device=job.device,
            options=Options(**job.options),
            patience=LOCK_SECONDS,
            devices=job.devices,
        )
    except Interrupted:
        return "stopped", ""
    except RunFailed as error:
        log = Store(job.root).run_folder(job.run) / "log.txt"
        return "broken", f"The run failed: {error}. See the traceback in {log}."
    return outcome.record.state, outcome.record.message
