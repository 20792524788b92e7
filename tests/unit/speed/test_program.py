"""The speed program: what it computes from laps, what it counts, what it compares with."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from rich.console import Console
from torch.nn import functional as F

from benchmarks.speed import goals, machine, record, table
from benchmarks.speed.cases import Sizes, trainings
from benchmarks.speed.clock import Lap
from benchmarks.speed.flops import CountedFlops
from benchmarks.speed.harness import Training
from benchmarks.speed.measure import Measurement, Pair, measure
from benchmarks.speed.memory import PeakMemory
from benchmarks.speed.picture import draw
from benchmarks.speed.plain import ms_ssim as plain_ms_ssim
from benchmarks.speed.plain import swd as plain_swd
from benchmarks.speed.scaling import Growth, fitted
from benchmarks.speed.start_up import StartUp

CPU = torch.device("cpu")
TINY = Sizes(narrow=16, batch=4, grown=4, pairs=2, volume=32, smaller=2)
QUICK_ONES = ("dcgan-64", "wgan-gp-64", "skrgan-sketch-64")
ABOUT = {"processor": "none", "threads": 1, "torch": "2"}


def measured(ratios: tuple[float, ...], goal: float | None = None) -> Measurement:
    """A measurement whose rounds have these ratios."""
    laps = [(Lap(1.0, 2.0), Lap(ratio, 2 * ratio)) for ratio in ratios]
    return Measurement("a", "training", "what", "plain", goal, laps, flops=(100, 120))


def test_the_ratio_is_the_median_of_the_rounds() -> None:
    one = measured((2.0, 9.0, 3.0))
    assert one.ratio("wall") == (3.0, 2.0, 9.0)
    assert one.seconds("cpu") == (2.0, 6.0)
    assert one.share_of(50.0, "cpu") == 1.0


@pytest.mark.parametrize(
    ("ratio", "goal", "said"), [(3, 3, "met"), (2.41, 3, "gate"), (2.3, 3, "short"), (1, None, "")]
)
def test_verdicts(ratio: float, goal: float | None, said: str) -> None:
    assert goals.verdict(ratio, goal) == said


def test_goals_are_asked_for_where_they_were_set() -> None:
    """Those of bfloat16 need AMX; float32 must never be slower, on any processor."""
    assert goals.training_goal("unet-256", "bf16", "cpu", amx=True) == 5.0
    assert goals.training_goal("unet-256", "bf16", "cpu", amx=False) is None
    assert goals.training_goal("unet-256", "fp32", "cpu", amx=False) == 1.0
    assert goals.training_goal("dcgan-64", "bf16", "cuda", amx=False) == 3.0
    assert goals.training_goal("pggan-128", "bf16", "cuda", amx=False) == 2.0


def test_every_training_has_a_goal() -> None:
    assert {training.name for training in trainings(TINY)} == goals.AMX.keys()


def test_exponents_are_those_of_powers() -> None:
    """3 x^1.5 has 1.5; a fixed cost beneath the small sizes is left out."""
    assert fitted([1, 10, 100], [3, 3 * 10**1.5, 3000]) == pytest.approx(1.5)
    laps = [Lap(max(100.0, float(size)), 0.0) for size in (1, 10, 100, 1000, 10_000)]
    grown = Growth("g", "what", 1.0, [1, 10, 100, 1000, 10_000], laps)
    assert grown.exponent("wall") == pytest.approx(1.0)
    assert grown.fits("wall")
    assert not Growth("g", "what", 0.5, grown.sizes, laps).fits("wall")


def test_flops_of_a_convolution_with_gradients_of_gradients() -> None:
    """Forward, two backward, and three of the double backward: each as many as the forward."""
    weight = torch.randn(4, 3, 3, 3, requires_grad=True)
    x = torch.randn(2, 3, 8, 8, requires_grad=True)
    forward = 2 * 2 * 4 * 3 * 9 * 64
    with CountedFlops() as flops:
        y = F.conv2d(x, weight, padding=1)
    assert flops.total == forward
    with CountedFlops() as flops:
        (slope,) = torch.autograd.grad(y.square().sum(), x, create_graph=True)
        slope.square().sum().backward()
    assert flops.total >= 4 * forward


def test_peak_memory_sees_what_is_soon_freed() -> None:
    peak = PeakMemory(CPU)
    held = torch.ones(64 * 2**20 // 4)
    del held
    seen = peak.peak()
    if seen is None:
        pytest.skip("the system does not tell the peak of a process")
    assert 60 * 2**20 < seen < 90 * 2**20


def test_a_pair_is_measured_in_turns_and_compared() -> None:
    """Both are called; laps come in pairs; the slower one has the longer laps."""
    numbers = np.random.default_rng(0).standard_normal((200, 200))

    def once() -> float:
        return float((numbers @ numbers).sum())

    pair = Pair(
        "p",
        "metrics",
        "a product",
        "ten products",
        lambda: (once, lambda: sum(once() for _ in range(10))),
        agree=lambda ours, theirs: abs(10 * ours - theirs) / abs(theirs),
    )
    made = measure(pair, 3, CPU)
    assert len(made.laps) == 3
    assert made.ratio("cpu")[0] > 2
    assert made.difference == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize(
    "training",
    [
        pytest.param(t, id=t.name, marks=() if t.name in QUICK_ONES else pytest.mark.slow)
        for t in trainings(TINY)
    ],
)
def test_the_reference_trains_the_same_networks(training: Training) -> None:
    """Through the whole harness, in turns; FLOPs differ by what ours leaves out alone."""
    made = training.measure("fp32", 1, CPU, 1.0)
    assert len(made.laps) == 1
    assert made.flops is not None
    ours, theirs = made.flops
    # Ours leaves the discriminator's own gradients out of the generator's step, and folds.
    assert 0.7 * theirs <= ours <= 1.01 * theirs
    assert made.harness_share is not None
    assert 0 <= made.harness_share < 1


def test_plain_ms_ssim_is_ours() -> None:
    """The reference that ours is timed against has the same values, to 1e-9."""
    from benchbed.metrics.ms_ssim import ms_ssim
    from benchmarks.speed.metrics import images

    first, second = images(2, 64), images(2, 64, seed=1)
    np.testing.assert_allclose(
        ms_ssim(first, second), plain_ms_ssim.ms_ssim(first, second), atol=1e-9
    )


def test_plain_swd_is_ours_but_for_its_random_numbers() -> None:
    """Two different sets: to 5 per cent."""
    from benchbed.metrics.swd import sliced_wasserstein
    from benchmarks.speed.metrics import images

    first, second = images(32, 32), 255 - images(32, 32, seed=3) // 2
    ours = sliced_wasserstein(first, second).average
    assert plain_swd.sliced_wasserstein(first, second) == pytest.approx(ours, rel=0.05)


def test_what_is_told_and_written(tmp_path: Path) -> None:
    """Tables with verdicts, JSON that reads back, a picture that is one."""
    made = [measured((4.0, 5.0), goal=3.0), measured((1.0, 2.0), goal=3.0)]
    started = [StartUp("benchbed", [(Lap(0.02, 0.02), Lap(0.1, 0.1))], [Lap(4.0, 4.0)], False)]
    grown = [Growth("g", "what", 1.0, [1, 2, 4], [Lap(n, n) for n in (1.0, 2.0, 4.0)])]
    console = Console(width=100, record=True, file=io.StringIO())
    peaks = {"fp32": 1000.0}
    console.print(table.comparisons("training", made, peaks, "wall"))
    console.print(table.start_ups(started, "wall"), table.growths(grown, "wall"))
    text = console.export_text()
    for word in ("met", "short", "4.50", "0.080", "not imported", "1.00"):
        assert word in text
    content = record.whole(ABOUT, "wall", peaks, made=made, started=started, grown=grown)
    again = json.loads(json.dumps(content))
    assert [one["verdict"] for one in again["comparisons"]] == ["met", "short"]
    assert again["start_up"][0]["seconds_beyond_python"]["median"] == pytest.approx(0.08)
    draw(made, ABOUT, "wall", tmp_path / "p.png")
    assert (tmp_path / "p.png").read_bytes().startswith(b"\x89PNG")


def test_the_machine_is_described_without_its_places() -> None:
    about = machine.describe(CPU)
    assert about["torch"] == torch.__version__
    assert "/" not in json.dumps(about)
