"""Executor for processes on this machine, so that a crash of one run affects no other."""

from __future__ import annotations

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

from benchbed.config.run_config import RunConfig
from benchbed.errors import BenchbedError
from benchbed.results.store import ResultStore
from benchbed.runs.status import remove_status
from benchbed.suites.executors.base import FinishedRun, RunOutcomeName
from benchbed.suites.plan import SuiteRun
from benchbed.utils.regular_files import check_run_files, open_regular_file, open_to_append

EXIT_OUTCOMES: dict[int, RunOutcomeName] = {
    0: "finished",
    3: "diverged",
    130: "stopped",
    -signal.SIGINT: "stopped",
    -signal.SIGTERM: "stopped",
}
"""Exit codes of ``benchbed run``; all others mean that the run failed."""


POLL_SECONDS = 0.2


OUTPUT_FILE = "output.txt"
"""File in a run's folder with its output."""


LAST_LINES = 12


LAST_BYTES = 65_536


MAX_OUTPUT_BYTES = 2**40
"""Maximum size of the output of a run in bytes; only its end is read."""


GRACE_SECONDS = 10.0
"""Time to exit after an immediate stop; native code does not react to signals."""


@dataclass
class _RunningProcess:
    suite_run: SuiteRun
    process: subprocess.Popen[bytes]
    accelerators: Sequence[str]


