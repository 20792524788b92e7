"""Our training as a run has it: the loop, its data, its logging, with the reference in turns."""

from __future__ import annotations

import contextlib
import math
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from benchbed.api.method import Method
from benchbed.api.types import DataShape, Losses
from benchbed.data.loader import CaseLoader
from benchbed.data.preprocessing.prepare import DataSplit
from benchbed.training.budget import Budget, TrainingPosition
from benchbed.training.checkpoint import seed_everything
from benchbed.training.device import create_fabric
from benchbed.training.loop import TrainingInterrupted, TrainingLoop, TrainingOptions
from benchbed.utils.progress import NullReporter

from .clock import Conditions, Lap, Watch, repeated, timed
from .flops import CountedFlops
from .measure import Measurement
from .memory import PeakMemory

KIMG = 100_000.0
"""Budget that the measured steps are a part of, however many they are."""

SPENT = 0.95
"""Where in the budget they lie: a network that grows is grown, a second stage has begun."""

LOGGED = Budget(kimg=4)
"""The budget whose rows of history are counted: the smallest of the suites, so the most rows."""

UNMEASURED = 3
"""Turns of ours that are not measured: one to warm up and to see its memory, one to count its
FLOPs, one to see how long it takes."""

SAVES = 3
"""Checkpoints that are written; the last one is timed."""

TURN = 0.3
"""Seconds that a turn of either lasts at least: shorter steps are taken several at once."""

Arrays = Mapping[str, npt.NDArray[Any]]
Tensors = Sequence[Tensor]
Step = Callable[[], None]


@dataclass
class Turns:
    """Lets the reference have its turns; the loop asks it after every step whether to stop.

    Attributes:
        steps: Steps of ours that are worth one of the reference.
        rounds: How many turns are measured.
        device: What is waited for.
        make_reference: Makes one step of the reference, once ours is warm.
        shortest: Seconds that a turn lasts at least.
        laps: Seconds of a step of ours and of the reference, a pair a round.
        repeats: How often ours and the reference do their steps in a turn.
    """

    steps: int
    rounds: int
    device: torch.device
    make_reference: Callable[[], Step]
    shortest: float = TURN
    laps: list[tuple[Lap, Lap]] = field(default_factory=list)
    memory: tuple[int | None, int | None] = (None, None)
    reference_flops: int = 0
    repeats: tuple[int, int] = (1, 1)

    def __post_init__(self) -> None:
        self._done = self._turns = 0
        self._before: Lap | None = None
        self._peak = PeakMemory(self.device)
        self._watch = Watch(self.device)

    @property
    def measured_steps(self) -> int:
        """Steps of ours in all measured turns; the last ones that the loop takes."""
        return self.steps * self.repeats[0] * len(self.laps)

    def __call__(self) -> bool:
        """Whether all rounds are over."""
        self._done += 1
        if self._done < self.steps * self.repeats[0]:
            return False
        ours = self._watch.lap() / self._done
        self._turns, self._done = self._turns + 1, 0
        if self._turns == 1:
            self._warm_up()
        elif self._turns == UNMEASURED:
            self._set_repeats(ours)
        elif self._turns > UNMEASURED:
            self.laps.append((ours, self._before or self._turn_of_reference()))
        if len(self.laps) == self.rounds:
            return True
        # Who comes first changes from round to round: the second may find caches warm.
        self._before = self._turn_of_reference() if len(self.laps) % 2 else None
        self._watch.restart()
        return False

    def _warm_up(self) -> None:
        ours = self._peak.peak()
        peak = PeakMemory(self.device)
        self._reference = self.make_reference()
        self._reference()
        self.memory = ours, peak.peak()
        with CountedFlops() as flops:
            self._reference()
        self.reference_flops = flops.total // self.steps

    def _set_repeats(self, ours: Lap) -> None:
        wholes = ours.wall * self.steps, timed(self._reference, self.device).wall
        first, second = (max(1, math.ceil(self.shortest / max(w, 1e-6))) for w in wholes)
        self.repeats = first, second

    def _turn_of_reference(self) -> Lap:
        return repeated(self._reference, self.repeats[1], self.device) / self.steps


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
        if self.steps < self._called <= 2 * self.steps:
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


@dataclass
class TimedLoop(TrainingLoop):
    """A loop that knows what it took to write its last row of the log and its checkpoint.

    Attributes:
        row: The row.
        saving: The checkpoint, until it is on the disk.
    """

    row: Lap = field(init=False)
    saving: Lap = field(init=False)

    def _save_checkpoint(self) -> None:
        watch = Watch(self.loader.device)
        self._log_losses()  # no row was due in so few steps of so long a budget
        self.row = watch.lap()
        # A run saves once a minute for hours. The file and the one that replaces it have to find
        # their place in the system's memory before a save costs what it will from then on.
        for _ in range(SAVES):
            watch.restart()
            super()._save_checkpoint()
        self.saving = watch.lap()


