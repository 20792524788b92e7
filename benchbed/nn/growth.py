"""State of a growing network."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from benchbed.nn.schedule import ProgressiveSchedule


class GrowthState(nn.Module):
    """Current level and fade-in; saved with the method, so that sampling uses them too.

    Args:
        schedule: Level and fade-in as a function of the share of the budget spent.
    """

    place: Tensor

    def __init__(self, schedule: ProgressiveSchedule) -> None:
        super().__init__()
        self.schedule = schedule
        self.register_buffer("place", torch.tensor([-1.0, 1.0], dtype=torch.float64))

    @property
    def level_count(self) -> int:
        """Number of levels."""
        return self.schedule.levels

    @property
    def level(self) -> int:
        """Current level; before the first step, the level at which training starts."""
        return max(self.schedule.start_level, int(self.place[0]))

    @property
    def alpha(self) -> float:
        """Weight of the current level's new layers."""
        return float(self.place[1])

    def advance(self, progress: float) -> bool:
        """Move to the state at a given progress.

        Args:
            progress: Share of the budget spent, in [0, 1].

        Returns:
            Whether a phase begins: new layers start to fade in, or have faded in. Karras et al.'s
            code resets the optimiser moments there.
        """
        previous = (float(self.place[0]), self.alpha < 1.0)
        level, alpha = self.schedule.get_level(progress)
        self.place[0], self.place[1] = level, alpha
        return previous != (float(level), alpha < 1.0)