class LocalExecutor:
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
        arguments: Further arguments of each run's command line.

    Attributes:
        capacity: Number of parallel runs.
    """

    def __init__(
        self,
        store: ResultStore,
        *,
        jobs: int = 1,
        threads: int | None = None,
        device: str = "auto",
        accelerators: Sequence[str] = (),
        devices: int = 1,
        arguments: Sequence[str] = (),
    ) -> None:
        self._store = store
        self.capacity = jobs
        self._threads = compute_core_count(threads, jobs * devices)
        self._device = device
        self._accelerators = accelerators
        self._devices = devices
        self._arguments = arguments
        self._running: list[_RunningProcess] = []
        self._deadline = math.inf

    def can_start(self) -> bool:
        """Return whether fewer runs than the capacity are active."""
        return len(self._running) < self.capacity

    def start_run(self, suite_run: SuiteRun) -> None:
        """Start a run in a new process."""
        folder = self._store.get_run_folder(suite_run.plan.id)
        folder.mkdir(parents=True, exist_ok=True)
        remove_status(folder)
        devices = suite_run.count_devices(self._devices)
        accelerators = self._select_least_used(devices)
        environment = {**os.environ, "OMP_NUM_THREADS": self._threads}
        if accelerators:
            environment["CUDA_VISIBLE_DEVICES"] = ",".join(accelerators)
        check_run_files(folder)
        with open_to_append(folder / OUTPUT_FILE, root=folder) as file:
            # Its own process group: Ctrl-C reaches only this process, which forwards it.
            process = subprocess.Popen(
                [
                    *build_command(suite_run.plan.config, self._store.root, self._device, devices),
                    *self._arguments,
                ],
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
                env=environment,
                process_group=0,
            )
        self._running.append(_RunningProcess(suite_run, process, accelerators))

    def collect_finished(self) -> list[FinishedRun]:
        """Wait briefly, and return the runs that have ended since the last call."""
        time.sleep(POLL_SECONDS)
        if self._is_grace_over():
            self._kill_processes()
        finished = [running for running in self._running if running.process.poll() is not None]
        self._running = [running for running in self._running if running not in finished]
        return [self._read_outcome(running) for running in finished]

    def stop_runs(self, *, immediately: bool) -> None:
        """Interrupt every run; an immediate stop interrupts again, then kills after a while."""
        if immediately:
            self._deadline = time.monotonic() + GRACE_SECONDS
        for running in self._running:
            running.process.send_signal(signal.SIGINT)

    def close(self) -> None:
        """Terminate all active runs."""
        for running in self._running:
            running.process.terminate()
        deadline = time.monotonic() + GRACE_SECONDS
        while time.monotonic() < deadline and any(g.process.poll() is None for g in self._running):
            time.sleep(POLL_SECONDS)
        self._kill_processes()
        self._running = []

    def _is_grace_over(self) -> bool:
        return time.monotonic() > self._deadline

    def _kill_processes(self) -> None:
        for running in self._running:
            running.process.kill()
            running.process.wait()

    def _read_outcome(self, running: _RunningProcess) -> FinishedRun:
        code = running.process.returncode
        outcome = EXIT_OUTCOMES.get(code, "broken")
        if code == -signal.SIGKILL and self._is_grace_over():
            outcome = "stopped"
        reason = describe_signal(-code) if code < 0 else ""
        recorded = self._store.get_record_path(running.suite_run.plan.id).exists()
        if outcome in ("finished", "diverged") and not recorded:
            # The process exited by other means than the command, such as a plugin's os._exit.
            outcome, reason = "broken", f"Process exited with code {code} without a record."
        message = (
            f"{self._read_last_lines(running.suite_run)}\n{reason}".strip()
            if outcome == "broken"
            else ""
        )
        return FinishedRun(running.suite_run, outcome, message)

    def _read_last_lines(self, suite_run: SuiteRun) -> str:
        path = self._store.get_run_folder(suite_run.plan.id) / OUTPUT_FILE
        try:
            with open_regular_file(path, MAX_OUTPUT_BYTES, root=path.parent) as file:
                file.seek(max(0, file.seek(0, os.SEEK_END) - LAST_BYTES))
                lines = file.read().decode("utf-8", errors="replace").splitlines()
        except OSError as error:
            return f"The output cannot be read: {error}."
        return "\n".join(lines[-LAST_LINES:])

    def _select_least_used(self, count: int) -> Sequence[str]:
        used = Counter(name for running in self._running for name in running.accelerators)
        return sorted(self._accelerators, key=lambda name: used[name])[:count]


def compute_core_count(threads: int | None, processes: int) -> str:
    """Return the cores of each process as a value for ``OMP_NUM_THREADS``.

    Args:
        threads: Cores that the user requested; None for ``$OMP_NUM_THREADS``, else an even share.
        processes: Number of parallel processes.
    """
    share = str(max(1, (os.cpu_count() or 1) // processes))
    return str(threads) if threads else os.environ.get("OMP_NUM_THREADS", share)


def describe_signal(number: int) -> str:
    """Return the error message for a process that a signal ended."""
    name = {known.value: known.name for known in signal.Signals}.get(number, f"signal {number}")
    reason = ", typically because memory ran out" if number == signal.SIGKILL else ""
    return f"Killed by {name}{reason}. Repeat the command to resume."


def build_command(config: RunConfig, results: Path, device: str, devices: int = 1) -> list[str]:
    """Return the command line of one run."""
    # Wait, since another suite or a leftover process may hold the run.
    words = [sys.executable, "-m", "benchbed", "run", "--wait", *config.to_words()]
    words += ["--results", str(results), "--device", device]
    return [*words, "--devices", str(devices)] if devices > 1 else words


def list_accelerators() -> list[str]:
    """Return the visible CUDA devices, as ``CUDA_VISIBLE_DEVICES`` names them."""
    import torch

    count = torch.cuda.device_count()
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible:
        return [name.strip() for name in visible.split(",")][:count]
    return [str(number) for number in range(count)]


def select_accelerators(device: str, jobs: int, devices: int) -> list[str]:
    """Return the accelerators to assign to runs; empty if each run may use all of them.

    Args:
        device: The device option: ``"auto"``, ``"cpu"``, ``"cuda"`` or ``"cuda:N"``.
        jobs: Number of parallel runs.
        devices: Number of devices per run.

    Raises:
        BenchbedError: There are fewer than one run needs.
    """
    if device not in ("auto", "cuda"):
        if devices > 1 and device != "cpu":
            raise BenchbedError(
                f"--devices {devices} uses the first devices and cannot be combined with "
                f"--device {device}. Use one of the two options."
            )
        return []
    if jobs == devices == 1:
        return []
    found = list_accelerators()
    if devices > 1 and (found or device == "cuda") and len(found) < devices:
        raise BenchbedError(
            f"--devices {devices} is unavailable: torch detects {len(found)} CUDA devices. Run "
            "`benchbed doctor` for details."
        )
    return found if jobs > 1 else []
