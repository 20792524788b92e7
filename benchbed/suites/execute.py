"""Execute a suite: start runs as the executor has capacity, and collect their outcomes."""

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
"""Exit code of a suite that was stopped."""

STOPPING = (
    "Stopping: active runs save a checkpoint after their current step. Press Ctrl-C again to "
    "stop immediately."
)

Watch = Callable[[Sequence[Member], Sequence[Member]], None]


class Wish:
    """Counts stop signals: the first saves and stops, the second stops immediately."""

    def __init__(self) -> None:
        self.times = 0

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Count SIGINT, SIGTERM and SIGHUP inside the block; no effect outside the main thread."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        signals = [signal.SIGINT, signal.SIGTERM]
        if signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:  # ignored under nohup
            signals.append(signal.SIGHUP)
        previous: dict[signal.Signals, Any] = {
            number: signal.signal(number, self._hear) for number in signals
        }
        try:
            yield
        finally:
            for number, handler in previous.items():
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
    """Execute runs; one that fails or diverges does not stop the others.

    After a stop signal, or if a run was stopped, no further run is started, and active runs are
    waited for.

    Args:
        todo: The runs; started ones are resumed.
        executor: The executor; it is closed at the end.
        watch: Called repeatedly with the runs that were started, and those that wait.
        say: Receives a message after a stop signal.

    Yields:
        Each run when it has ended.
    """
    waiting, active = deque(todo), list[Member]()
    signals, handled, stopping = Wish(), 0, False
    with closing(executor), signals.listening():
        while active or (waiting and not stopping):
            while waiting and not stopping and executor.has_room():
                active.append(waiting.popleft())
                executor.start(active[-1])
            watch(active, waiting)
            for ended in executor.ended():
                active = [member for member in active if member is not ended.member]
                stopping = stopping or ended.outcome == "stopped"
                yield ended
            if signals.times > handled:
                at_once = handled > 0
                handled, stopping = signals.times, True
                say("Stopping immediately." if at_once else STOPPING)
                executor.stop(at_once=at_once)
