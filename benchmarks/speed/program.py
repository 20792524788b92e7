"""Which groups are measured, in which order, and what is made of them."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.table import Table

from benchbed.files import write_json

from . import machine, picture, record, table
from .clock import Clock
from .goals import training_goal
from .measure import Measurement, Pair, measure
from .scaling import Growth
from .start_up import StartUp

GROUPS = ("training", "metrics", "data", "start-up", "scaling")


@dataclass(frozen=True)
class Choice:
    """What is wanted.

    Attributes:
        groups: Of `GROUPS`.
        only: Names of measurements; none for all.
        rounds: How many turns.
        quick: Whether small sizes will do; no goals are asked for then.
        device: Where networks are.
        precisions: Of ours in training; none for what the machine has in hardware.
        tf32: Whether the references multiply in TF32 on an accelerator.
        records: Records to be multiplied for the report.
    """

    groups: tuple[str, ...]
    only: tuple[str, ...]
    rounds: int
    quick: bool
    device: torch.device
    precisions: tuple[str, ...]
    tf32: bool
    records: Path | None

    def wanted(self, name: str) -> bool:
        """Whether a measurement is to be made."""
        return not self.only or name in self.only


@dataclass
class Program:
    """Measures and tells.

    Attributes:
        choice: What is wanted.
        clock: By which clock.
        console: Where it is told.
        about: The machine.
    """

    choice: Choice
    clock: Clock
    console: Console
    about: dict[str, Any]
    peaks: dict[str, float] = field(default_factory=dict)
    made: list[Measurement] = field(default_factory=list)
    started: list[StartUp] = field(default_factory=list)
    grown: list[Growth] = field(default_factory=list)

    def run(self, folder: Path) -> None:
        """Measure every group that is wanted, and save after each.

        Args:
            folder: Where to.
        """
        steps: dict[str, Callable[[], None]] = {
            "training": self._training,
            "metrics": self._metrics,
            "data": self._data,
            "start-up": self._start_up,
            "scaling": self._scaling,
        }
        for group in self.choice.groups:
            steps[group]()
            self.save(folder)

    def show(self) -> None:
        """Print the tables."""
        for shown in self._tables():
            self.console.print(shown)

    def save(self, folder: Path) -> tuple[Path, Path | None]:
        """Write the JSON and the picture; returns both, the picture where there is one."""
        folder.mkdir(parents=True, exist_ok=True)
        name = f"{self.choice.device.type}{'-quick' if self.choice.quick else ''}"
        path = folder / f"{name}.json"
        content = record.whole(
            self.about,
            self.clock,
            self.peaks,
            made=self.made,
            started=self.started,
            grown=self.grown,
        )
        write_json(path, content)
        if not self.made:
            return path, None
        drawn = folder / f"{name}.png"
        picture.draw(self.made, self.about, self.clock, drawn)
        return path, drawn

    def _tables(self) -> Iterator[Table]:
        for group in GROUPS:
            made = [one for one in self.made if one.group == group]
            if made:
                yield table.comparisons(group, made, self.peaks, self.clock)
        if self.started:
            yield table.start_ups(self.started, self.clock)
        if self.grown:
            yield table.growths(self.grown, self.clock)

    def _training(self) -> None:
        from .cases import FULL, QUICK, noise_training, trainings

        c = self.choice
        noise_training(32, 4, c.device)()  # the libraries' own memory is nobody's
        precisions = c.precisions or machine.precisions(c.device)
        for precision in precisions:
            self.peaks[precision] = machine.matrix_peak(precision, c.device, self.clock)
            rate = self.peaks[precision] / 1e9
            self.console.print(f"Matrix products in {precision}: {rate:.0f} GFLOP/s.")
        with _tf32(c.tf32):
            for training in trainings(QUICK if c.quick else FULL):
                for precision in precisions if c.wanted(training.name) else ():
                    goal = training_goal(training.name, precision, c.device.type, machine.has_amx())
                    self._tell(training.name)
                    self.made.append(
                        training.measure(precision, c.rounds, c.device, None if c.quick else goal)
                    )

    def _metrics(self) -> None:
        from .metrics import pairs

        self._pairs(pairs(self.choice.quick, self.choice.device))

    def _data(self) -> None:
        from .data_path import pairs

        with tempfile.TemporaryDirectory() as folder:
            self._pairs(pairs(Path(folder), self.choice.quick))

    def _pairs(self, pairs: list[Pair]) -> None:
        for pair in pairs:
            if self.choice.wanted(pair.name):
                self._tell(pair.name)
                made = measure(pair, self.choice.rounds, self.choice.device)
                made.goal = None if self.choice.quick else made.goal
                self.made.append(made)

    def _start_up(self) -> None:
        from .start_up import measure as started

        self._tell("start-up")
        self.started = started(self.choice.rounds, self.choice.records)

    def _scaling(self) -> None:
        from .scaling import growths

        for growth in growths(self.choice.quick, self.choice.device, self.choice.records):
            self._tell(growth.name)
            self.grown.append(growth)

    def _tell(self, name: str) -> None:
        self.console.print(f"[dim]{name} ...[/]")


@contextlib.contextmanager
def _tf32(wanted: bool) -> Iterator[None]:
    """Products of float32 in TF32 inside, where an accelerator has it, or in full."""
    backends: Any = torch.backends
    settings = backends.cuda.matmul, backends.cudnn.conv
    before = [setting.fp32_precision for setting in settings]
    try:
        for setting in settings:
            setting.fp32_precision = "tf32" if wanted else "ieee"
        yield
    finally:
        for setting, value in zip(settings, before, strict=True):
            setting.fp32_precision = value
