"""Stopping with Ctrl-C: once saves and stops, twice stops."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any


class Stop:
    """Turns SIGINT and SIGTERM into a question that the training loop asks.

    While training, the first signal is noted, and the loop saves and stops after its step; a
    second one stops at once, with the last checkpoint left as it is. Outside training there is
    nothing to save, so the first one stops at once.

    Attributes:
        say: Told that the first signal was heard.
        who: The method whose step is waited for.
    """

    def __init__(self, say: Callable[[str], None], who: str) -> None:
        self.say = say
        self.who = who
        self._heard = False
        self._training = False

    def __call__(self) -> bool:
        """Whether somebody asked to stop."""
        return self._heard

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Listen to the signals; only the main thread can."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before: dict[signal.Signals, Any] = {
            number: signal.signal(number, self._hear) for number in (signal.SIGINT, signal.SIGTERM)
        }
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    @contextmanager
    def training(self) -> Iterator[None]:
        """Inside, the first signal waits for the step to end."""
        self._training = True
        try:
            yield
        finally:
            self._training = False

    def _hear(self, number: int, frame: FrameType | None) -> None:
        del number, frame
        if self._heard or not self._training:
            raise KeyboardInterrupt
        self._heard = True
        self.say(
            f"Stopping after this step of {self.who}; saving a checkpoint. Press Ctrl-C again "
            "to stop immediately."
        )
