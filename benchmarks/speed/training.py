"""Training of a method as a run does it, in turns with its plain reference."""

from __future__ import annotations

import contextlib
import math
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from statistics import mean
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from benchbed.api.method import Method
from benchbed.api.types import Batch, DataShape, Losses
from benchbed.data.loader import CaseLoader, to_signed
from benchbed.data.preprocessing.prepare import DataSplit
from benchbed.training.checkpoint import seed_everything
from benchbed.training.device import create_fabric
from benchbed.training.loop import TrainingInterrupted, TrainingLoop, TrainingOptions
from benchbed.utils.progress import Budget, NullReporter, TrainingPosition

from .plain.common import Step
from .results import Comparison, Goal
from .timing import FlopCounter, measure_matrix_peak, time_calls

CASES = 64
# A large budget, and where in it steps are measured: networks are grown, stage II has started.
KIMG, PROGRESS = 100_000.0, 0.95
LOGGED = Budget(kimg=4)  # the smallest of the suites, which has the most rows in its log

MIN_SECONDS = 0.3  # shorter steps are repeated until a turn lasts so long

Arrays = dict[str, npt.NDArray[Any]]
Tensors = Mapping[str, Tensor]


@dataclass
class Turns:
    """Runs the reference between our steps; the loop asks it after each whether to stop."""

    steps: int
    rounds: int
    device: torch.device
    make_reference: Callable[[], Step]
    min_seconds: float = MIN_SECONDS
    laps: list[dict[str, float]] = field(default_factory=list)
    reference_flops: int = 0
    repeats: tuple[int, int] = (1, 1)

    def __post_init__(self) -> None:
        self._turn = self._taken = 0
        self._start = time.perf_counter()

    def __call__(self) -> bool:
        """Return whether all rounds are measured."""
        self._taken += 1
        if self._taken < self.steps * self.repeats[0]:
            return False
        time_calls(lambda: None, 1, self.device)  # waits for the device
        ours = (time.perf_counter() - self._start) / self._taken
        self._turn, self._taken = self._turn + 1, 0
        if self._turn == 1:  # both warm up, and their FLOPs are counted
            self._reference = self.make_reference()
            with FlopCounter() as flops:
                self._reference()
            self.reference_flops = flops.total // self.steps
        elif self._turn == 2:
            whole = ours * self.steps, time_calls(self._reference, 1, self.device)
            first, second = (max(1, math.ceil(self.min_seconds / max(w, 1e-6))) for w in whole)
            self.repeats = first, second
        else:
            # The order alternates: the second of a round may find caches warm.
            if len(self.laps) % 2 == 0:
                self._seconds = self._time_reference()
            self.laps.append({"ours": ours, "reference": self._seconds})
        if len(self.laps) % 2 and len(self.laps) < self.rounds:
            self._seconds = self._time_reference()
        self._start = time.perf_counter()
        return len(self.laps) == self.rounds

    def _time_reference(self) -> float:
        return time_calls(self._reference, self.repeats[1], self.device) / self.steps


@dataclass
class ObservedStep:
    """A method's training step, with the FLOPs of its first `steps` calls and later its times."""

    method: Method[Any]
    steps: int
    flops: int = 0
    seconds: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._step, self._calls = self.method.training_step, 0

    def __call__(self, batch: Batch, progress: float) -> Losses:
        """Run the step."""
        self._calls += 1
        with FlopCounter() if self._calls <= self.steps else contextlib.nullcontext() as flops:
            start = time.perf_counter()
            losses = self._step(batch, progress)
            self.seconds.append(time.perf_counter() - start)
        self.flops += 0 if flops is None else flops.total
        return losses


@dataclass
class TimedLoop(TrainingLoop):
    """A training loop that times a row of its log and a checkpoint."""

    row_seconds: float = 0.0
    save_seconds: float = 0.0

    def _save_checkpoint(self) -> None:
        self.row_seconds = time_calls(self._log_losses)
        # The first saves also wait for the system to find memory for their files.
        for _ in range(3):
            self.save_seconds = time_calls(super()._save_checkpoint)


