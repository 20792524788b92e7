"""Speed benchmark: alternating turns, FLOPs and what counts as the harness."""

from __future__ import annotations

import time
from types import SimpleNamespace
from typing import cast

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from benchmarks.speed.methods import Sizes, list_trainings
from benchmarks.speed.timing import CPU, FlopCounter, ReferencePair
from benchmarks.speed.training import LOGGED, TimedLoop, Training, Turns, compute_harness_share

TINY = Sizes(narrow=16, batch=4, pairs=2, volume=32, shrink=2)
FAST = ("dcgan-64", "wgan-gp-64", "skrgan-sketch-64")


def test_the_order_of_the_turns_alternates() -> None:
    done: list[str] = []
    turns = Turns(1, 4, CPU, lambda: lambda: done.append("reference"), min_seconds=0.0)
    stop = False
    while not stop:
        done.append("ours")
        stop = turns()
    assert len(turns.laps) == 4
    assert done[-8:] == ["ours", "reference", "reference", "ours"] * 2


def test_short_steps_are_repeated_and_laps_are_of_one_step() -> None:
    turns = Turns(2, 2, CPU, lambda: lambda: time.sleep(0.01), min_seconds=0.03)
    stop = False
    while not stop:
        time.sleep(0.002)
        stop = turns()
    ours, reference = turns.repeats
    assert 4 <= ours <= 8
    assert 2 <= reference <= 3
    for lap in turns.laps:
        assert 0.0019 < lap["ours"] < 0.1
        assert 0.0049 < lap["reference"] < 0.1  # one call equals two steps


def test_the_harness_is_what_is_outside_of_the_step() -> None:
    """The loop, its part of a row of the log, and a checkpoint a minute."""
    steps = LOGGED.compute_log_interval(2)
    loop = SimpleNamespace(row_seconds=0.2 * steps, save_seconds=3.0, batch_size=2)
    share = compute_harness_share(9.8, 9.0, cast(TimedLoop, loop))
    assert share == pytest.approx((0.8 + 0.2) / 10 + 3 / 60)


def test_flops_of_a_convolution_with_gradients_of_gradients() -> None:
    """Forward, two backward, and three of the double backward: each as many as the forward."""
    weight = torch.randn(4, 3, 3, 3, requires_grad=True)
    x = torch.randn(2, 3, 8, 8, requires_grad=True)
    forward = 2 * 2 * 4 * 3 * 9 * 64
    with FlopCounter() as flops:
        y = F.conv2d(x, weight, padding=1)
    assert flops.total == forward
    with FlopCounter() as flops:
        (slope,) = torch.autograd.grad(y.square().sum(), x, create_graph=True)
        slope.square().sum().backward()
    assert flops.total >= 4 * forward


def make_pair(factor: int, tolerance: float = 1e-9) -> ReferencePair:
    numbers = np.random.default_rng(0).standard_normal((200, 200))

    def once() -> float:
        return float((numbers @ numbers).sum())

    return ReferencePair(
        "pair",
        "metrics",
        "what",
        "ten times",
        lambda: (once, lambda: factor * sum(once() for _ in range(10))),
        compare=lambda ours, theirs: abs(10 * ours - theirs) / abs(theirs),
        tolerance=tolerance,
    )


def test_a_pair_is_measured_in_turns_and_compared() -> None:
    row = make_pair(1).measure(3)
    assert len(row.laps) == 3
    assert row.ratio[0] > 2
    assert row.difference == pytest.approx(0, abs=1e-9)


def test_a_pair_with_different_values_fails() -> None:
    with pytest.raises(RuntimeError, match=r"5e-01"):
        make_pair(2).measure(1)


@pytest.mark.parametrize(
    "training",
    [
        pytest.param(t, id=t.name, marks=() if t.name in FAST else pytest.mark.slow)
        for t in list_trainings(TINY)
    ],
)
def test_the_reference_trains_the_same_networks(training: Training) -> None:
    """Through the real loop, in turns; ours has at most the FLOPs of the reference."""
    row = training.measure("fp32", 1, CPU, min_seconds=0.0)
    assert len(row.laps) == 1
    assert row.flops is not None
    # Ours skips the gradients of the discriminator in the step of the generator, and folds.
    assert 0.7 * row.flops["reference"] <= row.flops["ours"] <= 1.01 * row.flops["reference"]
    assert row.harness_share is not None
    assert 0 < row.harness_share < 1
