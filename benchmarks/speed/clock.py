"""Time by the wall and time of the processors."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, NamedTuple

import torch

Clock = Literal["wall", "cpu"]
"""By the wall, or the processor time of all threads divided by their number."""


class Conditions(NamedTuple):
    """What something was measured under.

    Attributes:
        clock: Which clock it is judged by.
        busy: Share of the processors that others used, in [0, 1].
    """

    clock: Clock = "wall"
    busy: float = 0.0


@dataclass(frozen=True)
class Lap:
    """How long something took, in seconds.

    Attributes:
        wall: By the wall.
        cpu: Of all processors, divided by the number of threads: what it would have taken on
            processors that nobody else uses, all of them at work all the time.
    """

    wall: float
    cpu: float

    def by(self, clock: Clock) -> float:
        """Seconds by one of the clocks."""
        return self.wall if clock == "wall" else self.cpu

    def alone(self, clock: Clock) -> float:
        """Seconds of work of a single thread; of work of several at most as many."""
        return self.wall if clock == "wall" else self.cpu * torch.get_num_threads()

    def __add__(self, other: Lap) -> Lap:
        return Lap(self.wall + other.wall, self.cpu + other.cpu)

    def __sub__(self, other: Lap) -> Lap:
        return Lap(self.wall - other.wall, self.cpu - other.cpu)

    def __truediv__(self, count: int) -> Lap:
        return Lap(self.wall / count, self.cpu / count)


class Watch:
    """Runs from the moment that it is made.

    Args:
        device: What is waited for before the time is read.
    """

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self.restart()

    def restart(self) -> None:
        """Begin anew."""
        wait(self.device)
        self._wall, self._cpu = time.perf_counter(), time.process_time()

    def lap(self) -> Lap:
        """The time since the start."""
        wait(self.device)
        cpu = (time.process_time() - self._cpu) / torch.get_num_threads()
        return Lap(time.perf_counter() - self._wall, cpu)


def wait(device: torch.device) -> None:
    """Until `device` has done what it was told."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def timed(work: Callable[[], object], device: torch.device) -> Lap:
    """How long `work` takes."""
    watch = Watch(device)
    work()
    return watch.lap()


def repeated(work: Callable[[], object], count: int, device: torch.device) -> Lap:
    """How long one of `count` repetitions of `work` takes."""

    def all_of_it() -> None:
        for _ in range(count):
            work()

    return timed(all_of_it, device) / count
