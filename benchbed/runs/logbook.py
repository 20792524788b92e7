"""The log of a run, written next to other reporters."""

from __future__ import annotations

import contextlib
from datetime import datetime
from pathlib import Path

from benchbed.training.events import TrainingProgress, Reporter


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
            with self.path.open("a", encoding="utf-8") as file:
                file.write(f"{stamp} {text.rstrip()}\n")

    def report_message(self, text: str) -> None:
        """Log and forward a message."""
        self.write_line(text)
        self.listener.report_message(text)

    def report_progress(self, what: str, done: int, total: int) -> None:
        """Forward progress of a countable activity."""
        self.listener.report_progress(what, done, total)

    def report_training(self, progress: TrainingProgress) -> None:
        """Forward training progress."""
        self.listener.report_training(progress)

    def report_picture(self, path: Path) -> None:
        """Log and forward the path of a new picture."""
        self.write_line(f"picture {path.name}")
        self.listener.report_picture(path)
