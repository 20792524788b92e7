"""One run of a cluster on several devices of one node.

Fabric starts the processes of a run by giving the command again that the first was started with.
A task of a cluster was started with none, so the run gets a process of its own, whose command is
this module. It ends with the task, whatever ends that.
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

from benchbed.suites.executors.executor import Outcome
from benchbed.suites.executors.node import Job, compute_here

POLL_SECONDS = 0.2

_PR_SET_PDEATHSIG = 1
"""Of Linux' prctl(2): the signal that a process gets when the one that started it ends."""


def compute_apart(job: Job) -> tuple[Outcome, str]:
    """Carry out a run in a process of its own; an interrupt is passed on to it.

    Returns:
        How it ended, and why where it broke.
    """
    process = subprocess.Popen(
        command(job),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        env={**os.environ, "OMP_NUM_THREADS": str(job.threads)},
        process_group=0,
        text=True,
    )
    # Ray's interrupt ends no call of the system, so there is none that waits long.
    while True:
        try:
            while process.poll() is None:
                time.sleep(POLL_SECONDS)
            break
        except KeyboardInterrupt:
            process.send_signal(signal.SIGINT)
    assert process.stdout is not None
    with process.stdout as said:
        lines = said.read().splitlines()
    if process.returncode or not lines:
        return "broken", f"The run process exited with code {process.returncode}."
    outcome, words = json.loads(lines[-1])
    return cast(Outcome, outcome), str(words)


def command(job: Job) -> list[str]:
    """The command line of the process that carries out a run."""
    packed = base64.b64encode(pickle.dumps(job)).decode()
    return [sys.executable, "-m", "benchbed.suites.executors.several", str(os.getpid()), packed]


def main(parent: str, packed: str) -> None:
    """Carry out a run, or take part in it, and print how it ended as one line of JSON.

    Args:
        parent: Number of the process that asks for it.
        packed: The `Job`, as `command` packs it.
    """
    first = os.environ.get("LOCAL_RANK", "0") == "0"
    _end_with(int(parent) if first else os.getppid())
    job: Job = pickle.loads(base64.b64decode(packed))
    outcome = compute_here(job)
    if first:
        print(json.dumps(outcome), flush=True)


def _end_with(parent: int) -> None:
    """Be killed when the process that started this one ends, as with its node; Linux alone can."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        sys.exit(1)


if __name__ == "__main__":
    main(*sys.argv[1:])
