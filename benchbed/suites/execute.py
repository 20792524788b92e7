"""Carrying out a suite: hand its runs over as there is room, and gather how they end."""

from __future__ import annotations

import signal
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from types import FrameType
from typing import Any

from benchbed.suites.executors.executor import Ended, Executor
from benchbed.suites.grid import Member

STOPPED = 130
"""Exit code of a suite that was asked to stop."""

STOPPING = (
    "Stopping: active runs save a checkpoint after their current step. Press Ctrl-C again to "
    "stop immediately."
)

Watch = Callable[[Sequence[Member], Sequence[Member]], None]


class Wish:
    """How often somebody asked to stop: once saves, twice stops at once.

    Attributes:
        times: How often.
    """

    def __init__(self) -> None:
        self.times = 0

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Count SIGINT, SIGTERM and SIGHUP inside; only the main thread can."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        signals = [signal.SIGINT, signal.SIGTERM]
        if signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:  # as nohup has it
            signals.append(signal.SIGHUP)
        before: dict[signal.Signals, Any] = {
            number: signal.signal(number, self._hear) for number in signals
        }
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _hear(self, number: int, frame: FrameType | None) -> None:
        del number, frame
        self.times += 1


def carry_out(
    todo: Sequence[Member],
    executor: Executor,
    *,
    watch: Watch = lambda going, waiting: None,
    say: Callable[[str], None] = lambda text: None,
) -> Iterator[Ended]:
    """Carry out runs; one that breaks or diverges does not stop the rest.

    Once somebody asks to stop, or a run was stopped, no other is started, and those that go on are
    waited for.

    Args:
        todo: The runs; those begun before are resumed.
        executor: Who computes them; it is closed at the end.
        watch: Called again and again with the runs that were handed over, and those that wait.
        say: Told that a wish to stop was heard.

    Yields:
        Each run once it is over.
    """
    waiting, going = deque(todo), list[Member]()
    wish, heard, stopping = Wish(), 0, False
    with closing(executor), wish.listening():
        while going or (waiting and not stopping):
            while waiting and not stopping and executor.has_room():
                going.append(waiting.popleft())
                executor.start(going[-1])
            watch(going, waiting)
            for ended in executor.ended():
                going = [member for member in going if member is not ended.member]
                stopping = stopping or ended.outcome == "stopped"
                yield ended
            if wish.times > heard:
                at_once = heard > 0
                heard, stopping = wish.times, True
                say("Stopping immediately." if at_once else STOPPING)
                executor.stop(at_once=at_once)
