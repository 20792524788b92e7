"""Bootstrap intervals against textbook values."""

from __future__ import annotations

import numpy as np
import pytest

from benchbed.metrics.bootstrap import bootstrap_intervals


def interval(terms: np.ndarray, seed: int) -> tuple[float, float]:
    ((low, high),) = bootstrap_intervals(terms, resamples=2000, seed=seed)
    return low, high


def test_interval_of_a_mean_matches_the_normal_interval() -> None:
    """For many normal terms: mean ± 1.96 standard errors, to a tenth of the width."""
    terms = np.random.default_rng(0).standard_normal(400) * 3 + 5
    ends = interval(terms, 0)
    error = 1.96 * terms.std(ddof=1) / 20
    assert ends[0] == pytest.approx(terms.mean() - error, abs=0.2 * error)
    assert ends[1] == pytest.approx(terms.mean() + error, abs=0.2 * error)


def test_intervals_cover_the_mean_in_95_percent() -> None:
    """Over 200 sets of 80 terms, within the uncertainty of 200 draws."""
    rng = np.random.default_rng(1)
    covered = 0
    for seed in range(200):
        ends = interval(rng.exponential(2.0, 80), seed)
        covered += ends[0] <= 2.0 <= ends[1]
    assert 178 <= covered <= 199


def test_equal_terms_have_no_width() -> None:
    assert interval(np.full(9, 0.25), 0) == (0.25, 0.25)


@pytest.mark.filterwarnings("error")
def test_rows_are_resampled_alike() -> None:
    """Inside the range, around the mean, and independent of the other rows."""
    values = np.array([[1.0, 2.0, 4.0, 3.0], [5.0, 5.0, 5.0, 5.0], [0.1, -0.2, 0.3, 0.9]])
    found = bootstrap_intervals(values)
    for (low, high), line in zip(found, values, strict=True):
        assert line.min() <= low <= line.mean() <= high <= line.max()
    assert found[1] == (5.0, 5.0)
    assert bootstrap_intervals(values[2:]) == [found[2]]
    # Only 5 of 256 equally likely resamples of 1, 2, 3, 4 have a mean below 1.5.
    assert found[0] == (1.5, 3.5)


@pytest.mark.filterwarnings("error")
def test_resamples_without_a_value_are_ignored() -> None:
    """A ratio of sums, whose denominator is 0 in a few resamples."""

    def mean_of_positive(values: np.ndarray, axis: int) -> np.ndarray:
        positive = values > 0
        with np.errstate(invalid="ignore"):
            return np.sum(values * positive, axis=axis) / np.sum(positive, axis=axis)

    ((low, high),) = bootstrap_intervals(np.array([0.0, 1.0, 2.0, 3.0]), mean_of_positive)
    assert 1 <= low < 2 < high <= 3


def test_the_same_seed_gives_the_same_interval() -> None:
    terms = np.random.default_rng(2).random(50)
    assert interval(terms, 3) == interval(terms, 3)
    assert interval(terms, 3) != interval(terms, 4)
