"""Bootstrap intervals against textbook values."""

from __future__ import annotations

import numpy as np
import pytest

from benchbed.tasks.scoring import bootstrap_interval


def test_interval_of_a_mean_matches_the_normal_interval() -> None:
    """For many normal terms: mean ± 1.96 standard errors, to a tenth of the width."""
    terms = np.random.default_rng(0).standard_normal(400) * 3 + 5
    ends = bootstrap_interval(terms, 0)
    assert ends is not None
    error = 1.96 * terms.std(ddof=1) / 20
    assert ends[0] == pytest.approx(terms.mean() - error, abs=0.2 * error)
    assert ends[1] == pytest.approx(terms.mean() + error, abs=0.2 * error)


def test_intervals_cover_the_mean_in_95_percent() -> None:
    """Over 200 sets of 80 terms, within the uncertainty of 200 draws."""
    rng = np.random.default_rng(1)
    covered = 0
    for seed in range(200):
        ends = bootstrap_interval(rng.exponential(2.0, 80), seed)
        assert ends is not None
        covered += ends[0] <= 2.0 <= ends[1]
    assert 178 <= covered <= 199


def test_equal_terms_have_no_width_and_one_term_has_no_interval() -> None:
    assert bootstrap_interval(np.full(9, 0.25), 0) == (0.25, 0.25)
    assert bootstrap_interval(np.ones(1), 0) is None


def test_the_same_seed_gives_the_same_interval() -> None:
    terms = np.random.default_rng(2).random(50)
    assert bootstrap_interval(terms, 3) == bootstrap_interval(terms, 3)
    assert bootstrap_interval(terms, 3) != bootstrap_interval(terms, 4)
