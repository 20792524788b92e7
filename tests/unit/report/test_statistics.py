"""Statistics against published examples and exhaustive counts."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchbed.report import statistics
from benchbed.report.significance import (
    SIGNIFICANCE_LEVEL,
    apply_holm,
    compute_smallest_p,
    count_required_pairs,
)

# Demsar 2006, Table 6: AUC of C4.5, with m, with cf, with both, on 14 datasets. The last row but
# one has 0.975 twice in the paper, ranked differently, so the first is 0.9751 here.
DEMSAR = np.array([
    [0.763, 0.768, 0.771, 0.798], [0.599, 0.591, 0.590, 0.569], [0.954, 0.971, 0.968, 0.967],
    [0.628, 0.661, 0.654, 0.657], [0.882, 0.888, 0.886, 0.898], [0.936, 0.931, 0.916, 0.931],
    [0.661, 0.668, 0.609, 0.685], [0.583, 0.583, 0.563, 0.625], [0.775, 0.838, 0.866, 0.875],
    [1.000, 1.000, 1.000, 1.000], [0.940, 0.962, 0.965, 0.962], [0.619, 0.666, 0.614, 0.669],
    [0.972, 0.981, 0.9751, 0.975], [0.957, 0.978, 0.946, 0.970],
])  # fmt: skip


def test_mean_ranks_and_critical_difference_match_demsar() -> None:
    """Demsar prints 3.143, 2.000, 2.893, 1.964 and a critical difference of 1.25."""
    ranks = statistics.compute_mean_ranks(DEMSAR)
    assert ranks == pytest.approx([3.143, 2.000, 2.893, 1.964], abs=5e-4)
    assert statistics.compute_critical_difference(4, 14) == pytest.approx(1.25, abs=5e-3)
    # His statistic is 9.28 with p = 0.0258; the permutation test corrects for ties, which gives a
    # smaller p.
    assert 0.01 < statistics.compute_friedman_p(DEMSAR) < 0.0258


@pytest.mark.parametrize(
    ("methods", "datasets", "p"), [(3, 2, 1 / 6), (3, 3, 1 / 36), (4, 2, 1 / 24), (5, 2, 1 / 120)]
)
def test_the_smallest_p_of_friedman_is_exact(methods: int, datasets: int, p: float) -> None:
    """Of the (k!)**(N - 1) ways to rank, only equal ranks everywhere are as extreme."""
    scores = np.tile(np.arange(methods, dtype=float), (datasets, 1))
    assert statistics.compute_friedman_p(scores) == pytest.approx(p)


def test_friedman_matches_a_published_exact_value() -> None:
    """Hollander and Wolfe, table of Friedman's statistic, k = 3, N = 4: P(S >= 6.5) = 0.042."""
    scores = np.array([[1, 2, 3], [1, 2, 3], [1, 2, 3], [1, 3, 2]], dtype=float)
    assert statistics.compute_friedman_p(scores) == pytest.approx(0.042, abs=5e-4)


@settings(max_examples=20, deadline=None)
@given(st.lists(st.permutations(range(4)), min_size=2, max_size=4), st.floats(0.1, 9))
def test_friedman_depends_on_ranks_only(orders: list[list[int]], scale: float) -> None:
    scores = np.array(orders, dtype=float)
    p = statistics.compute_friedman_p(scores)
    assert statistics.compute_friedman_p(np.exp(scores * scale)) == p
    assert statistics.compute_friedman_p(scores[:, ::-1]) == pytest.approx(p)


