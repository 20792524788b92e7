"""Executor for processes on this machine, so that a crash of one run affects no other."""

from __future__ import annotations

import json
import math
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchbed.runs.request import Request
from benchbed.runs.status import forget_status
from benchbed.runs.store import Store
from benchbed.suites.executors.executor import Ended, Outcome
from benchbed.suites.grid import Member

OUTCOME: dict[int, Outcome] = {
    0: "finished",
    3: "diverged",
    130: "stopped",
    -signal.SIGINT: "stopped",
    -signal.SIGTERM: "stopped",
}
"""Exit codes of ``benchbed run``; all others mean that the run failed."""

POLL_SECONDS = 0.2

OUTPUT = "output.txt"
"""File in a run's folder with its output."""

LAST_LINES = 12
LAST_BYTES = 65_536

GRACE_SECONDS = 10.0
"""Time to exit after an immediate stop; native code does not react to signals."""


@dataclass
class _Going:
    member: Member
    process: subprocess.Popen[bytes]
    accelerators: Sequence[str]


class Local:
    """Executor with one process per run, `jobs` of them in parallel.

    Runs share the cores evenly. With several accelerators, each run sees only as many as it
    trains on, the least used ones. The output of a run goes to ``output.txt`` in its folder.

    Args:
        store: The results folder.
        jobs: Number of parallel runs.
        threads: Cores of each run; None for ``$OMP_NUM_THREADS``, else an even share.
        device: Device option of each run.
        accelerators: Accelerators to assign, as ``CUDA_VISIBLE_DEVICES`` names them.
        devices: Devices per run.
        more: Further arguments of each run's command line.

    Attributes:
        room: Number of parallel runs.
    """

    def __init__(
        self,
        store: Store,
        *,
        jobs: int = 1,
        threads: int | None = None,
        device: str = "auto",
        accelerators: Sequence[str] = (),
        devices: int = 1,
        more: Sequence[str] = (),
    ) -> None:
        self._store = store
        self.room = jobs
        self._threads = cores_each(threads, jobs * devices)
        self._device = device
        self._accelerators = accelerators
        self._devices = devices
        self._more = more
        self._going: list[_Going] = []
        self._patience_ends = math.inf

    def has_room(self) -> bool:
        """Return whether fewer runs than the capacity are active."""
        return len(self._going) < self.room

    def start(self, member: Member) -> None:
        """Start a run in a new process."""
        folder = self._store.run_folder(member.plan.id)
        folder.mkdir(parents=True, exist_ok=True)
        forget_status(folder)
        devices = member.devices(self._devices)
        accelerators = self._least_used(devices)
        environment = {**os.environ, "OMP_NUM_THREADS": self._threads}
        if accelerators:
            environment["CUDA_VISIBLE_DEVICES"] = ",".join(accelerators)
        with (folder / OUTPUT).open("ab") as file:
            # Its own process group: Ctrl-C reaches only this process, which forwards it.
            process = subprocess.Popen(
                [*command(member.request, self._store.root, self._device, devices), *self._more],
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
                env=environment,
                process_group=0,
            )
        self._going.append(_Going(member, process, accelerators))

    def ended(self) -> list[Ended]:
        """Wait briefly, and return the runs that have ended since the last call."""
        time.sleep(POLL_SECONDS)
        if self._impatient():
            self._kill()
        finished = [running for running in self._going if running.process.poll() is not None]
        self._going = [running for running in self._going if running not in finished]
        return [self._told(running) for running in finished]

    def stop(self, *, at_once: bool) -> None:
        """Interrupt every run; an immediate stop interrupts again, then kills after a while."""
        if at_once:
            self._patience_ends = time.monotonic() + GRACE_SECONDS
        for running in self._going:
            running.process.send_signal(signal.SIGINT)

    def close(self) -> None:
        """Terminate all active runs."""
        for running in self._going:
            running.process.terminate()
        deadline = time.monotonic() + GRACE_SECONDS
        while time.monotonic() < deadline and any(g.process.poll() is None for g in self._going):
            time.sleep(POLL_SECONDS)
        self._kill()
        self._going = []

    def _impatient(self) -> bool:
        return time.monotonic() > self._patience_ends

    def _kill(self) -> None:
        for running in self._going:
            running.process.kill()
            running.process.wait()

    def _told(self, running: _Going) -> Ended:
        code = running.process.returncode
        outcome = OUTCOME.get(code, "broken")
        if code == -signal.SIGKILL and self._impatient():
            outcome = "stopped"
        reason = killed_by(-code) if code < 0 else ""
        recorded = self._store.record_path(running.member.plan.id).exists()
        if outcome in ("finished", "diverged") and not recorded:
            # The process exited by other means than the command, such as a plugin's os._exit.
            outcome, reason = "broken", f"Process exited with code {code} without a record."
        message = (
            f"{self._last_words(running.member)}\n{reason}".strip() if outcome == "broken" else ""
        )
        return Ended(running.member, outcome, message)

    def _last_words(self, member: Member) -> str:
        path = self._store.run_folder(member.plan.id) / OUTPUT
        try:
            with path.open("rb") as file:
                file.seek(max(0, file.seek(0, os.SEEK_END) - LAST_BYTES))
                lines = file.read().decode("utf-8", errors="replace").splitlines()
        except OSError as error:
            return f"The output cannot be read: {error}."
        return "\n".join(lines[-LAST_LINES:])

    def _least_used(self, count: int) -> Sequence[str]:
        used = Counter(name for running in self._going for name in running.accelerators)
        return sorted(self._accelerators, key=lambda name: used[name])[:count]


def cores_each(threads: int | None, processes: int) -> str:
    """Return the cores of each process as a value for ``OMP_NUM_THREADS``.

    Args:
        threads: Cores that the user requested; None for ``$OMP_NUM_THREADS``, else an even share.
        processes: Number of parallel processes.
    """
    share = str(max(1, (os.cpu_count() or 1) // processes))
    return str(threads) if threads else os.environ.get("OMP_NUM_THREADS", share)


def killed_by(number: int) -> str:
    """Return the error message for a process that a signal ended."""
    name = {known.value: known.name for known in signal.Signals}.get(number, f"signal {number}")
    reason = ", typically because memory ran out" if number == signal.SIGKILL else ""
    return f"Killed by {name}{reason}. Repeat the command to resume."


def command(request: Request, results: Path, device: str, devices: int = 1) -> list[str]:
    """Return the command line of one run."""
    # Wait, since another suite or a leftover process may hold the run.
    words = [sys.executable, "-m", "benchbed", "run", "--wait"]
    options = {
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
        "--devices": devices if devices > 1 else None,
    }
    for option, value in options.items():
        if value is not None:
            words += [option, str(value)]
    for name, value in request.settings.items():
        words += ["--set", f"{name}={json.dumps(value)}"]
    for metric in request.metrics:
        words += ["--metric", metric]
    return [*words, "--skip-bad"] if request.skip_bad else words
