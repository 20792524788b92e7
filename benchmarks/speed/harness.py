"""Our training as a run has it: the loop, its data, its logging, with the reference in turns."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from benchbed.api.method import Method
from benchbed.api.types import DataShape, Losses
from benchbed.data.feed import Feed
from benchbed.data.prepare import Split
from benchbed.runs.device import fabric
from benchbed.training.budget import Budget, Position
from benchbed.training.events import Silent
from benchbed.training.loop import Interrupted, Loop, Options
from benchbed.training.state import seed_everything

from .clock import Lap, Watch, timed
from .flops import CountedFlops
from .measure import Measurement
from .memory import PeakMemory

KIMG = 1000.0
"""Budget that the measured steps are a part of; as many rows of history as a real run has."""

SPENT = 0.95
"""Where in the budget they lie: a network that grows is grown, a second stage has begun."""

UNMEASURED = 2
"""Turns of ours that are not: one to warm up and to see its memory, one to count its FLOPs."""

Arrays = Mapping[str, npt.NDArray[Any]]


@dataclass
class Turns:
    """Lets the reference have its turn; the loop asks it after every step whether to stop.

    Attributes:
        steps: Steps of ours that are worth one of the reference.
        rounds: How many turns are measured, after one to warm up.
        device: What is waited for.
        make_reference: Makes one step of the reference, once ours is warm.
    """

    steps: int
    rounds: int
    device: torch.device
    make_reference: Callable[[], Callable[[], None]]
    laps: list[tuple[Lap, Lap]] = field(default_factory=list)
    memory: tuple[int | None, int | None] = (None, None)
    reference_flops: int = 0

    def __post_init__(self) -> None:
        self._steps = self._turns = 0
        self._peak = PeakMemory(self.device)
        self._watch = Watch(self.device)

    def __call__(self) -> bool:
        """Whether all rounds are over."""
        self._steps += 1
        if self._steps % self.steps:
            return False
        ours = self._watch.lap()
        self._turns += 1
        if self._turns == 1:
            self._warm_up()
        elif self._turns > UNMEASURED:
            theirs = timed(self._reference, self.device)
            self.laps.append((ours / self.steps, theirs / self.steps))
        self._watch.restart()
        return len(self.laps) == self.rounds

    def since(self) -> Lap:
        """The time since the last turn was over."""
        return self._watch.lap()

    def _warm_up(self) -> None:
        ours = self._peak.peak()
        peak = PeakMemory(self.device)
        self._reference = self.make_reference()
        self._reference()
        self.memory = ours, peak.peak()
        with CountedFlops() as flops:
            self._reference()
        self.reference_flops = flops.total // self.steps


@dataclass
class Watched:
    """A method's training step, watched: its FLOPs while warming up, then its time.

    Attributes:
        method: The method.
        steps: Steps that are counted together.
    """

    method: Method[Any]
    steps: int
    flops: int = 0
    laps: list[Lap] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._step = self.method.training_step
        self._called = 0

    def __call__(self, batch: Any, progress: float) -> Losses:
        """The step."""
        self._called += 1
        if self.steps < self._called <= UNMEASURED * self.steps:
            with CountedFlops() as counted:
                losses = self._step(batch, progress)
            self.flops += counted.total
            return losses
        if self.method.device.type != "cpu":
            return self._step(batch, progress)  # to time it would be to wait for the device
        watch = Watch(self.method.device)
        losses = self._step(batch, progress)
        self.laps.append(watch.lap())
        return losses


@dataclass(frozen=True)
class Training:
    """One method's training against its plain reference.

    Attributes:
        name: Short name.
        what: What is trained, with its sizes.
        reference: What it is measured against.
        make: Makes the method, not yet built.
        shape: Shape of the data.
        arrays: The data as `Split` keeps them.
        make_reference: Makes one step of the reference, on a device.
        steps: Steps of ours that are worth one of the reference.
    """

    name: str
    what: str
    reference: str
    make: Callable[[], Method[Any]]
    shape: DataShape
    arrays: Arrays
    make_reference: Callable[[torch.device], Callable[[], None]]
    steps: int = 1

    def measure(
        self, precision: str, rounds: int, device: torch.device, goal: float | None
    ) -> Measurement:
        """Train both in turns.

        Args:
            precision: Of ours; the reference has the library's default, float32.
            rounds: How many turns are measured.
            device: Where.
            goal: Least ratio.
        """
        turns = Turns(self.steps, rounds, device, lambda: self.make_reference(device))
        method = built(self.make(), self.shape, precision, device)
        watched = Watched(method, self.steps)
        method.training_step = watched  # type: ignore[method-assign]
        with tempfile.TemporaryDirectory() as folder:
            loop = self._loop(method, device, turns, Path(folder))
            with contextlib.suppress(Interrupted):
                loop.train()
            saving = turns.since()
        made = Measurement(self.name, "training", self.what, self.reference, goal)
        made.laps, made.memory, made.precision = turns.laps, turns.memory, precision
        made.flops = watched.flops // self.steps, turns.reference_flops
        if device.type == "cpu":
            often = Options().checkpoint_seconds
            made.harness_share = self._outside(turns, watched) + saving.cpu / often
        return made

    def _outside(self, turns: Turns, watched: Watched) -> float:
        """What of the measured steps is the loop's, the data's and the log's."""
        own = watched.laps[-self.steps * len(turns.laps) :]
        whole = self.steps * sum(ours.cpu for ours, _ in turns.laps)
        return max(0.0, 1 - sum(lap.cpu for lap in own) / whole)

    def _loop(self, method: Method[Any], device: torch.device, turns: Turns, folder: Path) -> Loop:
        count = len(self.arrays["image"])
        split = Split(tuple(map(str, range(count))), self.arrays, self.shape.mask_channels)
        return Loop(
            method=method,
            name=self.name,
            run=self.name,
            feed=Feed(split, seed=0, device=device),
            budget=Budget(kimg=KIMG),
            folder=folder,
            reporter=Silent(),
            preview=lambda: np.zeros((8, 8, 3), np.uint8),
            stop=turns,
            options=Options(checkpoint_seconds=float("inf"), pictures=0),
            position=Position(shown=round(SPENT * KIMG * 1000)),
        )


def built(
    method: Method[Any], shape: DataShape, precision: str, device: torch.device
) -> Method[Any]:
    """A method made ready as a run does it."""
    seed_everything(0)
    method.data = shape
    method.build(shape)
    method.attach(fabric(device.type, precision))
    return method
