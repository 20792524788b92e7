"""Training budget and position; free of torch, so that planning is fast."""

from __future__ import annotations

import math
from dataclasses import dataclass

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
