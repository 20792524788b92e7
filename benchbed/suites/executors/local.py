"""Runs as processes of this machine: none can take the others down."""

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
"""What the exit codes of ``benchbed run`` mean; every other one is a broken run's."""

POLL_SECONDS = 0.2

OUTPUT = "output.txt"
"""What a run of a suite says, in its folder."""

LAST_LINES = 12
LAST_BYTES = 65_536

GRACE_SECONDS = 10.0
"""So long may a run take to end that is to stop at once; code outside Python hears no signal."""


@dataclass
class _Going:
    member: Member
    process: subprocess.Popen[bytes]
    accelerators: Sequence[str]


class Local:
    """One process a run, `jobs` of them at a time.

    They share the processor's cores evenly. Where there are several accelerators, each run sees no
    more of them than it trains on: those that the fewest others are on. What a run says goes to
    ``output.txt`` of its folder.

    Args:
        store: Where results go.
        jobs: How many runs go on at a time.
        threads: Cores that each computes with; None for ``$OMP_NUM_THREADS``, else an even share.
        device: Where to compute.
        accelerators: The accelerators to share out, as ``CUDA_VISIBLE_DEVICES`` names them.
        devices: How many devices train a run together.
        more: Further words of each run's command line.

    Attributes:
        room: How many runs go on at a time.
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
        """Whether fewer than `room` runs go on."""
        return len(self._going) < self.room

    def start(self, member: Member) -> None:
        """Begin a run in a process of its own."""
        folder = self._store.run_folder(member.plan.id)
        folder.mkdir(parents=True, exist_ok=True)
        forget_status(folder)
        devices = member.devices(self._devices)
        accelerators = self._least_used(devices)
        environment = {**os.environ, "OMP_NUM_THREADS": self._threads}
        if accelerators:
            environment["CUDA_VISIBLE_DEVICES"] = ",".join(accelerators)
        with (folder / OUTPUT).open("ab") as file:
            # A group of its own: Ctrl-C reaches this process alone, which passes it on.
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
        """Wait a moment, and say which processes are over."""
        time.sleep(POLL_SECONDS)
        if self._impatient():
            self._kill()
        over = [going for going in self._going if going.process.poll() is not None]
        self._going = [going for going in self._going if going not in over]
        return [self._told(going) for going in over]

    def stop(self, *, at_once: bool) -> None:
        """Interrupt every run; a second interrupt stops it at once, or it is killed soon after."""
        if at_once:
            self._patience_ends = time.monotonic() + GRACE_SECONDS
        for going in self._going:
            going.process.send_signal(signal.SIGINT)

    def close(self) -> None:
        """End what still goes on."""
        for going in self._going:
            going.process.terminate()
        over = time.monotonic() + GRACE_SECONDS
        while time.monotonic() < over and any(g.process.poll() is None for g in self._going):
            time.sleep(POLL_SECONDS)
        self._kill()
        self._going = []

    def _impatient(self) -> bool:
        return time.monotonic() > self._patience_ends

    def _kill(self) -> None:
        for going in self._going:
            going.process.kill()
            going.process.wait()

    def _told(self, going: _Going) -> Ended:
        code = going.process.returncode
        outcome = OUTCOME.get(code, "broken")
        if code == -signal.SIGKILL and self._impatient():
            outcome = "stopped"
        why = killed_by(-code) if code < 0 else ""
        recorded = self._store.record_path(going.member.plan.id).exists()
        if outcome in ("finished", "diverged") and not recorded:
            # Not the command but something in it has ended the process, such as a plugin's code.
            outcome, why = "broken", f"Process exited with code {code} without a record."
        words = f"{self._last_words(going.member)}\n{why}".strip() if outcome == "broken" else ""
        return Ended(going.member, outcome, words)

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
        used = Counter(name for going in self._going for name in going.accelerators)
        return sorted(self._accelerators, key=lambda name: used[name])[:count]


def cores_each(threads: int | None, processes: int) -> str:
    """Cores of each process, as ``OMP_NUM_THREADS`` says them.

    Args:
        threads: What the user asks for; None for ``$OMP_NUM_THREADS``, else an even share.
        processes: How many compute at a time.
    """
    share = str(max(1, (os.cpu_count() or 1) // processes))
    return str(threads) if threads else os.environ.get("OMP_NUM_THREADS", share)


def killed_by(number: int) -> str:
    """What is known of a process that a signal ended."""
    name = {known.value: known.name for known in signal.Signals}.get(number, f"signal {number}")
    why = ", typically because memory ran out" if number == signal.SIGKILL else ""
    return f"Killed by {name}{why}. Repeat the command to resume."


def command(request: Request, results: Path, device: str, devices: int = 1) -> list[str]:
    """The command line of one run."""
    # Another suite may be at work on the same results, or a run that outlived its own.
    words = [sys.executable, "-m", "benchbed", "run", "--wait"]
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
        "--devices": devices if devices > 1 else None,
    }
    for option, value in given.items():
        if value is not None:
            words += [option, str(value)]
    for name, value in request.settings.items():
        words += ["--set", f"{name}={json.dumps(value)}"]
    for metric in request.metrics:
        words += ["--metric", metric]
    return [*words, "--skip-bad"] if request.skip_bad else words
