"""Events that training and evaluation report, and the interface that receives them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol


@dataclass(frozen=True)
class TrainingProgress:
    """Progress of training.

    Attributes:
        budget_share: Share of the budget spent, in [0, 1].
        steps: Training steps done.
        kimg: Thousands of images shown.
        seconds: Seconds of training, without interruptions.
        images_per_second: Images per second since the last report.
        seconds_left: Estimated seconds left.
        losses: Means since the last report, by name.
    """

    budget_share: float
    steps: int
    kimg: float
    seconds: float
    images_per_second: float
    seconds_left: float
    losses: Mapping[str, float] = field(default_factory=dict)


class Reporter(Protocol):
    """Receives progress events."""

    def report_message(self, text: str) -> None:
        """Report one line of text."""

    def report_progress(self, what: str, done: int, total: int) -> None:
        """Report progress of countable work."""

    def report_training(self, progress: TrainingProgress) -> None:
        """Report training progress."""

    def report_picture(self, path: Path) -> None:
        """Report that a picture was written."""


class NullReporter:
    """Reporter that discards everything."""

    def report_message(self, text: str) -> None:
        """Do nothing."""

    def report_progress(self, what: str, done: int, total: int) -> None:
        """Do nothing."""

    def report_training(self, progress: TrainingProgress) -> None:
        """Do nothing."""

    def report_picture(self, path: Path) -> None:
        """Do nothing."""


ProgressCallback = Callable[[str, int, int], None]
"""Called with the current step, the number of items done, and the total."""


def ignore_progress(what: str, done: int, total: int) -> None:
    """Ignore progress."""
    del what, done, total
