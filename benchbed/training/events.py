"""What the work reports of itself; who listens is none of its business."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol


@dataclass(frozen=True)
class Progress:
    """Where training stands.

    Attributes:
        share: Share of the budget spent, in [0, 1].
        steps: Training steps done.
        kimg: Thousands of images shown.
        seconds: Seconds of training, interruptions left out.
        images_per_second: Speed since the last report.
        remaining: Estimated seconds left.
        losses: Means since the last report, by name.
    """

    share: float
    steps: int
    kimg: float
    seconds: float
    images_per_second: float
    remaining: float
    losses: Mapping[str, float] = field(default_factory=dict)


class Reporter(Protocol):
    """Somebody who wants to know."""

    def say(self, text: str) -> None:
        """One line worth reading."""

    def counted(self, what: str, done: int, total: int) -> None:
        """A countable piece of work has come so far."""

    def training(self, progress: Progress) -> None:
        """Training has come so far."""

    def picture(self, path: Path) -> None:
        """A picture was written."""


class Silent:
    """A reporter that keeps it to itself."""

    def say(self, text: str) -> None:
        """Nothing."""

    def counted(self, what: str, done: int, total: int) -> None:
        """Nothing."""

    def training(self, progress: Progress) -> None:
        """Nothing."""

    def picture(self, path: Path) -> None:
        """Nothing."""
