"""The speed program: what it computes from laps, what it counts, what it compares with."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from benchmarks.speed import goals, machine
from benchmarks.speed.cases import Sizes, trainings
from benchmarks.speed.clock import Conditions, Lap
from benchmarks.speed.flops import CountedFlops
from benchmarks.speed.harness import Training
from benchmarks.speed.measure import Measurement, Pair, measure
from benchmarks.speed.memory import PeakMemory
from benchmarks.speed.plain import ms_ssim as plain_ms_ssim
from benchmarks.speed.plain import swd as plain_swd
from benchmarks.speed.scaling import Growth, fitted

CPU = torch.device("cpu")
TINY = Sizes(narrow=16, batch=4, grown=4, pairs=2, volume=32, smaller=2)
QUICK_ONES = ("dcgan-64", "wgan-gp-64", "skrgan-sketch-64")


def measured(ratios: tuple[float, ...], goal: float | None = None) -> Measurement:
    """A measurement whose rounds have these ratios."""
    laps = [(Lap(1.0, 2.0), Lap(ratio, 2 * ratio)) for ratio in ratios]
    asked = None if goal is None else goals.goal(goal)
    return Measurement("a", "training", "what", "plain", asked, laps, flops=(100, 120), peak=50.0)


def test_the_ratio_is_the_median_of_the_rounds() -> None:
    one = measured((2.0, 9.0, 3.0))
    assert one.ratio("wall") == (3.0, 2.0, 9.0)
    one.under = Conditions("cpu", 0.5)
    assert one.seconds() == (2.0, 6.0)
    assert one.share_of_peak() == 1.0


@pytest.mark.parametrize(
    ("ratio", "goal", "said"), [(3, 3, "met"), (2.41, 3, "gate"), (2.3, 3, "short"), (1, None, "")]
)
def test_verdicts(ratio: float, goal: float | None, said: str) -> None:
    assert goals.verdict(ratio, None if goal is None else goals.goal(goal)) == said


def test_goals_are_asked_for_where_they_were_set() -> None:
    """Those of bfloat16 need AMX; float32 must never be slower, on any processor."""
    both = {"fp32": 1.2, "bf16": 4.0}
    assert goals.training_goals("unet-256", both, "cpu", amx=True) == {
        "fp32": goals.EXACT,
        "bf16": (5.0, 4.0),
    }
    assert goals.training_goals("unet-256", both, "cpu", amx=False)["bf16"] is None
    assert goals.training_goals("unet-256", {"fp32": 9.0}, "cpu", amx=True)["fp32"] == goals.EXACT
    assert goals.training_goals("dcgan-64", both, "cuda", amx=False)["bf16"] == goals.goal(3.0)
    assert goals.training_goals("pggan-128", both, "cuda", amx=False)["bf16"] == goals.goal(2.0)


def test_the_goal_is_asked_of_the_better_precision() -> None:
    """A method may be faster in float32; the other precision then has no goal."""
    asked = goals.training_goals("pix2pix-3d", {"bf16": 1.7, "fp32": 1.9}, "cpu", amx=True)
    assert asked == {"fp32": (2.0, 1.6), "bf16": None}


@pytest.mark.parametrize(("ratio", "said"), [(1.3, "met"), (1.0, "gate"), (0.99, "short")])
def test_exact_training_is_never_slower(ratio: float, said: str) -> None:
    assert goals.verdict(ratio, goals.EXACT) == said


def test_every_training_has_a_goal() -> None:
    assert {training.name for training in trainings(TINY)} == goals.AMX.keys()


def test_exponents_are_those_of_powers() -> None:
    """3 x^1.5 has 1.5; a fixed cost beneath the small sizes is left out."""
    assert fitted([1, 10, 100], [3, 3 * 10**1.5, 3000]) == pytest.approx(1.5)
    laps = [Lap(max(100.0, float(size)), 0.0) for size in (1, 10, 100, 1000, 10_000)]
    grown = Growth("g", "what", 1.0, [1, 10, 100, 1000, 10_000], laps)
    assert grown.exponent() == pytest.approx(1.0)
    assert grown.verdict == "met"
    assert Growth("g", "what", 0.5, grown.sizes, laps).verdict == "short"


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
    made = measure(pair, 3)
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
    made = training.measure("fp32", 1, CPU, shortest=0.0)
    assert len(made.laps) == 1
    assert made.flops is not None
    ours, theirs = made.flops
    # Ours leaves the discriminator's own gradients out of the generator's step, and folds.
    assert 0.7 * theirs <= ours <= 1.01 * theirs
    assert made.harness_share is not None
    assert 0 <= made.harness_share < 1


def test_plain_ms_ssim_is_ours() -> None:
    """The reference that ours is timed against has the same values, to 1e-9."""
    from benchbed.metrics.ms_ssim import compute_ms_ssim
    from benchmarks.speed.metrics import images

    first, second = images(2, 64), images(2, 64, seed=1)
    np.testing.assert_allclose(
        compute_ms_ssim(first, second), plain_ms_ssim.ms_ssim(first, second), atol=1e-6
    )


def test_plain_swd_is_ours_but_for_its_random_numbers() -> None:
    """Two different sets: to 5 per cent."""
    from benchbed.metrics.swd import compute_sliced_wasserstein
    from benchmarks.speed.metrics import images

    first, second = images(32, 32), 255 - images(32, 32, seed=3) // 2
    ours = compute_sliced_wasserstein(first, second).mean
    assert plain_swd.sliced_wasserstein(first, second) == pytest.approx(ours, rel=0.05)


def test_the_machine_is_described_without_its_places() -> None:
    about = machine.describe(CPU)
    assert about["torch"] == torch.__version__
    assert "/" not in json.dumps(about)
