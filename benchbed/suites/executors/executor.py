"""Interface of the executors that run the runs of a suite."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol

from benchbed.suites.grid import Member

Outcome = Literal["finished", "diverged", "broken", "stopped"]


@dataclass(frozen=True)
class Ended:
    """A run that has ended."""

    member: Member
    outcome: Outcome
    words: str = ""


class Executor(Protocol):
    """Executes several runs in parallel; a failure of one does not affect the others.

    Attributes:
        room: Known capacity in parallel runs; 0 while there is none.
    """

    room: int

    def has_room(self) -> bool:
        """Return whether one more run can be started now."""

    def start(self, member: Member) -> None:
        """Start or resume a run without waiting for it."""

    def ended(self) -> list[Ended]:
        """Wait briefly, and return the runs that have ended since the last call."""

    def stop(self, *, at_once: bool) -> None:
        """Stop every run.

        Args:
            at_once: Stop immediately and keep the last checkpoint; otherwise after the current
                step, with a new checkpoint.
        """

    def close(self) -> None:
        """Terminate all remaining computations."""