def test_many_permutations_are_sampled_close_to_the_exact_p(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    scores = np.array([[1, 2, 3, 4], [2, 1, 3, 4], [1, 2, 4, 3], [1, 4, 3, 2]], dtype=float)
    exact = statistics.compute_friedman_p(scores)
    monkeypatch.setattr(statistics, "_MAX_RANK_SUMS", 0)
    sampled = statistics.compute_friedman_p(scores)
    assert sampled != exact
    assert sampled == pytest.approx(exact, abs=0.015)


def test_welch_with_equal_sizes_and_variances_is_the_test_of_student() -> None:
    first, second = [1.0, 2.0, 3.0], [3.0, 4.0, 5.0]
    # t = -2 / sqrt(2 / 3) = -2.449, 4 degrees of freedom: two-sided p = 0.0705.
    assert statistics.compute_welch_p(first, second) == pytest.approx(0.0705, abs=5e-5)
    assert statistics.compute_welch_p([1.0, 1.0], [1.0, 1.0]) == 1.0
    assert statistics.compute_welch_p([1.0, 1.0], [2.0, 2.0]) == 0.0


@pytest.mark.parametrize(
    ("methods", "quantile"), [(2, 1.960), (3, 2.343), (5, 2.728), (8, 3.031), (10, 3.164)]
)
def test_nemenyi_quantiles_match_the_published_table(methods: int, quantile: float) -> None:
    """Demsar 2006, Table 5a, which truncates some values after three digits."""
    unit = (methods * (methods + 1) / 6) ** 0.5
    assert statistics.compute_critical_difference(methods, 1) / unit == pytest.approx(
        quantile, abs=1e-3
    )


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(-6, 6), min_size=1, max_size=7))
def test_the_signed_rank_test_is_exact(differences: list[int]) -> None:
    """Against a count over every pattern of signs, also with ties; zeros are dropped."""
    nonzero = [d for d in differences if d]
    sizes = sorted(map(abs, nonzero))
    rank = {s: sum(i + 1 for i, t in enumerate(sizes) if t == s) / sizes.count(s) for s in sizes}
    ranks = [rank[abs(d)] for d in nonzero]
    total = sum(ranks)

    def statistic(signs: tuple[int, ...]) -> float:
        return abs(sum(r for r, s in zip(ranks, signs, strict=True) if s > 0) - total / 2)

    observed = statistic(tuple(nonzero))
    patterns = list(product((-1, 1), repeat=len(nonzero)))
    expected = sum(statistic(p) >= observed - 1e-9 for p in patterns) / len(patterns)
    assert statistics.compute_signed_rank_p(differences) == pytest.approx(expected)


@pytest.mark.parametrize("pairs", range(2, 12))
def test_smallest_p_is_that_of_differences_of_one_sign(pairs: int) -> None:
    p = statistics.compute_signed_rank_p([float(d) for d in range(1, pairs + 1)])
    assert p == pytest.approx(compute_smallest_p(pairs))


def test_below_six_pairs_no_test_rejects() -> None:
    assert count_required_pairs() == 6
    for comparisons in range(1, 60):
        needed = count_required_pairs(comparisons)
        assert (
            compute_smallest_p(needed, comparisons)
            <= SIGNIFICANCE_LEVEL
            < compute_smallest_p(needed - 1, comparisons)
        )


def test_holm_correction_matches_r() -> None:
    """R: p.adjust(c(.01, .04, .03, .005), "holm") is 0.03 0.06 0.06 0.02."""
    assert apply_holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert apply_holm([0.6, 0.7]) == [1.0, 1.0]
    assert apply_holm([]) == []


@given(st.lists(st.floats(1, 9), min_size=2, max_size=9), st.floats(0.1, 5))
def test_groups_are_the_largest_sets_within_the_critical_difference(
    ranks: list[float], critical: float
) -> None:
    ranks.sort()
    found = statistics.find_rank_groups(ranks, critical)
    together = {(a, b) for group in found for a in group for b in group if a < b}
    near = {(a, b) for b in range(len(ranks)) for a in range(b) if ranks[b] - ranks[a] < critical}
    assert together == near
    assert not any(set(a) <= set(b) for a in found for b in found if a != b)


@pytest.mark.parametrize("methods", [3, 4, 5, 8])
def test_datasets_needed_is_the_least_number_with_a_difference(methods: int) -> None:
    """With equal ranks on every dataset, the first and the last method differ, not with fewer."""

    def differ(datasets: int) -> bool:
        scores = np.tile(np.arange(methods, dtype=float), (datasets, 1))
        reject = statistics.compute_friedman_p(scores) <= SIGNIFICANCE_LEVEL
        return reject and methods - 1 >= statistics.compute_critical_difference(methods, datasets)

    needed = statistics.count_required_datasets(methods)
    assert differ(needed)
    assert needed == 2 or not differ(needed - 1)


def test_equal_methods_do_not_differ() -> None:
    scores = np.ones((4, 3))
    assert statistics.compute_friedman_p(scores) == 1.0
    assert list(statistics.compute_mean_ranks(scores)) == [2, 2, 2]
    assert statistics.compute_signed_rank_p([0.0, 0.0]) == 1.0
