"""How long to train, and how far a run has come; without torch, for whoever only plans."""

from __future__ import annotations

import math
from dataclasses import dataclass

LOG_ROWS = 200
"""Rows of the history of a run with a budget in images."""

LOG_STEPS = 25
"""Steps between rows of the history of a run with a budget by the clock."""


@dataclass
class Position:
    """How far a run has come.

    Attributes:
        shown: Images shown; also the place in the data.
        seconds: Seconds of training.
    """

    shown: int = 0
    seconds: float = 0.0


@dataclass(frozen=True)
class Budget:
    """How long to train; one of the two is given.

    Attributes:
        kimg: Thousands of images to be shown.
        seconds: Seconds of training.
    """

    kimg: float | None = None
    seconds: float | None = None

    def share(self, position: Position) -> float:
        """The share that is spent, in [0, 1]."""
        if self.kimg is not None:
            return min(1.0, position.shown / (self.kimg * 1000))
        assert self.seconds is not None
        return min(1.0, position.seconds / self.seconds)

    def log_steps(self, batch_size: int) -> int:
        """Steps between rows of the history: a matter of the budget, never of the machine."""
        if self.kimg is None:
            return LOG_STEPS
        return max(1, math.ceil(self.kimg * 1000 / batch_size / LOG_ROWS))
