"""Tables and progress on the terminal."""

from __future__ import annotations

import math
import os
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table

from benchbed.cli.plain import make_plain_text

if TYPE_CHECKING:
    from rich.progress import Progress as Bars
    from rich.progress import TaskID

    from benchbed.training.events import TrainingProgress

PROGRESS_INTERVAL_SECONDS = 30.0
"""Interval of progress lines if output is not a terminal."""


def print_rows(rows: Sequence[Mapping[str, Any]], *, empty: str) -> None:
    """Print rows of the same keys as a table."""
    console = Console()
    if not rows:
        console.print(empty)
        return
    table = Table(box=None, pad_edge=False)
    for position, name in enumerate(rows[0]):
        table.add_column(name.replace("_", " "), no_wrap=position == 0, overflow="fold")
    for row in rows:
        table.add_row(*(make_plain_text(str(value)) for value in row.values()))
    console.print(table)


def format_duration(seconds: float) -> str:
    """Format seconds as ``"45 s"``, ``"3 min 20 s"`` or ``"2 h 05 min"``."""
    if not math.isfinite(seconds):
        return "unknown"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


class ConsoleReporter:
    """Reporter for the console: a live bar on a terminal, occasional lines elsewhere.

    Everything goes to stderr, so that stdout has only output for scripts. Of several processes of
    a run, only rank 0 prints.
    """

    def __init__(self) -> None:
        is_first_rank = os.environ.get("LOCAL_RANK", "0") == "0"
        self.console = Console(stderr=True, quiet=not is_first_rank)
        self._bars: Bars | None = None
        self._tasks: dict[str, TaskID] = {}
        self._last_line = 0.0

    def __enter__(self) -> ConsoleReporter:
        if self.console.is_terminal:
            from rich.progress import BarColumn, Progress, TextColumn

            columns = (
                TextColumn("{task.description}"),
                BarColumn(bar_width=24),
                TextColumn("{task.percentage:>3.0f} %"),
                TextColumn("{task.fields[detail]}"),
            )
            self._bars = Progress(*columns, console=self.console, refresh_per_second=4)
            self._bars.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._bars is not None:
            self._bars.stop()

    def report_message(self, text: str) -> None:
        """Print a message."""
        self.console.print(make_plain_text(text))

    def report_progress(self, what: str, done: int, total: int) -> None:
        """Show progress of a countable activity."""
        self._show_progress(what, done / total if total else 1.0, f"{done}/{total}")

    def report_training(self, progress: TrainingProgress) -> None:
        """Show training progress."""
        speed = f"{progress.images_per_second:.0f} images/s, " if progress.images_per_second else ""
        losses = ", ".join(f"{name} {loss:.3g}" for name, loss in progress.losses.items())
        left = f"{format_duration(progress.seconds_left)} left" if progress.budget_share < 1 else "done"
        detail = f"{progress.kimg:.1f} kimg, {speed}{left}" + (f"; {losses}" if losses else "")
        self._show_progress("training", progress.budget_share, detail)

    def report_picture(self, path: Path) -> None:
        """Print the path of the final samples."""
        if path.stem == "final":
            self.report_message(f"Samples: {path}")

    def _show_progress(self, what: str, share: float, detail: str) -> None:
        if self._bars is not None:
            if what not in self._tasks:
                self._tasks[what] = self._bars.add_task(what, total=1.0, detail="")
            self._bars.update(self._tasks[what], completed=share, detail=detail)
            return
        now = time.monotonic()
        if self.console.quiet:
            return
        if now - self._last_line >= PROGRESS_INTERVAL_SECONDS or (what == "training" and share >= 1.0):
            self._last_line = now
            print(f"{what}: {share:.0%}, {detail}", file=sys.stderr, flush=True)
