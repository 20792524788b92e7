"""Live table of the active runs of a suite."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from types import TracebackType
from typing import TYPE_CHECKING

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from benchbed.cli.output import create_console, format_duration
from benchbed.runs.status import RunStatus, read_status

if TYPE_CHECKING:
    from benchbed.results.store import ResultStore
    from benchbed.suites.executors.base import FinishedRun
    from benchbed.suites.plan import SuiteRun

POLL_SECONDS = 1.0
"""Interval of reading the status of active runs."""

LOG_INTERVAL_SECONDS = 60.0
"""Interval of lines per run if output is not a terminal."""

RESERVED_LINES = 6
"""Terminal lines left free by the table, for its header, footer and the prompt."""


class ProgressTable:
    """Table of active and waiting runs, with a line for each finished one, on stderr.

    If output is not a terminal, the table is replaced by occasional lines per active run.
    """

    def __init__(self, store: ResultStore, total: int, console: Console | None = None) -> None:
        self.console = console or create_console(stderr=True)
        self._store = store
        self._total = total
        self._ended_count = 0
        self._last_poll = time.monotonic() if not self.console.is_terminal else -math.inf
        self._live: Live | None = None
        if self.console.is_terminal:
            self._live = Live(console=self.console, auto_refresh=False, transient=True)

    def __enter__(self) -> ProgressTable:
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._live is not None:
            self._live.stop()

    def show_progress(self, active: Sequence[SuiteRun], waiting: Sequence[SuiteRun]) -> None:
        """Show the progress of each run."""
        now = time.monotonic()
        if now - self._last_poll < (POLL_SECONDS if self._live else LOG_INTERVAL_SECONDS):
            return
        self._last_poll = now
        rows = [(m, read_status(self._store.get_run_folder(m.plan.id))) for m in active]
        if self._live is not None:
            self._live.update(self._build_table(rows, waiting), refresh=True)
            return
        for suite_run, status in rows:
            if status is not None:
                activity, share, speed, left = _format_status(status)
                rest = (f", {speed} images/s" if speed else "") + (f", {left} left" if left else "")
                self.report_message(f"{suite_run.plan.id}: {activity} {share}{rest}")

    def report_finished(self, finished: FinishedRun) -> None:
        """Print how a run ended."""
        self._ended_count += 1
        name = finished.suite_run.plan.id
        self.report_message(f"[{self._ended_count} of {self._total}] {name}: {finished.outcome}")
        if finished.outcome == "broken" and finished.message:
            self.report_message(finished.message)

    def report_message(self, text: str) -> None:
        """Print lines above the table."""
        self.console.print(Text(text), soft_wrap=True)

    def _build_table(
        self, rows: Sequence[tuple[SuiteRun, RunStatus | None]], waiting: Sequence[SuiteRun]
    ) -> Table:
        """Return the table of active and then waiting runs, as many as fit the terminal."""
        active = [
            (suite_run.plan.id, *_format_status(status)) for suite_run, status in rows if status
        ]
        queued = [suite_run.plan.id for suite_run, status in rows if status is None]
        queued += [suite_run.plan.id for suite_run in waiting]
        footer = (
            f"{self._ended_count} of {self._total} ended, {len(active)} running, "
            f"{len(queued)} waiting"
        )
        table = Table(box=None, pad_edge=False, caption=footer, caption_justify="left")
        table.add_column("run", no_wrap=True, overflow="ellipsis", ratio=1)
        table.add_column("state", no_wrap=True)
        for name in ("progress", "images/s", "left"):
            table.add_column(name, no_wrap=True, justify="right")
        space = max(1, self.console.height - RESERVED_LINES)
        for row in [*active, *((name, "waiting", "", "", "") for name in queued)][:space]:
            table.add_row(*(Text(cell) for cell in row))
        return table


def _format_status(status: RunStatus) -> tuple[str, str, str, str]:
    """Return state, progress, images/s and time left; empty if unknown."""
    speed, left = status.images_per_second, status.seconds_left
    return (
        status.activity,
        f"{status.progress_share:.0%}" if status.progress_share else "",
        f"{speed:.0f}" if speed else "",
        format_duration(left) if left else "",
    )
