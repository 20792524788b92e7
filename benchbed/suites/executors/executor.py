"""What carrying out a suite asks of whoever computes its runs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol

from benchbed.suites.grid import Member

Outcome = Literal["finished", "diverged", "broken", "stopped"]


@dataclass(frozen=True)
class Ended:
    """A run that is over.

    Attributes:
        member: The run.
        outcome: How it ended.
        words: The last that it said, where it broke.
    """

    member: Member
    outcome: Outcome
    words: str = ""


class Executor(Protocol):
    """Computes runs, several at a time; whatever becomes of one, the others go on.

    Attributes:
        room: How many it computes at a time, as far as it knows now; 0 where there is no room yet.
    """

    room: int

    def has_room(self) -> bool:
        """Whether one more run can be handed over now."""

    def start(self, member: Member) -> None:
        """Begin a run, or go on with it; returns at once."""

    def ended(self) -> list[Ended]:
        """Wait a moment, and say which runs are over since."""

    def stop(self, *, at_once: bool) -> None:
        """Ask every run to stop.

        Args:
            at_once: Stop where they are, with the last checkpoint as it is; else after their
                step, with a checkpoint.
        """

    def close(self) -> None:
        """Leave nothing behind that computes."""
