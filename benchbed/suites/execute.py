"""Carrying out a suite: one process a run, so that none can take the others down."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from benchbed.runs.plan import Request
from benchbed.runs.store import Store
from benchbed.suites.grid import Member

STOPPED = 130
"""Exit code of a run that was asked to stop."""


def carry_out(
    todo: Sequence[Member], store: Store, *, device: str = "auto"
) -> Iterator[tuple[Member, int]]:
    """Carry out runs one after the other; one that breaks or diverges does not stop the rest.

    Args:
        todo: The runs; those begun before are resumed.
        store: Where results go.
        device: Where to compute.

    Yields:
        Each run with its exit code, once it is over: 0 finished, 1 broken, 3 diverged, 130
        stopped, after which no other is started.
    """
    for member in todo:
        code = _wait(command(member.request, store.root, device))
        yield member, code
        if code in (STOPPED, -signal.SIGINT, -signal.SIGTERM):
            return


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


def _wait(words: list[str]) -> int:
    """Run to the end. Ctrl-C reaches the run too, which saves and stops; it is waited for."""
    process = subprocess.Popen(words)
    while True:
        try:
            return process.wait()
        except KeyboardInterrupt:
            continue
