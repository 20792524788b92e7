"""The Fréchet distance against closed forms and against other implementations."""

from __future__ import annotations

import inspect
import re

import numpy as np
import pytest
import scipy.linalg
from numpy.typing import NDArray

from benchbed.metrics.fid import compute_frechet_distance

Float = NDArray[np.float64]


def by_matrix_root(real: Float, fake: Float) -> float:
    """Return the distance by its definition, with scipy's matrix square root."""
    root = scipy.linalg.sqrtm(np.cov(real.T) @ np.cov(fake.T))
    traces = np.trace(np.cov(real.T)) + np.trace(np.cov(fake.T)) - 2 * np.trace(root.real)
    return float(np.sum((real.mean(0) - fake.mean(0)) ** 2) + traces)


def with_moments(mean: Float, covariance: Float) -> Float:
    """Return 2 d samples with exactly this mean and covariance (ddof 1)."""
    dims = len(mean)
    root = np.linalg.cholesky(covariance).T * np.sqrt((2 * dims - 1) / 2)
    return np.concatenate([mean + root, mean - root])


def sets(count: int, dims: int, seed: int = 0) -> tuple[Float, Float]:
    """Return two correlated sets with different means and covariances."""
    rng = np.random.default_rng(seed)
    mixing = rng.standard_normal((2, dims, dims)) / np.sqrt(dims)
    real, fake = (rng.standard_normal((count, dims)) @ part for part in mixing)
    return real, fake + 0.5


def test_worked_moments_with_shifted_mean() -> None:
    """N(0, I) against N((1, 1), 4 I) is 4, to 1e-12."""
    first, second = with_moments(np.zeros(2), np.eye(2)), with_moments(np.ones(2), 4 * np.eye(2))
    value = compute_frechet_distance(first, second)
    assert value == pytest.approx(4.0, abs=1e-12)


def test_worked_samples() -> None:
    """The corners of a square against the same square doubled and moved: 32/3, to 1e-12."""
    square = np.array([[0, 0], [2, 0], [0, 2], [2, 2]], float)
    assert compute_frechet_distance(square, 2 * square + 1) == pytest.approx(32 / 3, abs=1e-12)


def test_worked_moments_that_do_not_commute() -> None:
    """Covariances without a common basis give 0.516685, to the digits printed (5e-7)."""
    zero = np.zeros(2)
    first, second = np.array([[2, 1], [1, 2]]), np.diag([3, 1])
    value = compute_frechet_distance(with_moments(zero, first), with_moments(zero, second))
    assert value == pytest.approx(0.516685, abs=5e-7)


@pytest.mark.parametrize(("count", "dims"), [(400, 16), (64, 64), (65, 64), (2000, 3)])
def test_equals_the_matrix_root_with_many_samples(count: int, dims: int) -> None:
    """The nuclear norm equals the trace of scipy's matrix root, relative 1e-7."""
    real, fake = sets(count, dims)
    assert compute_frechet_distance(real, fake) == pytest.approx(
        by_matrix_root(real, fake), rel=1e-7
    )


@pytest.mark.filterwarnings("ignore:Matrix is singular")
@pytest.mark.parametrize("count", [2, 10, 63])
def test_equals_the_matrix_root_with_few_samples(count: int) -> None:
    """With fewer samples than dimensions too; the root of a singular product is good to 1e-4."""
    real, fake = sets(count, 64)
    assert compute_frechet_distance(real, fake) == pytest.approx(
        by_matrix_root(real, fake), rel=1e-4
    )


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("count", [60, 300])
def test_equals_pytorch_fid(count: int) -> None:
    """pytorch-fid's own function agrees with few and with many samples, relative 1e-4."""
    if "disp" not in inspect.signature(scipy.linalg.sqrtm).parameters:
        pytest.skip("this scipy has no sqrtm(disp=...), which pytorch-fid calls")
    from pytorch_fid.fid_score import calculate_frechet_distance

    real, fake = sets(count, 80, seed=1)
    theirs = calculate_frechet_distance(real.mean(0), np.cov(real.T), fake.mean(0), np.cov(fake.T))
    assert compute_frechet_distance(real, fake) == pytest.approx(theirs, rel=1e-4)


def test_known_gaussians_with_diagonal_covariance() -> None:
    """For commuting covariances the distance is |m|^2 + sum (s - t)^2, to 1e-10."""
    rng = np.random.default_rng(3)
    s, t, mean = rng.uniform(0.1, 3, (3, 20))
    first, second = with_moments(mean, np.diag(s**2)), with_moments(np.zeros(20), np.diag(t**2))
    value = compute_frechet_distance(first, second)
    assert value == pytest.approx(np.sum(mean**2) + np.sum((s - t) ** 2), abs=1e-10)


def test_samples_of_known_gaussians_converge() -> None:
    """200,000 samples of N(0, 1) and N(1, 4) in 2-d come within 2 % of 4."""
    rng = np.random.default_rng(4)
    real = rng.standard_normal((200_000, 2))
    fake = 1 + 2 * rng.standard_normal((200_000, 2))
    assert compute_frechet_distance(real, fake) == pytest.approx(4.0, rel=0.02)


@pytest.mark.parametrize("count", [50, 500])
def test_distance_to_itself_is_zero(count: int) -> None:
    """To 1e-11 of the features' variance, also for a shuffled copy."""
    real, _ = sets(count, 128)
    shuffled = np.random.default_rng(5).permutation(real)
    assert 0 <= compute_frechet_distance(real, shuffled) < 1e-11 * real.var(0).sum()


@pytest.mark.parametrize("count", [50, 500])
def test_distance_is_symmetric(count: int) -> None:
    """To a relative 1e-10."""
    real, fake = sets(count, 128)
    assert compute_frechet_distance(real, fake) == pytest.approx(
        compute_frechet_distance(fake, real), rel=1e-10
    )


def test_dead_features_are_allowed() -> None:
    """Features that are constant in both sets add only the distance of their means: exactly 9."""
    real, fake = sets(300, 8)
    wider = [np.hstack([part, np.full((300, 1), value)]) for part, value in ((real, 0), (fake, 3))]
    expected = compute_frechet_distance(real, fake) + 9
    assert compute_frechet_distance(*wider) == pytest.approx(expected, rel=1e-10)


def test_float32_features_are_computed_in_float64() -> None:
    """A shift by 0.5 of features with a large mean is found to 1e-3."""
    real = (1000 + np.random.default_rng(6).standard_normal((500, 4))).astype(np.float32)
    fake = (real.astype(np.float64) + 0.5).astype(np.float32)
    assert compute_frechet_distance(real, fake) == pytest.approx(4 * 0.25, abs=1e-3)


@pytest.mark.parametrize(
    ("real", "fake", "facts"),
    [
        (np.zeros((1, 4)), np.zeros((5, 4)), ["real", "1"]),
        (np.zeros((5, 4)), np.zeros((0, 4)), ["fake", "0"]),
        (np.zeros((5, 4)), np.zeros((5, 3)), ["4", "3"]),
        (np.zeros(5), np.zeros((5, 3)), ["real", "(5,)"]),
        (np.full((5, 4), np.nan), np.zeros((5, 4)), ["real", "NaN"]),
    ],
)
def test_refuses_sets_without_a_distance(real: Float, fake: Float, facts: list[str]) -> None:
    """Too few samples, different dimensions, another shape and NaN."""
    with pytest.raises(ValueError, match=re.escape(facts[0])) as caught:
        compute_frechet_distance(real, fake)
    assert all(fact in str(caught.value) for fact in facts)
