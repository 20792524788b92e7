"""Execute a suite: start runs as the executor has capacity, and collect their outcomes."""

from __future__ import annotations

import signal
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from types import FrameType
from typing import Any

from benchbed.suites.executors.base import Executor, FinishedRun
from benchbed.suites.plan import SuiteRun

STOPPED_EXIT_CODE = 130
"""Exit code of a suite that was stopped."""

STOPPING_MESSAGE = (
    "Stopping: active runs save a checkpoint after their current step. Press Ctrl-C again to "
    "stop immediately."
)

WatchCallback = Callable[[Sequence[SuiteRun], Sequence[SuiteRun]], None]


class StopSignal:
    """Counts stop signals: the first saves and stops, the second stops immediately."""

    def __init__(self) -> None:
        self.count = 0

    @contextmanager
    def handle_signals(self) -> Iterator[None]:
        """Count SIGINT, SIGTERM and SIGHUP inside the block; no effect outside the main thread."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        signals = [signal.SIGINT, signal.SIGTERM]
        if signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:  # ignored under nohup
            signals.append(signal.SIGHUP)
        previous: dict[signal.Signals, Any] = {
            number: signal.signal(number, self._handle_signal) for number in signals
        }
        try:
            yield
        finally:
            for number, handler in previous.items():
                signal.signal(number, handler)

    def _handle_signal(self, number: int, frame: FrameType | None) -> None:
        del number, frame
        self.count += 1


def execute_runs(
    pending: Sequence[SuiteRun],
    executor: Executor,
    *,
    watch: WatchCallback = lambda running, waiting: None,
    log: Callable[[str], None] = lambda text: None,
) -> Iterator[FinishedRun]:
    """Execute runs; one that fails or diverges does not stop the others.

    After a stop signal, or if a run was stopped, no further run is started, and active runs are
    waited for.

    Args:
        pending: The runs; started ones are resumed.
        executor: The executor; it is closed at the end.
        watch: Called repeatedly with the runs that were started, and those that wait.
        log: Receives a message after a stop signal.

    Yields:
        Each run when it has ended.
    """
    waiting, active = deque(pending), list[SuiteRun]()
    signals, handled, stopping = StopSignal(), 0, False
    with closing(executor), signals.handle_signals():
        while active or (waiting and not stopping):
            while waiting and not stopping and executor.can_start():
                active.append(waiting.popleft())
                executor.start_run(active[-1])
            watch(active, waiting)
            for finished in executor.collect_finished():
                active = [suite_run for suite_run in active if suite_run is not finished.suite_run]
                stopping = stopping or finished.outcome == "stopped"
                yield finished
            if signals.count > handled:
                immediately = handled > 0
                handled, stopping = signals.count, True
                log("Stopping immediately." if immediately else STOPPING_MESSAGE)
                executor.stop_runs(immediately=immediately)
