"""The kernel distance against its definition, and its bias."""

from __future__ import annotations

import re

import numpy as np
import pytest

from benchbed.metrics.kid import compute_kernel_distance


def by_definition(x: np.ndarray, y: np.ndarray) -> float:
    """Return the distance by Gretton et al. 2012, eq. 3, pair by pair."""

    def kernel(one: np.ndarray, other: np.ndarray) -> float:
        return (float(one @ other) / len(one) + 1) ** 3

    n, m = len(x), len(y)
    xx = sum(kernel(x[i], x[j]) for i in range(n) for j in range(n) if i != j) / (n * (n - 1))
    yy = sum(kernel(y[i], y[j]) for i in range(m) for j in range(m) if i != j) / (m * (m - 1))
    xy = sum(kernel(one, other) for one in x for other in y) / (n * m)
    return xx + yy - 2 * xy


def test_worked_pairs() -> None:
    """x = (0, 1), y = (1, 2) in one dimension: 1 + 27 - 2 (1 + 1 + 8 + 27) / 4 = 9.5."""
    assert compute_kernel_distance(
        np.array([[0.0], [1.0]]), np.array([[1.0], [2.0]])
    ) == pytest.approx(9.5)


@pytest.mark.parametrize(("n", "m", "d"), [(2, 2, 1), (7, 12, 3), (40, 25, 64)])
def test_equals_the_definition(n: int, m: int, d: int) -> None:
    """Equal to the double sums, relative 1e-10."""
    rng = np.random.default_rng(d)
    x, y = rng.standard_normal((n, d)), rng.standard_normal((m, d)) + 0.3
    assert compute_kernel_distance(x, y) == pytest.approx(by_definition(x, y), rel=1e-10)


def test_blocks_of_the_kernel_matrix_add_up(monkeypatch: pytest.MonkeyPatch) -> None:
    x, y = np.random.default_rng(0).standard_normal((2, 50, 8))
    whole = compute_kernel_distance(x, y)
    monkeypatch.setattr("benchbed.metrics.kid._CHUNK_ROWS", 7)
    assert compute_kernel_distance(x, y) == pytest.approx(whole, rel=1e-12)


def test_estimate_is_unbiased() -> None:
    """Over 300 pairs of sets of 20 from one distribution the mean is 0 within 3 standard errors.

    The biased estimate, with the diagonal, would be off by more than ten times that.
    """
    rng = np.random.default_rng(1)
    values = [compute_kernel_distance(*rng.standard_normal((2, 20, 8))) for _ in range(300)]
    error = np.std(values) / np.sqrt(len(values))
    assert abs(np.mean(values)) < 3 * error
    diagonal = np.mean([((np.square(x).sum(1) / 8 + 1) ** 3).mean()
                        for x in rng.standard_normal((50, 20, 8))])  # fmt: skip
    assert 2 * (diagonal - 1) / 20 > 30 * error


@pytest.mark.parametrize("shapes", [((1, 3), (5, 3)), ((5, 3), (5, 4))])
def test_refuses_sets_without_a_distance(shapes: tuple[tuple[int, int], tuple[int, int]]) -> None:
    with pytest.raises(ValueError, match=re.escape(f"{shapes[0]} and {shapes[1]}")):
        compute_kernel_distance(*(np.zeros(shape) for shape in shapes))
