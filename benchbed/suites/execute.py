"""Carrying out a suite: one process a run, so that none can take the others down."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from benchbed.runs.request import Request
from benchbed.runs.store import Store
from benchbed.suites.grid import Member

STOPPED = 130
"""Exit code of a run that was asked to stop."""

ENDED_BY_SIGNAL = (STOPPED, -signal.SIGINT, -signal.SIGTERM)

POLL_SECONDS = 0.2

OUTPUT = "output.txt"
"""What a run that goes beside others says, in its folder."""

Watch = Callable[[Sequence[Member]], None]


def carry_out(
    todo: Sequence[Member],
    store: Store,
    *,
    device: str = "auto",
    jobs: int = 1,
    watch: Watch = lambda _: None,
) -> Iterator[tuple[Member, int]]:
    """Carry out runs, `jobs` at a time; one that breaks or diverges does not stop the rest.

    A run alone speaks on the terminal. Runs beside each other share the processor's cores evenly
    and write what they say into ``output.txt`` of their folders.

    Args:
        todo: The runs; those begun before are resumed.
        store: Where results go.
        device: Where to compute.
        jobs: How many runs go on at a time.
        watch: Called again and again with the runs that are going on.

    Yields:
        Each run with its exit code, once it is over: 0 finished, 1 broken, 3 diverged, 130
        stopped, after which no other is started.
    """
    waiting = list(todo)
    running: dict[int, tuple[Member, subprocess.Popen[bytes]]] = {}
    stopped = False
    while running or (waiting and not stopped):
        while waiting and not stopped and len(running) < jobs:
            member = waiting.pop(0)
            words = command(member.request, store.root, device)
            output = store.run_folder(member.plan.id) / OUTPUT if jobs > 1 else None
            process = _start(words, output, jobs)
            running[process.pid] = (member, process)
        watch([member for member, _ in running.values()])
        for member, process in _ended(running):
            stopped = stopped or process.returncode in ENDED_BY_SIGNAL
            yield member, process.returncode


def said(member: Member, store: Store) -> str:
    """The last lines of what a run beside others said."""
    path = store.run_folder(member.plan.id) / OUTPUT
    if not path.exists():
        return ""
    return "\n".join(path.read_text(encoding="utf-8", errors="replace").splitlines()[-12:])


def _start(words: list[str], output: Path | None, jobs: int) -> subprocess.Popen[bytes]:
    if output is None:
        return subprocess.Popen(words)
    output.parent.mkdir(parents=True, exist_ok=True)
    threads = str(max(1, (os.cpu_count() or 1) // jobs))
    with output.open("ab") as file:
        return subprocess.Popen(
            words,
            stdout=file,
            stderr=subprocess.STDOUT,
            env={"OMP_NUM_THREADS": threads, **os.environ},
        )


def _ended(
    running: dict[int, tuple[Member, subprocess.Popen[bytes]]],
) -> list[tuple[Member, subprocess.Popen[bytes]]]:
    """Wait a little, and take out the runs that are over.

    Ctrl-C reaches the runs too, which save and stop; they are waited for.
    """
    with contextlib.suppress(KeyboardInterrupt):
        time.sleep(POLL_SECONDS)
    over = [pid for pid, (_, process) in running.items() if process.poll() is not None]
    return [running.pop(pid) for pid in over]


def command(request: Request, results: Path, device: str) -> list[str]:
    """The command line of one run."""
    words = [sys.executable, "-m", "benchbed", "run"]
    given = {
        "--method": request.method,
        "--dataset": request.dataset,
        "--task": request.task,
        "--preset": request.preset,
        "--seed": request.seed,
        "--source": request.source,
        "--data-root": request.data_root,
        "--size": request.size,
        "--kimg": request.kimg,
        "--samples": request.samples,
        "--augment": request.augment,
        "--regime": request.regime,
        "--generator": request.generator,
        "--generator-dataset": request.generator_dataset,
        "--generator-kimg": request.generator_kimg,
        "--pairs": request.pairs,
        "--real-share": request.real_share,
        "--masks-from": request.masks_from,
        "--annotator": request.annotator,
        "--annotator-kimg": request.annotator_kimg,
        "--results": results,
        "--device": device,
    }
    for option, value in given.items():
        if value is not None:
            words += [option, str(value)]
    for name, value in request.settings.items():
        words += ["--set", f"{name}={json.dumps(value)}"]
    for metric in request.metrics:
        words += ["--metric", metric]
    return [*words, "--skip-bad"] if request.skip_bad else words
