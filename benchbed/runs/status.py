"""The live status of a run, for readers outside its process."""

from __future__ import annotations

import contextlib
import json
import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from benchbed.utils.progress import Reporter, TrainingProgress
from benchbed.utils.regular_files import open_to_append, read_regular_file

STATUS_FILE = "progress.json"
"""File in a run's folder that exists while the run is active."""


MAX_STATUS_BYTES = 2**16
"""Maximum size of the status file in bytes."""


WRITE_SECONDS = 1.0
"""Minimum time between two writes."""


_STATUS_KEYS = {
    "doing": "activity",
    "share": "progress_share",
    "images_per_second": "images_per_second",
    "remaining": "seconds_left",
}
"""Keys of the status file, and the attributes that they hold."""


@dataclass(frozen=True)
class RunStatus:
    """Live status of a run.

    Attributes:
        activity: The current activity, such as ``"training"``.
        progress_share: Share of the activity that is done, in [0, 1].
        images_per_second: Training speed; None outside training.
        seconds_left: Seconds of training left; None if unknown.
    """

    activity: str
    progress_share: float = 0.0
    images_per_second: float | None = None
    seconds_left: float | None = None

    def as_dict(self) -> dict[str, Any]:
        """Return the content of the status file."""
        return {key: getattr(self, name) for key, name in _STATUS_KEYS.items()}


def read_status(folder: Path) -> RunStatus | None:
    """Return the status of the run in `folder`, or None if no run is active there."""
    try:
        content = json.loads(read_regular_file(folder / STATUS_FILE, MAX_STATUS_BYTES, root=folder))
        return RunStatus(**{_STATUS_KEYS[key]: value for key, value in content.items()})
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return None


def remove_status(folder: Path) -> None:
    """Delete the status file of a process that ended without doing so."""
    (folder / STATUS_FILE).unlink(missing_ok=True)


class StatusReporter:
    """Reporter that writes the current status to the run's folder and forwards every report."""

    def __init__(self, folder: Path, listener: Reporter) -> None:
        self.folder = folder
        self.listener = listener
        self._activity = ""
        self._written = -math.inf

    def write_status(self, status: RunStatus) -> None:
        """Write the status, unless the file is recent and names the same activity."""
        now = time.monotonic()
        if status.activity == self._activity and now - self._written < WRITE_SECONDS:
            return
        self._activity, self._written = status.activity, now
        # No fsync: the file need not survive a power cut. A full disk must not end the run.
        with contextlib.suppress(OSError):
            temporary = self.folder / f".{STATUS_FILE}.part"
            temporary.write_text(json.dumps(status.as_dict()), encoding="utf-8")
            temporary.replace(self.folder / STATUS_FILE)

    def report_message(self, text: str) -> None:
        """Forward a message."""
        self.listener.report_message(text)

    def report_progress(self, activity: str, done: int, total: int) -> None:
        """Write and forward progress of a countable activity."""
        self.write_status(RunStatus(activity, done / total if total else 1.0))
        self.listener.report_progress(activity, done, total)

    def report_training(self, progress: TrainingProgress) -> None:
        """Write and forward training progress."""
        left = progress.seconds_left if math.isfinite(progress.seconds_left) else None
        self.write_status(
            RunStatus("training", progress.budget_share, progress.images_per_second, left)
        )
        self.listener.report_training(progress)

    def report_picture(self, path: Path) -> None:
        """Forward the path of a new picture."""
        self.listener.report_picture(path)


@contextmanager
def track_status(folder: Path, listener: Reporter) -> Iterator[StatusReporter]:
    """Write the status of the run in `folder` until the block ends, then delete the file."""
    reporter = StatusReporter(folder, listener)
    reporter.write_status(RunStatus("starting"))
    try:
        yield reporter
    finally:
        remove_status(folder)


class LogReporter:
    """Reporter that writes messages to ``log.txt`` and forwards every report."""

    def __init__(self, path: Path, listener: Reporter) -> None:
        self.path = path
        self.listener = listener

    def write_line(self, text: str) -> None:
        """Append a line with the time; errors such as a full disk are ignored."""
        stamp = datetime.now().astimezone().isoformat(timespec="seconds")
        with contextlib.suppress(OSError):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with open_to_append(self.path, root=self.path.parent) as file:
                file.write(f"{stamp} {text.rstrip()}\n".encode(errors="backslashreplace"))

    def report_message(self, text: str) -> None:
        """Log and forward a message."""
        self.write_line(text)
        self.listener.report_message(text)

    def report_progress(self, activity: str, done: int, total: int) -> None:
        """Forward progress of a countable activity."""
        self.listener.report_progress(activity, done, total)

    def report_training(self, progress: TrainingProgress) -> None:
        """Forward training progress."""
        self.listener.report_training(progress)

    def report_picture(self, path: Path) -> None:
        """Log and forward the path of a new picture."""
        self.write_line(f"picture {path}")
        self.listener.report_picture(path)
