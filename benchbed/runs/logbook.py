"""The log of a run, beside whoever else listens."""

from __future__ import annotations

import contextlib
from datetime import datetime
from pathlib import Path

from benchbed.training.events import Progress, Reporter


class Logbook:
    """Passes every report on, and writes the lines worth reading to ``log.txt``.

    Attributes:
        path: The file.
        listener: Who is told too.
    """

    def __init__(self, path: Path, listener: Reporter) -> None:
        self.path = path
        self.listener = listener

    def write(self, text: str) -> None:
        """Append to the file, with the time; a line that finds no room is left out."""
        stamp = datetime.now().astimezone().isoformat(timespec="seconds")
        with contextlib.suppress(OSError):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self.path.open("a", encoding="utf-8") as file:
                file.write(f"{stamp} {text.rstrip()}\n")

    def say(self, text: str) -> None:
        """One line worth reading."""
        self.write(text)
        self.listener.say(text)

    def counted(self, what: str, done: int, total: int) -> None:
        """A countable piece of work has come so far."""
        self.listener.counted(what, done, total)

    def training(self, progress: Progress) -> None:
        """Training has come so far."""
        self.listener.training(progress)

    def picture(self, path: Path) -> None:
        """A picture was written."""
        self.write(f"picture {path.name}")
        self.listener.picture(path)