@dataclass(frozen=True)
class Training:
    """One method's training against its plain reference.

    Attributes:
        name: Short name.
        what: What is trained, with its sizes.
        reference: What it is measured against.
        make: Makes the method, not yet built.
        shape: Shape of the data.
        arrays: The data as `DataSplit` keeps them.
        make_tensors: Makes the reference's data, as its user holds them.
        make_reference: Makes one step of the reference from them, on a device.
        steps: Steps of ours that are worth one of the reference.
    """

    name: str
    what: str
    reference: str
    make: Callable[[], Method[Any]]
    shape: DataShape
    arrays: Arrays
    make_tensors: Callable[[], Tensors]
    make_reference: Callable[[Tensors, torch.device], Step]
    steps: int = 1

    def measure(
        self,
        precision: str,
        rounds: int,
        device: torch.device,
        *,
        under: Conditions | None = None,
        folder: Path | None = None,
        shortest: float = TURN,
    ) -> Measurement:
        """Train both in turns.

        Args:
            precision: Of ours; the reference has the library's default, float32.
            rounds: How many turns are measured.
            device: Where.
            under: Clock and company.
            folder: Where checkpoints are written and removed; None for the system's own place.
            shortest: Seconds that a turn of either lasts at least.
        """
        # Both have their data before their memory is looked at.
        tensors = self.make_tensors()
        turns = Turns(
            self.steps,
            rounds,
            device,
            lambda: self.make_reference(tensors, device),
            shortest=shortest,
        )
        method = built(self.make(), self.shape, precision, device)
        watched = Watched(method, self.steps)
        method.training_step = watched  # type: ignore[method-assign]
        with tempfile.TemporaryDirectory(dir=folder) as checkpoints:
            loop = self._loop(method, device, turns, Path(checkpoints))
            with contextlib.suppress(TrainingInterrupted):
                loop.train()
        made = Measurement(self.name, "training", self.what, self.reference)
        made.under, made.device = under or Conditions(), device.type
        made.laps, made.memory, made.precision = turns.laps, turns.memory, precision
        made.flops = watched.flops // self.steps, turns.reference_flops
        if device.type == "cpu":
            steps = watched.laps[-turns.measured_steps :]
            whole = sum((ours for ours, _ in turns.laps), Lap(0, 0)) / rounds
            own = sum(steps, Lap(0, 0)) / len(steps)
            made.harness_share = harness_share(whole, own, loop, made.under)
        return made

    def _loop(
        self, method: Method[Any], device: torch.device, turns: Turns, folder: Path
    ) -> TimedLoop:
        count = len(self.arrays["image"])
        split = DataSplit(tuple(map(str, range(count))), self.arrays, self.shape.mask_channels)
        return TimedLoop(
            method=method,
            name=self.name,
            run=self.name,
            loader=CaseLoader(split, seed=0, device=device),
            budget=Budget(kimg=KIMG),
            folder=folder,
            reporter=NullReporter(),
            draw_preview=lambda: np.zeros((8, 8, 3), np.uint8),
            should_stop=turns,
            options=TrainingOptions(checkpoint_seconds=float("inf"), picture_count=0),
            position=TrainingPosition(images_shown=round(SPENT * KIMG * 1000)),
        )


def harness_share(whole: Lap, own: Lap, loop: TimedLoop, under: Conditions) -> float:
    """What of our training is not the method's: the loop and its batches, the log, checkpoints.

    All that is the work of one thread. By the clock of the processors, where the method's time is
    divided by the threads, it is not: it would not be shorter if there were more of them. The disk
    is waited for by the wall in any case. Pictures are left out, whose number a user chooses.

    Args:
        whole: A step of the loop.
        own: The method's part of it.
        loop: It has saved.
        under: Clock and company.

    Returns:
        The share, in [0, 1].
    """
    outside = max(0.0, (whole - own).alone(under.clock))
    row = loop.row.alone(under.clock) / LOGGED.compute_log_interval(loop.batch_size)
    step = own.by(under.clock)
    checkpoints = loop.saving.wall / TrainingOptions().checkpoint_seconds
    return (outside + row) / (step + outside + row) + checkpoints


def built(
    method: Method[Any], shape: DataShape, precision: str, device: torch.device
) -> Method[Any]:
    """A method made ready as a run does it."""
    seed_everything(0)
    method.data = shape
    method.build(shape)
    method.attach(create_fabric(device.type, precision))
    return method
