"""Training budget and position; free of torch, so that planning is fast."""

from __future__ import annotations

import math
from dataclasses import dataclass

LOG_ROWS = 200
"""History rows of a run with a budget in images."""

LOG_STEPS = 25
"""Steps between history rows of a run with a budget in seconds."""


@dataclass
class Position:
    """How far a run has come.

    Attributes:
        shown: Images shown; also the position in the data.
        seconds: Seconds of training.
    """

    shown: int = 0
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

    def share(self, position: Position) -> float:
        """Return the share of the budget spent, in [0, 1]."""
        if self.kimg is not None:
            return min(1.0, position.shown / (self.kimg * 1000))
        assert self.seconds is not None
        return min(1.0, position.seconds / self.seconds)

    def log_steps(self, batch_size: int) -> int:
        """Return the steps between history rows; depends on the budget, never on the machine."""
        if self.kimg is None:
            return LOG_STEPS
        return max(1, math.ceil(self.kimg * 1000 / batch_size / LOG_ROWS))
