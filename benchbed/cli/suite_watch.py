"""The runs of a suite that go on, live."""

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

from benchbed.cli.console import duration
from benchbed.runs.status import Status, read_status

if TYPE_CHECKING:
    from benchbed.runs.store import Store
    from benchbed.suites.executors.executor import Ended
    from benchbed.suites.grid import Member

LOOK_SECONDS = 1.0
"""How often the folders of the runs that go on are read."""

LINE_SECONDS = 60.0
"""Where output is no terminal, a line for each run comes this often."""

OTHER_LINES = 6
"""Lines of the terminal that the table leaves free: its head, its foot, the prompt."""


class Watch:
    """A table of the runs that go on or wait, and a line for each that is over; all to stderr.

    Where output is no terminal, the table is a line for each run that goes on, now and then.

    Args:
        store: Where the runs are.
        total: Number of runs to carry out.
        console: Where to write.
    """

    def __init__(self, store: Store, total: int, console: Console | None = None) -> None:
        self.console = console or Console(stderr=True)
        self._store = store
        self._total = total
        self._over = 0
        self._looked = time.monotonic() if not self.console.is_terminal else -math.inf
        self._live: Live | None = None
        if self.console.is_terminal:
            self._live = Live(console=self.console, auto_refresh=False, transient=True)

    def __enter__(self) -> Watch:
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

    def show(self, going: Sequence[Member], waiting: Sequence[Member]) -> None:
        """Say how far each run is."""
        now = time.monotonic()
        if now - self._looked < (LOOK_SECONDS if self._live else LINE_SECONDS):
            return
        self._looked = now
        rows = [(m, read_status(self._store.run_folder(m.plan.id))) for m in going]
        if self._live is not None:
            self._live.update(self._table(rows, waiting), refresh=True)
            return
        for member, status in rows:
            if status is not None:
                doing, share, speed, left = _words(status)
                rest = (f", {speed} images/s" if speed else "") + (f", {left} left" if left else "")
                self.say(f"{member.plan.id}: {doing} {share}{rest}")

    def over(self, ended: Ended) -> None:
        """Say how a run ended."""
        self._over += 1
        name = ended.member.plan.id
        self.say(f"[{self._over} of {self._total}] {name}: {ended.outcome}")
        if ended.outcome == "broken" and ended.words:
            self.say(ended.words)

    def say(self, text: str) -> None:
        """Lines above the table."""
        self.console.print(Text(text), soft_wrap=True)

    def _table(
        self, rows: Sequence[tuple[Member, Status | None]], waiting: Sequence[Member]
    ) -> Table:
        """What goes on comes first, then what waits, as far as the terminal is high."""
        begun = [(member.plan.id, *_words(status)) for member, status in rows if status]
        queued = [member.plan.id for member, status in rows if status is None]
        queued += [member.plan.id for member in waiting]
        foot = (
            f"{self._over} of {self._total} finished, {len(begun)} running, {len(queued)} waiting"
        )
        table = Table(box=None, pad_edge=False, caption=foot, caption_justify="left")
        table.add_column("run", no_wrap=True, overflow="ellipsis", ratio=1)
        table.add_column("state", no_wrap=True)
        for name in ("progress", "images/s", "left"):
            table.add_column(name, no_wrap=True, justify="right")
        space = max(1, self.console.height - OTHER_LINES)
        for row in [*begun, *((name, "waiting", "", "", "") for name in queued)][:space]:
            table.add_row(*(Text(cell) for cell in row))
        return table


def _words(status: Status) -> tuple[str, str, str, str]:
    """State, progress, images/s and time left; what is not known is empty."""
    speed, left = status.images_per_second, status.remaining
    return (
        status.doing,
        f"{status.share:.0%}" if status.share else "",
        f"{speed:.0f}" if speed else "",
        duration(left) if left else "",
    )
