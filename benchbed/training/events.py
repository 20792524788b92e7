"""Events that training and evaluation report, and the interface that receives them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol


@dataclass(frozen=True)
class Progress:
    """Progress of training.

    Attributes:
        share: Share of the budget spent, in [0, 1].
        steps: Training steps done.
        kimg: Thousands of images shown.
        seconds: Seconds of training, without interruptions.
        images_per_second: Images per second since the last report.
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
    """Receives progress events."""

    def say(self, text: str) -> None:
        """Report one line of text."""

    def counted(self, what: str, done: int, total: int) -> None:
        """Report progress of countable work."""

    def training(self, progress: Progress) -> None:
        """Report training progress."""

    def picture(self, path: Path) -> None:
        """Report that a picture was written."""


class Silent:
    """Reporter that discards everything."""

    def say(self, text: str) -> None:
        """Do nothing."""

    def counted(self, what: str, done: int, total: int) -> None:
        """Do nothing."""

    def training(self, progress: Progress) -> None:
        """Do nothing."""

    def picture(self, path: Path) -> None:
        """Do nothing."""
