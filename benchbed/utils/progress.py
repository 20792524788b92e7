"""Budget, position and progress of training, and the interface of reporters."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from benchbed.utils.collapse import CollapseSign

HISTORY_ROWS = 200
"""History rows of a run with a budget in images."""

HISTORY_STEP_INTERVAL = 25
"""Steps between history rows of a run with a budget in seconds."""


@dataclass
class TrainingPosition:
    """How far a run has come.

    Attributes:
        images_shown: Images shown; also the position in the data.
        seconds: Seconds of training.
    """

    images_shown: int = 0
    seconds: float = 0.0


@dataclass(frozen=True)
class Budget:
    """Training budget; exactly one of the two is set.

    Attributes:
        kimg: Thousands of images to show.
        seconds: Seconds of training.
    """

    kimg: float | None = None
    seconds: float | None = None

    def compute_share(self, position: TrainingPosition) -> float:
        """Return the share of the budget spent, in [0, 1]."""
        if self.kimg is not None:
            return min(1.0, position.images_shown / (self.kimg * 1000))
        assert self.seconds is not None
        return min(1.0, position.seconds / self.seconds)

    def compute_log_interval(self, batch_size: int) -> int:
        """Return the steps between history rows; depends on the budget, never on the machine."""
        if self.kimg is None:
            return HISTORY_STEP_INTERVAL
        return max(1, math.ceil(self.kimg * 1000 / batch_size / HISTORY_ROWS))


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
        collapse: Signs of collapse at the last check.
    """

    budget_share: float
    steps: int
    kimg: float
    seconds: float
    images_per_second: float
    seconds_left: float
    losses: Mapping[str, float] = field(default_factory=dict)
    collapse: tuple[CollapseSign, ...] = ()


class Reporter(Protocol):
    """Receives progress events."""

    def report_message(self, text: str) -> None:
        """Report one line of text."""

    def report_progress(self, activity: str, done: int, total: int) -> None:
        """Report progress of countable work."""

    def report_training(self, progress: TrainingProgress) -> None:
        """Report training progress."""

    def report_picture(self, path: Path) -> None:
        """Report that a picture was written."""


class NullReporter:
    """Reporter that discards everything."""

    def report_message(self, text: str) -> None:
        """Do nothing."""

    def report_progress(self, activity: str, done: int, total: int) -> None:
        """Do nothing."""

    def report_training(self, progress: TrainingProgress) -> None:
        """Do nothing."""

    def report_picture(self, path: Path) -> None:
        """Do nothing."""


ProgressCallback = Callable[[str, int, int], None]
"""Called with the current activity, the number of items done, and the total."""


def ignore_progress(activity: str, done: int, total: int) -> None:
    """Ignore progress."""
    del activity, done, total
