"""Two ways to the same end, in turns, in one process."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

from .clock import Clock, Lap, timed
from .memory import PeakMemory

Work = Callable[[], Any]

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
        goal: Least ratio; None where none was set.
        laps: Seconds of one repetition of ours and of the reference, a pair a round.
        flops: FLOPs of one repetition of ours and of the reference; none where not counted.
        memory: Peak bytes of ours and of the reference; None where the system does not tell.
        precision: Of ours.
        difference: Largest relative difference of what the two computed; None where they need
            not agree.
        harness_share: Share of our step that is not the method's own; None but in training.
        note: What else must be known.
    """

    name: str
    group: str
    what: str
    reference: str
    goal: float | None = None
    laps: list[tuple[Lap, Lap]] = field(default_factory=list)
    flops: tuple[int, int] | None = None
    memory: tuple[int | None, int | None] = (None, None)
    precision: str = "fp32"
    difference: float | None = None
    harness_share: float | None = None
    note: str = ""

    def seconds(self, clock: Clock) -> tuple[float, float]:
        """Median seconds of one repetition of ours and of the reference."""
        ours, theirs = zip(*self.laps, strict=True)
        return _median(ours, clock), _median(theirs, clock)

    def ratio(self, clock: Clock) -> tuple[float, float, float]:
        """Median of the rounds' ratios, with the lowest and the highest."""
        ratios = [theirs.by(clock) / ours.by(clock) for ours, theirs in self.laps]
        return float(np.median(ratios)), min(ratios), max(ratios)

    def share_of(self, peak: float, clock: Clock) -> float | None:
        """FLOP/s of ours as a share of `peak`."""
        return None if self.flops is None else self.flops[0] / self.seconds(clock)[0] / peak


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
        note: What else must be known.
    """

    name: str
    group: str
    what: str
    reference: str
    make: Callable[[], tuple[Work, Work]]
    goal: float | None = None
    agree: Callable[[Any, Any], float] | None = None
    note: str = ""


def measure(pair: Pair, rounds: int, device: torch.device) -> Measurement:
    """Measure a pair: once each to warm up, then in turns.

    Args:
        pair: What to measure.
        rounds: How many turns.
        device: What is waited for.
    """
    works = pair.make()
    values, memory, counts = [], [], []
    for work in works:
        peak = PeakMemory(device)
        values.append(work())
        memory.append(peak.peak())
        lap = timed(work, device)
        counts.append(max(1, math.ceil(SHORTEST / max(lap.wall, 1e-4))))
    made = Measurement(pair.name, pair.group, pair.what, pair.reference, pair.goal, note=pair.note)
    made.memory = (memory[0], memory[1])
    made.difference = None if pair.agree is None else pair.agree(*values)
    for number in range(rounds):
        # Who comes first changes from round to round: the second may find caches warm.
        order = (0, 1) if number % 2 == 0 else (1, 0)
        laps = {side: _repeated(works[side], counts[side], device) for side in order}
        made.laps.append((laps[0], laps[1]))
    return made


def _repeated(work: Work, count: int, device: torch.device) -> Lap:
    def all_of_it() -> None:
        for _ in range(count):
            work()

    return timed(all_of_it, device) / count
