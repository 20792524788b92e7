"""Where a run stands at this moment, for whoever watches it from outside its process."""

from __future__ import annotations

import contextlib
import json
import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from benchbed.training.events import Progress, Reporter

NAME = "progress.json"
"""The file in a run's folder; it is there while the run goes on."""

WRITE_SECONDS = 1.0
"""It is written no more often than this."""


@dataclass(frozen=True)
class Status:
    """Where a run stands.

    Attributes:
        doing: What it does, such as ``"training"``.
        share: Share of that which is done, in [0, 1].
        images_per_second: Speed of the training; None while it does not train.
        remaining: Seconds of training left; None where that is not known.
    """

    doing: str
    share: float = 0.0
    images_per_second: float | None = None
    remaining: float | None = None


def read_status(folder: Path) -> Status | None:
    """What the run in `folder` does, or None where none goes on there."""
    try:
        return Status(**json.loads((folder / NAME).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None


def forget_status(folder: Path) -> None:
    """Take away what a run left that could not do so itself."""
    (folder / NAME).unlink(missing_ok=True)


class Told:
    """Passes every report on, and keeps the last one in the run's folder.

    Attributes:
        folder: The run's folder.
        listener: Who is told too.
    """

    def __init__(self, folder: Path, listener: Reporter) -> None:
        self.folder = folder
        self.listener = listener
        self._doing = ""
        self._written = -math.inf

    def write(self, status: Status) -> None:
        """Write the file, unless it says nearly the same already."""
        now = time.monotonic()
        if status.doing == self._doing and now - self._written < WRITE_SECONDS:
            return
        self._doing, self._written = status.doing, now
        # It need not outlive a power cut, so nobody waits for the disk; and a folder that is full
        # for a moment must not end a run.
        with contextlib.suppress(OSError):
            half = self.folder / f".{NAME}.part"
            half.write_text(json.dumps(asdict(status)), encoding="utf-8")
            half.replace(self.folder / NAME)

    def say(self, text: str) -> None:
        """One line worth reading."""
        self.listener.say(text)

    def counted(self, what: str, done: int, total: int) -> None:
        """A countable piece of work has come so far."""
        self.write(Status(what, done / total if total else 1.0))
        self.listener.counted(what, done, total)

    def training(self, progress: Progress) -> None:
        """Training has come so far."""
        left = progress.remaining if math.isfinite(progress.remaining) else None
        self.write(Status("training", progress.share, progress.images_per_second, left))
        self.listener.training(progress)

    def picture(self, path: Path) -> None:
        """A picture was written."""
        self.listener.picture(path)


@contextmanager
def told(folder: Path, listener: Reporter) -> Iterator[Told]:
    """Tell where the run in `folder` stands, until the block ends."""
    reporter = Told(folder, listener)
    reporter.write(Status("starting"))
    try:
        yield reporter
    finally:
        forget_status(folder)
