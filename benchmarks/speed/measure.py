"""Two ways to the same end, in turns, in one process."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

from .clock import Clock, Conditions, Lap, repeated, timed
from .goals import Goal, goal, verdict
from .memory import PeakMemory

Work = Callable[[], Any]

CPU = torch.device("cpu")

SHORTEST = 0.1
"""Seconds under which a repetition is repeated, so that the clock's steps do not show."""


@dataclass
class Measurement:
    """What came of a pair.

    Attributes:
        name: Of the pair.
        group: Of the pair.
        what: What is measured, with its sizes.
        reference: What it is measured against.
        goal: What the ratio is to reach; None where nothing was set.
        laps: Seconds of one repetition of ours and of the reference, a pair a round.
        flops: FLOPs of one repetition of ours and of the reference; none where not counted.
        peak: The machine's rate of matrix products in FLOP/s in this precision.
        memory: Peak bytes of ours and of the reference; None where the system does not tell.
        precision: Of ours.
        device: Kind of device.
        difference: Largest relative difference of what the two computed; None where they need
            not agree.
        tolerance: Most that it may be.
        harness_share: Share of our step that is not the method's own; None but in training on a
            processor.
        note: What else must be known.
        under: Clock and company.
    """

    name: str
    group: str
    what: str
    reference: str
    goal: Goal | None = None
    laps: list[tuple[Lap, Lap]] = field(default_factory=list)
    flops: tuple[int, int] | None = None
    peak: float | None = None
    memory: tuple[int | None, int | None] = (None, None)
    precision: str = "fp32"
    device: str = "cpu"
    difference: float | None = None
    tolerance: float | None = None
    harness_share: float | None = None
    note: str = ""
    under: Conditions = field(default_factory=Conditions)

    @property
    def label(self) -> str:
        """Its name, with what tells it from others of that name."""
        parts = [self.name]
        if self.group == "training":
            parts.append(self.precision)
        if self.device != "cpu":
            parts.append(self.device)
        return ", ".join(parts)

    @property
    def verdict(self) -> str:
        """What is to be said of the ratio."""
        return verdict(self.ratio()[0], self.goal)

    @property
    def agrees(self) -> bool | None:
        """Whether the two computed the same; None where they need not."""
        if self.difference is None or self.tolerance is None:
            return None
        return self.difference <= self.tolerance

    def seconds(self) -> tuple[float, float]:
        """Median seconds of one repetition of ours and of the reference."""
        ours, theirs = zip(*self.laps, strict=True)
        return _median(ours, self.under.clock), _median(theirs, self.under.clock)

    def ratio(self, clock: Clock | None = None) -> tuple[float, float, float]:
        """Median of the rounds' ratios, with the lowest and the highest.

        Args:
            clock: Another clock than the one that it is judged by.
        """
        by = clock or self.under.clock
        ratios = [theirs.by(by) / ours.by(by) for ours, theirs in self.laps]
        return float(np.median(ratios)), min(ratios), max(ratios)

    def share_of_peak(self) -> float | None:
        """FLOP/s of ours as a share of the machine's."""
        if self.flops is None or self.peak is None:
            return None
        return self.flops[0] / self.seconds()[0] / self.peak


def _median(laps: tuple[Lap, ...], clock: Clock) -> float:
    return float(np.median([lap.by(clock) for lap in laps]))


@dataclass(frozen=True)
class Pair:
    """Two ways to the same end.

    Attributes:
        name: Short name.
        group: Group of measurements.
        what: What is measured, with its sizes.
        reference: What it is measured against.
        make: Makes both, ours first; each is called over and over.
        goal: Least ratio.
        agree: From what the two returned to their largest relative difference.
        tolerance: Most that it may be.
        note: What else must be known.
        device: Where both compute.
    """

    name: str
    group: str
    what: str
    reference: str
    make: Callable[[], tuple[Work, Work]]
    goal: float | None = None
    agree: Callable[[Any, Any], float] | None = None
    tolerance: float | None = None
    note: str = ""
    device: torch.device = CPU


def measure(pair: Pair, rounds: int) -> Measurement:
    """Measure a pair: each once to warm up and once for its memory, then in turns.

    Args:
        pair: What to measure.
        rounds: How many turns.
    """
    works, device = pair.make(), pair.device
    values, memory, counts = [], [], []
    for work in works:
        values.append(work())  # imports, too, whose memory is not the work's
        peak = PeakMemory(device)
        lap = timed(work, device)
        memory.append(peak.peak())
        counts.append(max(1, math.ceil(SHORTEST / max(lap.wall, 1e-4))))
    made = Measurement(pair.name, pair.group, pair.what, pair.reference, note=pair.note)
    made.goal = None if pair.goal is None else goal(pair.goal)
    made.device, made.memory = device.type, (memory[0], memory[1])
    made.difference = None if pair.agree is None else pair.agree(*values)
    made.tolerance = pair.tolerance
    for number in range(rounds):
        # Who comes first changes from round to round: the second may find caches warm.
        order = (0, 1) if number % 2 == 0 else (1, 0)
        laps = {side: repeated(works[side], counts[side], device) for side in order}
        made.laps.append((laps[0], laps[1]))
    return made
