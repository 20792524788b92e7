"""The runs of a suite that go on beside each other, live."""

from __future__ import annotations

import time
from collections.abc import Sequence
from types import TracebackType
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.text import Text

if TYPE_CHECKING:
    from benchbed.runs.store import Store
    from benchbed.suites.grid import Member

LOOK_SECONDS = 2.0
"""How often the histories of the running runs are read."""


class Watch:
    """A bar for each run that goes on, and a line for each that is over; all to stderr.

    A run that has the terminal to itself shows its own bar, and only the lines are left to say.

    Args:
        store: Where the runs are.
        total: Number of runs to carry out.
        beside: Whether several runs go on at a time.
    """

    def __init__(self, store: Store, total: int, *, beside: bool) -> None:
        self.console = Console(stderr=True)
        self._store = store
        self._total = total
        self._over = 0
        self._looked = 0.0
        self._tasks: dict[str, TaskID] = {}
        self._bars: Progress | None = None
        if beside and self.console.is_terminal:
            columns = (
                TextColumn("{task.description}"),
                BarColumn(bar_width=24),
                TextColumn("{task.percentage:>3.0f} %"),
                TimeElapsedColumn(),
            )
            self._bars = Progress(*columns, console=self.console, refresh_per_second=2)

    def __enter__(self) -> Watch:
        if self._bars is not None:
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

    def show(self, running: Sequence[Member]) -> None:
        """Draw how far each run is."""
        now = time.monotonic()
        if self._bars is None or now - self._looked < LOOK_SECONDS:
            return
        self._looked = now
        for member in running:
            name = member.plan.id
            if name not in self._tasks:
                self._tasks[name] = self._bars.add_task(name, total=1.0)
            self._bars.update(self._tasks[name], completed=member.share(self._store))

    def over(self, member: Member, outcome: str) -> None:
        """Say how a run ended."""
        self._over += 1
        name = member.plan.id
        if self._bars is not None and name in self._tasks:
            self._bars.remove_task(self._tasks.pop(name))
        self.say(f"[{self._over} of {self._total}] {name}: {outcome}")

    def say(self, text: str) -> None:
        """Lines above the bars."""
        self.console.print(Text(text), soft_wrap=True)
