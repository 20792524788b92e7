"""How cost grows: a fitted exponent for each, beside the one that the mathematics demands."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchbed.metrics.frechet import frechet_distance
from benchbed.metrics.ms_ssim import ms_ssim
from benchbed.metrics.prdc import manifold
from benchbed.metrics.swd import sliced_wasserstein
from benchbed.runs.record import Record, read_record

from .cases import noise_training
from .clock import Clock, Lap, timed
from .data_path import empty_cache, prepared, write_pictures
from .goals import EXPONENT_SLACK
from .memory import PeakMemory
from .metrics import features, images

REPEATS = 3
"""Times that each size is measured; the least counts, which noise has lengthened least."""


@dataclass
class Growth:
    """How something grows.

    Attributes:
        name: Short name.
        what: What grows, with what.
        demanded: The exponent that the mathematics demands.
        sizes: What it grows with.
        laps: Seconds at each size; none where it is memory that grows.
        amounts: Bytes at each size; none where it is time that grows.
    """

    name: str
    what: str
    demanded: float
    sizes: list[int] = field(default_factory=list)
    laps: list[Lap] = field(default_factory=list)
    amounts: list[int] = field(default_factory=list)

    def values(self, clock: Clock) -> list[float]:
        """Seconds or bytes at each size."""
        return [lap.by(clock) for lap in self.laps] or [float(amount) for amount in self.amounts]

    def exponent(self, clock: Clock) -> float:
        """The slope of the logarithms over the larger sizes, where fixed costs weigh least."""
        values = self.values(clock)
        return fitted(self.sizes[-_kept(len(values)) :], values[-_kept(len(values)) :])

    def fits(self, clock: Clock) -> bool:
        """Whether it grows no faster than it must."""
        return self.exponent(clock) <= self.demanded + EXPONENT_SLACK


def _kept(count: int) -> int:
    return min(count, max(3, (count + 1) // 2))


def fitted(sizes: Sequence[float], values: Sequence[float]) -> float:
    """The exponent b of the best ``a x^b`` through points, by least squares of the logarithms."""
    return float(np.polyfit(np.log(sizes), np.log(values), 1)[0])


def growths(quick: bool, device: torch.device, records: Path | None) -> Iterator[Growth]:
    """Everything that is measured, one by one.

    Args:
        quick: Whether few and small sizes will do.
        device: Where networks are.
        records: Records to be multiplied for the report; None to leave it out.
    """
    yield from _training(
        "resolution",
        "pixels of a side",
        (32, 64, 128) if quick else (32, 64, 128, 256, 512),
        demanded=2.0,
        shape=lambda size: (size, 4),
        device=device,
    )
    yield from _training(
        "batch",
        "images of a batch",
        (4, 8, 16) if quick else (8, 16, 32, 64, 128),
        demanded=1.0,
        shape=lambda batch: (64, batch),
        device=device,
    )
    yield _preparation((10, 30, 100) if quick else (10, 100, 1000, 10_000, 50_000))
    yield from _metrics(quick)
    if records is not None:
        yield _report((50, 100, 200) if quick else (100, 300, 1000, 3000, 10_000), records)


def _training(
    name: str,
    what: str,
    sizes: Sequence[int],
    *,
    demanded: float,
    shape: Callable[[int], tuple[int, int]],
    device: torch.device,
) -> Iterator[Growth]:
    """Time and memory of a DCGAN's step, its innermost widths held."""
    time = Growth(f"training-time-{name}", f"a DCGAN's step against {what}", demanded)
    memory = Growth(f"training-memory-{name}", f"its memory against {what}", demanded)
    for size in sizes:
        side, batch = shape(size)
        peak = PeakMemory(device)
        step = noise_training(side, batch, device)
        step()
        amount = peak.peak()
        time.sizes.append(size)
        time.laps.append(_least(step, device))
        if amount:
            memory.sizes.append(size)
            memory.amounts.append(amount)
        del step
    yield time
    if len(memory.amounts) > 1:
        yield memory


def _preparation(sizes: Sequence[int]) -> Growth:
    made = Growth("preparation-cases", "checking and preparing pictures against their number", 1.0)
    with tempfile.TemporaryDirectory() as folder:
        for count in sizes:
            pictures = Path(folder) / str(count)
            write_pictures(pictures, count, side=48)
            with empty_cache():
                lap = timed(lambda p=pictures: prepared(p, 32), torch.device("cpu"))  # type: ignore[misc]
            made.sizes.append(count)
            made.laps.append(lap)
    return made


def _metrics(quick: bool) -> Iterator[Growth]:
    few = (64, 128, 256) if quick else (250, 500, 1000, 2000)
    cases: list[tuple[str, float, Callable[[int], Callable[[], Any]]]] = [
        # Up to d samples the singular values of an N x N matrix are sought.
        ("fid-distance", 3.0, _two_sets(frechet_distance)),
        ("prdc", 2.0, _two_sets(manifold)),
        ("swd", 1.0, _two_image_sets(sliced_wasserstein)),
        ("ms-ssim", 1.0, _two_image_sets(ms_ssim)),
    ]
    for name, demanded, make in cases:
        made = Growth(f"{name}-n", f"{name} against N", demanded)
        for count in few:
            made.sizes.append(count)
            made.laps.append(_least(make(count), torch.device("cpu")))
        yield made


def _two_sets(metric: Callable[..., Any]) -> Callable[[int], Callable[[], Any]]:
    def make(count: int) -> Callable[[], Any]:
        sides = features(count), features(count, seed=1)
        return lambda: metric(*sides)

    return make


def _two_image_sets(metric: Callable[..., Any]) -> Callable[[int], Callable[[], Any]]:
    def make(count: int) -> Callable[[], Any]:
        sides = images(count, 64), images(count, 64, seed=1)
        return lambda: metric(*sides)

    return make


def _report(sizes: Sequence[int], records: Path) -> Growth:
    made = Growth("report-records", "leaderboards against the number of records", 1.0)
    known = [read_record(path) for path in sorted(records.glob("*.json"))]
    if not known:
        return made
    for count in sizes:
        many = [_copy(known[number % len(known)], number) for number in range(count)]
        made.sizes.append(count)
        made.laps.append(timed(lambda m=many: _boards(m), torch.device("cpu")))  # type: ignore[misc]
    return made


def _boards(records: list[Record]) -> None:
    from benchbed import paths
    from benchbed.report.write import leaderboards, write

    with tempfile.TemporaryDirectory() as folder:
        write(leaderboards(records, paths.benchmarks() / "papers"), Path(folder), ("md", "csv"))


def _copy(record: Record, number: int) -> Record:
    return record.model_copy(update={"id": f"{record.id}-{number}", "seed": number})


def _least(work: Callable[[], Any], device: torch.device) -> Lap:
    work()
    laps = [timed(work, device) for _ in range(REPEATS)]
    return Lap(min(lap.wall for lap in laps), min(lap.cpu for lap in laps))