@dataclass(frozen=True)
class Training:
    """Training of one method; a step of its plain reference equals `steps` of ours."""

    name: str
    what: str
    reference: str
    make_method: Callable[[], Method[Any]]
    shape: DataShape
    make_reference: Callable[[Tensors, torch.device], Step]
    steps: int = 1
    has_sketches: bool = False

    def measure(
        self, precision: str, rounds: int, device: torch.device, min_seconds: float = MIN_SECONDS
    ) -> Comparison:
        """Train ours in `precision` and the reference in float32, in turns."""
        peak = measure_matrix_peak(precision, device)  # first, which also warms bfloat16 up
        arrays = draw_arrays(self.shape, self.has_sketches)
        tensors = convert_to_tensors(arrays, self.shape)
        turns = Turns(
            self.steps, rounds, device, lambda: self.make_reference(tensors, device), min_seconds
        )
        method = build_method(self.make_method(), self.shape, precision, device)
        step = ObservedStep(method, self.steps)
        method.training_step = step  # type: ignore[method-assign]
        ids = tuple(map(str, range(len(arrays["image"]))))
        with tempfile.TemporaryDirectory() as folder, contextlib.suppress(TrainingInterrupted):
            loop = TimedLoop(
                method=method,
                name=self.name,
                run=self.name,
                loader=CaseLoader(
                    DataSplit(ids, arrays, self.shape.mask_channels), seed=0, device=device
                ),
                budget=Budget(kimg=KIMG),
                folder=Path(folder),
                reporter=NullReporter(),
                draw_preview=lambda: np.zeros((8, 8, 3), np.uint8),
                should_stop=turns,
                options=TrainingOptions(checkpoint_seconds=float("inf"), picture_count=0),
                position=TrainingPosition(images_shown=round(PROGRESS * KIMG * 1000)),
            )
            loop.train()
        flops = step.flops // self.steps
        row = Comparison(name=self.name, group="training", what=self.what, reference=self.reference)
        row.precision, row.device, row.laps = precision, device.type, turns.laps
        row.goal = Goal(ratio=1.3, gate=1.0) if precision == "fp32" else None
        row.flops = {"ours": flops, "reference": turns.reference_flops}
        row.share_of_peak = flops / row.compute_seconds("ours") / peak
        if device.type == "cpu":  # an accelerator computes while the loop continues
            own = mean(step.seconds[-self.steps * turns.repeats[0] * rounds :])
            whole = mean(lap["ours"] for lap in turns.laps)
            row.harness_share = compute_harness_share(whole, own, loop)
        return row


def compute_harness_share(whole: float, own: float, loop: TimedLoop) -> float:
    """Return the share of loop, batches, log and checkpoints in seconds of a `whole` step."""
    row = loop.row_seconds / LOGGED.compute_log_interval(loop.batch_size)
    outside = max(0.0, whole - own) + row
    return outside / (own + outside) + loop.save_seconds / TrainingOptions().checkpoint_seconds


def build_method(
    method: Method[Any], shape: DataShape, precision: str, device: torch.device
) -> Method[Any]:
    """Prepare a method as a run does."""
    seed_everything(0)
    method.data = shape
    method.build(shape)
    method.attach(create_fabric(device.type, precision))
    return method


def draw_arrays(shape: DataShape, has_sketches: bool = False) -> Arrays:
    """Return random cases as `DataSplit` keeps them; what they show changes no step's cost."""
    rng, is_flat = np.random.default_rng(0), shape.dimensions == 2
    count = CASES if is_flat else CASES // 8
    pixels = rng.integers(0, 256, (count, shape.channels, *shape.spatial), np.uint8)
    volumes = (pixels / np.float32(127.5) - 1).astype(np.float16)
    arrays: Arrays = {"image": pixels if is_flat else volumes}
    if has_sketches:
        arrays["sketch"] = pixels[:, :1].copy()
    if shape.mask_channels:
        arrays["mask"] = rng.integers(0, 2, (count, *shape.spatial), np.uint8) * shape.mask_channels
    if shape.classes:
        arrays["label"] = np.arange(count) % shape.classes
    return arrays


def convert_to_tensors(arrays: Arrays, shape: DataShape) -> Tensors:
    """Return images in [-1, 1], masks ``(N, 1, ...)`` in {0, 1} or one-hot in {-1, 1}, labels."""
    tensors = {name: torch.from_numpy(array) for name, array in arrays.items()}
    for name in tensors.keys() & {"image", "sketch"}:
        tensors[name] = to_signed(tensors[name])
    if shape.mask_channels == 1:
        tensors["mask"] = tensors["mask"][:, None].float()
    elif shape.mask_channels:
        maps = torch.nn.functional.one_hot(tensors["mask"].long(), shape.mask_channels + 1)
        tensors["mask"] = maps.movedim(-1, 1).float() * 2 - 1
    return tensors
