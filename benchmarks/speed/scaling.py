"""How cost grows: a fitted exponent for each, beside the one that the mathematics demands."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchbed.api.metric import ImageSet, MemorisationSets, MetricInputs
from benchbed.metrics.fid import compute_frechet_distance
from benchbed.metrics.kid import compute_kernel_distance
from benchbed.metrics.memorisation import memorisation
from benchbed.metrics.ms_ssim import compute_ms_ssim
from benchbed.metrics.prdc import measure_manifold
from benchbed.metrics.swd import compute_sliced_wasserstein
from benchbed.results.record import Record, read_record

from .cases import mask_training, noise_training
from .clock import Clock, Conditions, Lap, timed
from .data_path import empty_cache, prepared, write_pictures
from .goals import EXPONENT_SLACK
from .harness import Step
from .memory import PeakMemory
from .metrics import DIMS, features, images

REPEATS = 3
"""Times that each size is measured; the least counts, which noise has lengthened least."""

FEW_DIMS = 256
"""Dimensions of the features of which there are fewer than samples."""

CPU = torch.device("cpu")


@dataclass
class Growth:
    """How something grows.

    Attributes:
        name: Short name.
        what: What grows, with what.
        demanded: The exponent that the mathematics demands; None where `floor` tells it.
        sizes: What it grows with.
        laps: Seconds at each size; none where it is memory that grows.
        amounts: Bytes at each size; none where it is time that grows.
        floor: Seconds at each size of the operations that nobody can do without.
        under: Clock and company.
    """

    name: str
    what: str
    demanded: float | None
    sizes: list[int] = field(default_factory=list)
    laps: list[Lap] = field(default_factory=list)
    amounts: list[int] = field(default_factory=list)
    floor: list[Lap] = field(default_factory=list)
    under: Conditions = field(default_factory=Conditions)

    def values(self, clock: Clock | None = None) -> list[float]:
        """Seconds or bytes at each size.

        Args:
            clock: Another clock than the one that it is judged by.
        """
        by = clock or self.under.clock
        return [lap.by(by) for lap in self.laps] or [float(amount) for amount in self.amounts]

    def exponent(self, clock: Clock | None = None) -> float:
        """The slope of the logarithms over the larger sizes, where fixed costs weigh least."""
        return slope(self.sizes, self.values(clock))

    @property
    def least(self) -> float:
        """The exponent that is demanded."""
        if self.demanded is not None:
            return self.demanded
        return slope(self.sizes, [lap.by(self.under.clock) for lap in self.floor])

    @property
    def verdict(self) -> str:
        """Whether it grows no faster than it must."""
        return "met" if self.exponent() <= self.least + EXPONENT_SLACK else "short"


def slope(sizes: Sequence[float], values: Sequence[float]) -> float:
    """The exponent over the larger half of the sizes, which are at least three."""
    kept = min(len(values), max(3, (len(values) + 1) // 2))
    return fitted(sizes[-kept:], values[-kept:])


def fitted(sizes: Sequence[float], values: Sequence[float]) -> float:
    """The exponent b of the best ``a x^b`` through points, by least squares of the logarithms."""
    return float(np.polyfit(np.log(sizes), np.log(values), 1)[0])


@dataclass(frozen=True)
class Case:
    """Something whose growth is measured.

    Attributes:
        names: Of the growths that come of it.
        grow: Measures them.
    """

    names: tuple[str, ...]
    grow: Callable[[], list[Growth]]


def cases(quick: bool, device: torch.device, records: Path) -> list[Case]:
    """Everything that is measured.

    Args:
        quick: Whether few and small sizes will do.
        device: Where networks are.
        records: Records to be multiplied for the report.
    """
    sides = (32, 64, 128) if quick else (32, 64, 128, 256, 512)
    batches = (4, 8, 16) if quick else (8, 16, 32, 64, 128)
    folders = (10, 30, 100) if quick else (10, 100, 1000, 10_000, 50_000)
    boards = (50, 100, 200) if quick else (100, 300, 1000, 3000, 10_000)
    side, batch = "pixels of a side", "images of a batch"

    def dcgan(size: int) -> Step:
        return noise_training(size, 4, device)

    def unet(size: int) -> Step:
        return mask_training(size, 4, device)

    def larger(size: int) -> Step:
        return noise_training(64, size, device)

    return [
        _training(
            "resolution", f"a DCGAN's step against {side}", sides, 2.0, make=dcgan, device=device
        ),
        _training(
            "resolution-unet",
            f"a U-Net's step against {side}",
            sides,
            2.0,
            make=unet,
            device=device,
        ),
        _training(
            "batch", f"a DCGAN's step against {batch}", batches, 1.0, make=larger, device=device
        ),
        Case(("preparation-cases",), lambda: [_preparation(folders)]),
        *_metrics(quick),
        Case(("report-records",), lambda: [_report(boards, records)]),
    ]


def _training(
    name: str,
    what: str,
    sizes: Sequence[int],
    demanded: float,
    *,
    make: Callable[[int], Step],
    device: torch.device,
) -> Case:
    """Time and memory of a step."""

    def grow() -> list[Growth]:
        time = Growth(f"training-time-{name}", f"time of {what}", demanded)
        memory = Growth(f"training-memory-{name}", f"memory of {what}", demanded)
        make(sizes[0])()  # the libraries' own memory is no size's
        for size in sizes:
            peak = PeakMemory(device)
            step = make(size)
            step()
            amount = peak.peak()
            time.sizes.append(size)
            time.laps.append(_least(step, device))
            if amount:
                memory.sizes.append(size)
                memory.amounts.append(amount)
            del step
        return [time, memory] if len(memory.amounts) > 1 else [time]

    return Case((f"training-time-{name}", f"training-memory-{name}"), grow)


def _preparation(sizes: Sequence[int]) -> Growth:
    made = Growth("preparation-cases", "checking and preparing pictures against their number", 1.0)

    def prepare(pictures: Path) -> None:
        with empty_cache():
            prepared(pictures, 32)

    with tempfile.TemporaryDirectory() as folder:
        for count in sizes:
            pictures = Path(folder) / str(count)
            write_pictures(pictures, count, side=48)
            made.sizes.append(count)
            made.laps.append(_least(lambda p=pictures: prepare(p), CPU))  # type: ignore[misc]
    return made


Make = Callable[[int], Callable[[], Any]]


def _metrics(quick: bool) -> list[Case]:
    few = (64, 128, 256) if quick else (250, 500, 1000, 2000)
    many = (512, 1024, 2048) if quick else (1000, 2000, 4000, 8000)
    found: list[tuple[str, str, Sequence[int], float, Make]] = [
        (
            "fid-distance-n-beyond",
            f"FID distance against N beyond its {FEW_DIMS} dimensions",
            many,
            1.0,
            lambda n: _on_features(compute_frechet_distance, n, FEW_DIMS),
        ),
        (
            "kid-n",
            "KID against N",
            few,
            2.0,
            lambda n: _on_features(compute_kernel_distance, n, DIMS),
        ),
        ("prdc-n", "PRDC against N", few, 2.0, lambda n: _on_features(measure_manifold, n, DIMS)),
        ("memorisation-n", "memorisation against N of each set", few, 2.0, _memorisation),
        ("swd-n", "SWD against N", few, 1.0, lambda n: _on_images(compute_sliced_wasserstein, n)),
        (
            "ms-ssim-n",
            "MS-SSIM against N pairs",
            few,
            1.0,
            lambda n: _on_images(compute_ms_ssim, n),
        ),
    ]
    cases = [Case((one[0],), lambda one=one: [_of_sizes(*one)]) for one in found]  # type: ignore[misc]
    return [Case(("fid-distance-n",), lambda: [_fid_distance(few)]), *cases]


def _of_sizes(name: str, what: str, sizes: Sequence[int], demanded: float, make: Make) -> Growth:
    laps = [_least(make(count), CPU) for count in sizes]
    return Growth(name, what, demanded, list(sizes), laps)


def _fid_distance(sizes: Sequence[int]) -> Growth:
    """Up to as many samples as dimensions, beside what it cannot do without.

    That is the product of the two sets, N^2 d, and the singular values of the N x N matrix that it
    is, N^3; which of them weighs more at these sizes is the machine's to say.
    """
    what = f"FID distance against N up to its {DIMS} dimensions"
    made = Growth("fid-distance-n", what, None, list(sizes))
    for count in sizes:
        sides = features(count), features(count, seed=1)
        one, other = (torch.from_numpy(side).double() for side in sides)
        made.laps.append(_least(lambda s=sides: compute_frechet_distance(*s), CPU))  # type: ignore[misc]
        made.floor.append(
            _least(lambda a=one, b=other: torch.linalg.svdvals(a @ b.T), CPU)  # type: ignore[misc]
        )
    return made


def _on_features(metric: Callable[..., Any], count: int, dims: int) -> Callable[[], Any]:
    sides = features(count, dims), features(count, dims, seed=1)
    return lambda: metric(*sides)


def _on_images(metric: Callable[..., Any], count: int) -> Callable[[], Any]:
    sides = images(count, 64), images(count, 64, seed=1)
    return lambda: metric(*sides)


def _memorisation(count: int) -> Callable[[], Any]:
    sets = [images(count, 32, seed=seed) for seed in range(3)]

    def no_features(extractor: str, images: ImageSet) -> Any:
        raise AssertionError(f"memorisation wants no {extractor} of {len(images)} images")

    def work() -> Any:
        # Sets of their own: neighbours of known sets are remembered.
        train, held_out, fake = (ImageSet(pixels) for pixels in sets)
        unseen = MemorisationSets(train, held_out)
        return memorisation(MetricInputs(train, fake, no_features, memorisation_sets=unseen))

    return work


def _report(sizes: Sequence[int], records: Path) -> Growth:
    known = [read_record(path) for path in sorted(records.glob("*.json"))]
    if not known:
        raise RuntimeError("there is no record to multiply; --records names a folder of some")
    made = Growth("report-records", "leaderboards against the number of records", 1.0)
    for count in sizes:
        many = [_copy(known[number % len(known)], number) for number in range(count)]
        made.sizes.append(count)
        made.laps.append(_least(lambda m=many: _boards(m), CPU))  # type: ignore[misc]
    return made


def _boards(records: list[Record]) -> None:
    from benchbed.config import paths
    from benchbed.report.write import build_leaderboards, write_leaderboards

    with tempfile.TemporaryDirectory() as folder:
        write_leaderboards(
            build_leaderboards(records, paths.find_benchmarks_folder() / "papers"),
            Path(folder),
            ("md", "csv"),
        )


def _copy(record: Record, number: int) -> Record:
    return record.model_copy(update={"id": f"{record.id}-{number}", "seed": number})


def _least(work: Callable[[], Any], device: torch.device) -> Lap:
    """The least of `REPEATS` laps; a first call that is slower for being the first is none."""
    laps = [timed(work, device) for _ in range(REPEATS)]
    return Lap(min(lap.wall for lap in laps), min(lap.cpu for lap in laps))
