"""Code that runs on a cluster node: the check before a suite starts, and one run.

Every node imports it for each task, so it imports little at module level.
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
"""Timeout for the run's lock after its node was lost: a file server can hold the lock for the
90 seconds after which it considers a silent client dead."""


@dataclass(frozen=True)
class Sight:
    """State of a node."""

    name: str
    version: str
    shared: bool


@dataclass(frozen=True)
class Job:
    """A run for a node to execute.

    Attributes:
        request: The run configuration.
        run: Expected run id.
        root: The results folder.
        mark: File in it that identifies the suite's own folder.
        device: Device option.
        options: Fields of the loop's `Options`.
        devices: Devices per run.
        threads: Cores of each process, if there are several.
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
    """Return the state of this node."""
    return Sight(socket.gethostname(), __version__, mark.exists())


def unshared(root: Path, nodes: str) -> BenchbedError:
    """Return the error for nodes that do not see the suite's results folder."""
    return BenchbedError(
        f"Results folder {root} not found on {nodes}. All nodes need the same shared folder "
        "under the same path; set it with --results."
    )


class _Lines:
    """Reporter that prints messages for the cluster to forward; progress is in the run's folder.

    Of several processes of a run, only rank 0 prints.
    """

    def __init__(self, run: str) -> None:
        self._run = run

    def say(self, text: str) -> None:
        if os.environ.get("LOCAL_RANK", "0") == "0":
            print(f"{self._run}: {text}", file=sys.stderr, flush=True)

    def counted(self, what: str, done: int, total: int) -> None:
        """Do nothing."""

    def training(self, progress: object) -> None:
        """Do nothing."""

    def picture(self, path: Path) -> None:
        """Do nothing."""


def compute(job: Job) -> tuple[Outcome, str]:
    """Execute or resume a run.

    Returns:
        Its outcome, and a message if it failed.
    """
    if job.devices == 1:
        return compute_here(job)
    from benchbed.suites.executors.several import compute_apart

    return compute_apart(job)


def compute_here(job: Job) -> tuple[Outcome, str]:
    """Execute or resume a run in this process.

    Returns:
        Its outcome, and a message if it failed.
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

    node = socket.gethostname()
    if not job.mark.exists():
        raise unshared(job.root, node)
    reporter = _Lines(job.run)
    planned = plan(job.request, reporter)
    if planned.id != job.run:
        raise BenchbedError(
            f"Node {node} plans {planned.id}, but the suite plans {job.run}: data, plugins or "
            "benchbed differ. Install the same versions and data on every node."
        )
    from benchbed.runs.runner import RunFailed, carry_out
    from benchbed.training.loop import Interrupted, Options

    try:
        outcome = carry_out(
            planned,
            Store(job.root),
            reporter,
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
