"""Handling of signals and forks: Ctrl-C stops a run, and a forked copy of it ends."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any


class StopHandler:
    """Handler that turns SIGINT and SIGTERM into a flag for the training loop.

    In training, the first signal sets the flag, and the loop saves and stops after its step; a
    second one stops immediately and keeps the last checkpoint. Outside training there is nothing
    to save, so the first one stops immediately.
    """

    def __init__(self, report_message: Callable[[str], None], run_label: str) -> None:
        self.report_message = report_message
        self.run_label = run_label
        self._stop_requested = False
        self._training = False

    def __call__(self) -> bool:
        """Return whether a stop was requested."""
        return self._stop_requested

    @contextmanager
    def handle_signals(self) -> Iterator[None]:
        """Handle the signals inside the block; no effect outside the main thread."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        previous: dict[signal.Signals, Any] = {
            number: signal.signal(number, self._handle_signal)
            for number in (signal.SIGINT, signal.SIGTERM)
        }
        try:
            yield
        finally:
            for number, handler in previous.items():
                signal.signal(number, handler)

    @contextmanager
    def defer_stop(self) -> Iterator[None]:
        """Defer the first signal inside the block to the end of the step."""
        self._training = True
        try:
            yield
        finally:
            self._training = False

    def _handle_signal(self, number: int, frame: FrameType | None) -> None:
        del number, frame
        if self._stop_requested or not self._training:
            raise KeyboardInterrupt
        self._stop_requested = True
        self.report_message(
            f"Stopping after this step of {self.run_label}; saving a checkpoint. Press Ctrl-C "
            "again to stop immediately."
        )


def terminate_if_forked(owner: int, run_label: str) -> None:
    """Terminate this process if it is not the one in which the run began.

    A forked copy would train and write the same run a second time.
    """
    if os.getpid() != owner:
        message = (
            f"{run_label} forked a process that continued as a second copy of the run. The copy is "
            "terminated.\n"
        )
        os.write(2, message.encode())
        os._exit(1)
