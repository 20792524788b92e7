"""One run of a cluster on several devices of one node.

Fabric starts further processes of a run by repeating the command of the first. A Ray task has no
command, so the run gets its own process, whose command is this module. It ends with the task.
"""

from __future__ import annotations

import base64
import ctypes
import json
import os
import pickle
import signal
import subprocess
import sys
import time
from typing import cast

from benchbed.suites.executors.executor import RunOutcomeName
from benchbed.suites.executors.node import RunJob, execute_in_process

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
    return [sys.executable, "-m", "benchbed.suites.executors.several", str(os.getpid()), packed]


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
