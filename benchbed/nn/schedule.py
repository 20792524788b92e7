"""Resolution schedule of progressively grown networks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import accumulate


@dataclass(frozen=True)
class ProgressiveSchedule:
    """Level and fade-in as a function of the share of the budget spent (Karras et al. 2018).

    Level n of a network that grows from 4 x 4 px has 4 * 2^n px. Every level fades in, then
    stabilises; the first has nothing to fade in from. In the paper's appendix A.1 both phases take
    800 thousand images, so the first level takes half as long as the others.

    Attributes:
        levels: Number of levels, >= 1.
        weights: Relative time of each level, one per level; leading zeros start training at a
            higher level. Empty for the paper's: 1/2 for the first, 1 for the others.
        fade_share: Share of a level's time during which it fades in, in [0, 1).

    Raises:
        ValueError: A number is out of range, or a level above the first trained one has no time.
    """

    levels: int
    weights: Sequence[float] = ()
    fade_share: float = 0.5
    _ends: tuple[float, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.levels < 1:
            raise ValueError(f"levels is {self.levels} but must be at least 1")
        if not 0.0 <= self.fade_share < 1.0:
            raise ValueError(f"fade_share is {self.fade_share} but must be in [0, 1)")
        weights = list(self.weights) or [0.5, *[1.0] * (self.levels - 1)]
        if len(weights) != self.levels:
            raise ValueError(f"{len(weights)} weights were given for {self.levels} levels")
        start = next((level for level, weight in enumerate(weights) if weight != 0), len(weights))
        if start == len(weights) or any(weight <= 0 for weight in weights[start:]):
            raise ValueError(f"weights {weights} must be positive after leading zeros")
        total = sum(weights)
        object.__setattr__(self, "_ends", tuple(end / total for end in accumulate(weights)))

    @property
    def start_level(self) -> int:
        """Level at which training starts."""
        return next(level for level, end in enumerate(self._ends) if end > 0)

    def get_level(self, progress: float) -> tuple[int, float]:
        """Return level and fade-in at a given progress.

        Args:
            progress: Share of the budget spent, in [0, 1].

        Returns:
            The level, and the weight alpha in [0, 1] of its new layers.

        Raises:
            ValueError: `progress` is not in [0, 1].
        """
        if not 0.0 <= progress <= 1.0:
            raise ValueError(f"progress is {progress} but must be in [0, 1]")
        last = self.levels - 1
        level = next((n for n, end in enumerate(self._ends[:last]) if progress < end), last)
        start = self._ends[level - 1] if level else 0.0
        fading = (self._ends[level] - start) * self.fade_share
        if start == 0.0 or progress - start >= fading:
            return level, 1.0
        return level, (progress - start) / fading
