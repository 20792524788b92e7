"""Code that runs on a cluster node: the check before a suite starts, and one run.

Every node imports it for each task, so it imports little at module level.
"""

from __future__ import annotations

import base64
import ctypes
import json
import os
import pickle
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from benchbed.config.run_config import RunConfig
from benchbed.errors import BenchbedError
from benchbed.suites.executors.base import RunOutcomeName

LOCK_SECONDS = 150.0
"""Timeout for the run's lock after its node was lost: a file server can hold the lock for the
90 seconds after which it considers a silent client dead."""


@dataclass(frozen=True)
class RunJob:
    """A run for a node to execute.

    Attributes:
        config: The run configuration.
        run: Expected run id.
        root: The results folder.
        marker_file: File in it that identifies the suite's own folder.
        device: Device option.
        options: Fields of the loop's `TrainingOptions`.
        devices: Devices per run.
        threads: Cores of each process, if there are several.
    """

    config: RunConfig
    run: str
    root: Path
    marker_file: Path
    device: str
    options: Mapping[str, Any]
    devices: int = 1
    threads: int = 1


def make_unshared_error(root: Path, nodes: str) -> BenchbedError:
    """Return the error for nodes that do not see the suite's results folder."""
    return BenchbedError(
        f"Results folder {root} not found on {nodes}. All nodes need the same shared folder "
        "under the same path; set it with --results."
    )


class _LineReporter:
    """Reporter that prints messages for the cluster to forward; progress is in the run's folder.

    Of several processes of a run, only rank 0 prints.
    """

    def __init__(self, run: str) -> None:
        self._run = run

    def report_message(self, text: str) -> None:
        if os.environ.get("LOCAL_RANK", "0") == "0":
            print(f"{self._run}: {text}", file=sys.stderr, flush=True)

    def report_progress(self, activity: str, done: int, total: int) -> None:
        """Do nothing."""

    def report_training(self, progress: object) -> None:
        """Do nothing."""

    def report_picture(self, path: Path) -> None:
        """Do nothing."""


def execute_job(job: RunJob) -> tuple[RunOutcomeName, str]:
    """Execute or resume a run.

    Returns:
        Its outcome, and a message if it failed.
    """
    if job.devices == 1:
        return execute_in_process(job)

    return execute_in_subprocess(job)


def execute_in_process(job: RunJob) -> tuple[RunOutcomeName, str]:
    """Execute or resume a run in this process.

    Returns:
        Its outcome, and a message if it failed.
    """
    try:
        return _execute_planned(job)
    except BenchbedError as error:
        return "broken", str(error)
    except KeyboardInterrupt:
        return "stopped", ""


def _execute_planned(job: RunJob) -> tuple[RunOutcomeName, str]:
    from benchbed.results.store import ResultStore
    from benchbed.runs.planner import plan_run

    node = socket.gethostname()
    if not job.marker_file.exists():
        raise make_unshared_error(job.root, node)
    reporter = _LineReporter(job.run)
    planned = plan_run(job.config, reporter)
    if planned.id != job.run:
        raise BenchbedError(
            f"Node {node} plans {planned.id}, but the suite plans {job.run}: data, plugins or "
            "benchbed differ. Install the same versions and data on every node."
        )
    from benchbed.runs.execute import RunError, execute_run
    from benchbed.training.loop import TrainingInterrupted, TrainingOptions

    try:
        outcome = execute_run(
            planned,
            ResultStore(job.root),
            reporter,
            device=job.device,
            options=TrainingOptions(**job.options),
            timeout=LOCK_SECONDS,
            devices=job.devices,
        )
    except TrainingInterrupted:
        return "stopped", ""
    except RunError as error:
        log = ResultStore(job.root).get_run_folder(job.run) / "log.txt"
        return "broken", f"The run failed: {error}. See the traceback in {log}."
    return outcome.record.state, outcome.record.message


POLL_SECONDS = 0.2


_PR_SET_PDEATHSIG = 1
"""Linux prctl(2) option: the signal for a process whose parent ends."""


def execute_in_subprocess(job: RunJob) -> tuple[RunOutcomeName, str]:
    """Execute a run in its own process and forward interrupts to it.

    Returns:
        Its outcome, and a message if it failed.
    """
    process = subprocess.Popen(
        build_command(job),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        env={**os.environ, "OMP_NUM_THREADS": str(job.threads)},
        process_group=0,
        text=True,
    )
    # Poll, since Ray's interrupt does not end a blocking system call.
    while True:
        try:
            while process.poll() is None:
                time.sleep(POLL_SECONDS)
            break
        except KeyboardInterrupt:
            process.send_signal(signal.SIGINT)
    assert process.stdout is not None
    with process.stdout as output:
        lines = output.read().splitlines()
    if process.returncode or not lines:
        return "broken", f"The run process exited with code {process.returncode}."
    outcome, message = json.loads(lines[-1])
    return cast(RunOutcomeName, outcome), str(message)


def build_command(job: RunJob) -> list[str]:
    """Return the command line of the process that executes a run."""
    packed = base64.b64encode(pickle.dumps(job)).decode()
    return [sys.executable, "-m", "benchbed.suites.executors.job", str(os.getpid()), packed]


def main(parent: str, packed: str) -> None:
    """Execute a run, or be one of its worker ranks, and print the outcome as a line of JSON."""
    is_first_rank = os.environ.get("LOCAL_RANK", "0") == "0"
    _kill_with_parent(int(parent) if is_first_rank else os.getppid())
    job: RunJob = pickle.loads(base64.b64decode(packed))
    outcome = execute_in_process(job)
    if is_first_rank:
        print(json.dumps(outcome), flush=True)


def _kill_with_parent(parent: int) -> None:
    """Make this process end with `parent`, even if that is killed; Linux only."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        sys.exit(1)


if __name__ == "__main__":
    main(*sys.argv[1:])
