"""Coverage of the intervals in simulated data whose mean is known."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from benchbed.metrics.bootstrap import bootstrap_interval
from benchbed.report.statistics import compute_t_interval
from benchbed.utils.statistics import MIN_BOOTSTRAP_CASES

Draw = Callable[[np.random.Generator, tuple[int, int]], np.ndarray]

NOMINAL = 0.95
KEPT = 0.93
"""Share of the nominal coverage that an interval over cases keeps."""

DRAWS: dict[str, Draw] = {
    "normal": lambda rng, shape: rng.standard_normal(shape),
    "exponential": lambda rng, shape: rng.exponential(size=shape) - 1.0,
}
"""Data of mean 0: symmetric, and skewed (skewness 2)."""


def simulate_bootstrap(draw: Draw, count: int) -> float:
    """Return how often the percentile interval of a mean over `count` cases holds 0.

    Its own implementation, with resamples shared by 500 samples, which makes 60,000 samples cheap.
    """
    rng = np.random.default_rng(5)
    covered = 0
    for _ in range(120):
        weights = rng.multinomial(count, [1 / count] * count, size=999) / count
        means = draw(rng, (500, count)) @ weights.T
        low, high = np.percentile(means, [2.5, 97.5], axis=1)
        covered += int(((low <= 0) & (high >= 0)).sum())
    return covered / 60_000


@pytest.mark.parametrize("name", DRAWS)
def test_the_minimum_of_cases_keeps_the_coverage(name: str) -> None:
    assert simulate_bootstrap(DRAWS[name], MIN_BOOTSTRAP_CASES) >= KEPT * NOMINAL


def test_one_case_fewer_does_not_keep_it() -> None:
    """So the minimum is not larger than needed."""
    assert simulate_bootstrap(DRAWS["exponential"], MIN_BOOTSTRAP_CASES - 1) < KEPT * NOMINAL


def test_the_simulated_interval_is_the_one_of_the_harness() -> None:
    """Both have the same ends for one sample, up to Monte Carlo error."""
    terms = np.random.default_rng(6).exponential(size=MIN_BOOTSTRAP_CASES)
    weights = np.random.default_rng(7).multinomial(14, [1 / 14] * 14, size=9999) / 14
    expected = np.percentile(weights @ terms, [2.5, 97.5])
    assert bootstrap_interval(terms) == pytest.approx(expected, abs=0.03)


@pytest.mark.parametrize("count", [3, 5])
def test_t_intervals_over_seeds_cover_the_mean_in_95_percent(count: int) -> None:
    """The percentile bootstrap over 3 values covers 0.75, over 5 values 0.84."""
    samples = np.random.default_rng(8).standard_normal((4000, count))
    intervals = [compute_t_interval(sample.tolist()) for sample in samples]
    covered = sum(ends is not None and ends[0] <= 0 <= ends[1] for ends in intervals)
    assert covered / 4000 == pytest.approx(NOMINAL, abs=0.012)
    assert simulate_bootstrap(DRAWS["normal"], count) < 0.86


def test_fewer_than_three_values_have_no_t_interval() -> None:
    assert compute_t_interval([1.0, 2.0]) is None
    # t(0.975, 2) = 4.3027 (Student 1908, any table), standard deviation 1.
    half = 4.302653 / 3**0.5
    assert compute_t_interval([1.0, 2.0, 3.0]) == pytest.approx((2 - half, 2 + half))


def test_t_intervals_end_at_the_range_of_the_metric() -> None:
    assert compute_t_interval([0.1, 0.9, 0.5], (0.0, 1.0)) == (0.0, 1.0)
    assert compute_t_interval([0.1, 0.9, 0.5], (0.0, None)) == pytest.approx(
        (0.0, 1.4937), abs=1e-4
    )
