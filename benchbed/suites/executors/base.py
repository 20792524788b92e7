"""Interface of the executors that run the runs of a suite."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol

from benchbed.suites.plan import SuiteRun

RunOutcomeName = Literal["finished", "diverged", "broken", "stopped"]


@dataclass(frozen=True)
class FinishedRun:
    """A run that has ended."""

    suite_run: SuiteRun
    outcome: RunOutcomeName
    message: str = ""


class Executor(Protocol):
    """Executes several runs in parallel; a failure of one does not affect the others.

    Attributes:
        capacity: Known capacity in parallel runs; 0 while there is none.
    """

    capacity: int

    def can_start(self) -> bool:
        """Return whether one more run can be started now."""

    def start_run(self, suite_run: SuiteRun) -> None:
        """Start or resume a run without waiting for it."""

    def collect_finished(self) -> list[FinishedRun]:
        """Wait briefly, and return the runs that have ended since the last call."""

    def stop_runs(self, *, immediately: bool) -> None:
        """Stop every run.

        Args:
            immediately: Stop immediately and keep the last checkpoint; otherwise after the current
                step, with a new checkpoint.
        """

    def close(self) -> None:
        """Terminate all remaining computations."""
