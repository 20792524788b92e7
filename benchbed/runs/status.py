"""The live status of a run, for readers outside its process."""

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
"""File in a run's folder that exists while the run is active."""

WRITE_SECONDS = 1.0
"""Minimum time between two writes."""


@dataclass(frozen=True)
class Status:
    """Live status of a run.

    Attributes:
        doing: The current activity, such as ``"training"``.
        share: Share of the activity that is done, in [0, 1].
        images_per_second: Training speed; None outside training.
        remaining: Seconds of training left; None if unknown.
    """

    doing: str
    share: float = 0.0
    images_per_second: float | None = None
    remaining: float | None = None


def read_status(folder: Path) -> Status | None:
    """Return the status of the run in `folder`, or None if no run is active there."""
    try:
        return Status(**json.loads((folder / NAME).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None


def forget_status(folder: Path) -> None:
    """Delete the status file of a process that ended without doing so."""
    (folder / NAME).unlink(missing_ok=True)


class Told:
    """Reporter that writes the current status to the run's folder and forwards every report."""

    def __init__(self, folder: Path, listener: Reporter) -> None:
        self.folder = folder
        self.listener = listener
        self._doing = ""
        self._written = -math.inf

    def write(self, status: Status) -> None:
        """Write the status, unless the file is recent and names the same activity."""
        now = time.monotonic()
        if status.doing == self._doing and now - self._written < WRITE_SECONDS:
            return
        self._doing, self._written = status.doing, now
        # No fsync: the file need not survive a power cut. A full disk must not end the run.
        with contextlib.suppress(OSError):
            temporary = self.folder / f".{NAME}.part"
            temporary.write_text(json.dumps(asdict(status)), encoding="utf-8")
            temporary.replace(self.folder / NAME)

    def say(self, text: str) -> None:
        """Forward a message."""
        self.listener.say(text)

    def counted(self, what: str, done: int, total: int) -> None:
        """Write and forward progress of a countable activity."""
        self.write(Status(what, done / total if total else 1.0))
        self.listener.counted(what, done, total)

    def training(self, progress: Progress) -> None:
        """Write and forward training progress."""
        left = progress.remaining if math.isfinite(progress.remaining) else None
        self.write(Status("training", progress.share, progress.images_per_second, left))
        self.listener.training(progress)

    def picture(self, path: Path) -> None:
        """Forward the path of a new picture."""
        self.listener.picture(path)


@contextmanager
def told(folder: Path, listener: Reporter) -> Iterator[Told]:
    """Write the status of the run in `folder` until the block ends, then delete the file."""
    reporter = Told(folder, listener)
    reporter.write(Status("starting"))
    try:
        yield reporter
    finally:
        forget_status(folder)
