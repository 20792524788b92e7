"""Bootstrap interval against textbook values."""

from __future__ import annotations

import numpy as np
import pytest

from benchbed.metrics.bootstrap import bootstrap_interval
from benchbed.utils.statistics import MIN_BOOTSTRAP_CASES


def interval(terms: np.ndarray, seed: int) -> tuple[float, float]:
    ends = bootstrap_interval(terms, resamples=2000, seed=seed)
    assert ends is not None
    return ends


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
    assert interval(np.full(20, 0.25), 0) == (0.25, 0.25)


def test_too_few_cases_have_no_interval() -> None:
    terms = np.random.default_rng(3).random(MIN_BOOTSTRAP_CASES)
    assert bootstrap_interval(terms) is not None
    assert bootstrap_interval(terms[1:]) is None


@pytest.mark.filterwarnings("error")
def test_resamples_without_a_value_are_ignored() -> None:
    """A ratio of sums, whose denominator is 0 in a third of the resamples."""

    def mean_of_positive(values: np.ndarray, axis: int) -> np.ndarray:
        positive = values > 0
        with np.errstate(invalid="ignore"):
            return np.sum(values * positive, axis=axis) / np.sum(positive, axis=axis)

    ends = bootstrap_interval(np.array([0.0] * 13 + [2.5]), mean_of_positive)
    assert ends == (2.5, 2.5)


def test_the_same_seed_gives_the_same_interval() -> None:
    terms = np.random.default_rng(2).random(50)
    assert interval(terms, 3) == interval(terms, 3)
    assert interval(terms, 3) != interval(terms, 4)
