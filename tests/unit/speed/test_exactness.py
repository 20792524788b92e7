"""Speed benchmark: what is compared is equal."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
import torch

from benchbed.metrics.fid import compute_frechet_distance
from benchbed.metrics.ms_ssim import compute_ms_ssim
from benchbed.metrics.swd import compute_sliced_wasserstein
from benchmarks.speed import metrics
from benchmarks.speed.plain import metrics as plain

Samples = npt.NDArray[np.float64]


def draw_samples(count: int, mean: Samples, spread: Samples, seed: int) -> Samples:
    """Return samples with exactly this mean and a diagonal covariance (ddof 1).

    Axes from ``count - 1`` on do not vary.
    """
    rank = min(count - 1, len(mean))
    drawn = np.random.default_rng((seed, count)).standard_normal((count, rank))
    # Columns of length 1 that are orthogonal to one another and to a constant.
    columns = np.linalg.qr(drawn - drawn.mean(0))[0]
    samples = np.zeros((count, len(mean)))
    samples[:, :rank] = columns * np.sqrt(count - 1) * spread[:rank]
    return samples + mean


@pytest.mark.parametrize(("count", "dims"), [(12, 30), (60, 7), (20, 64)])
def test_fid_finds_a_known_distance(count: int, dims: int) -> None:
    """With fewer samples than dimensions, and with more; packages are less exact there."""
    rng = np.random.default_rng(0)
    spreads, means = rng.uniform(0.2, 1, (2, dims)), rng.uniform(0, 0.1, (2, dims))
    real, fake = (draw_samples(count, means[i], spreads[i], i) for i in (0, 1))
    rank = min(count - 1, dims)
    np.testing.assert_allclose(
        np.cov(real, rowvar=False),
        np.diag(np.where(np.arange(dims) < rank, spreads[0] ** 2, 0)),
        atol=1e-12,
    )
    # Diagonal matrices commute: the trace is a sum over the axes that the samples reach.
    answer = np.square(means[0] - means[1]).sum() + np.square(spreads[0] - spreads[1])[:rank].sum()
    assert compute_frechet_distance(real, fake) == pytest.approx(answer, rel=1e-11)
    assert metrics.pytorch_fid(real, fake) == pytest.approx(answer, rel=1e-3)


def test_every_metric_has_a_tolerance_and_a_device() -> None:
    """Only features are computed where networks are."""
    pairs = metrics.list_pairs(quick=False, device=torch.device("cuda"))
    assert all(pair.tolerance < 1e-2 and pair.compare is not None for pair in pairs)
    assert [pair.name for pair in pairs if pair.device.type == "cuda"] == ["inception"]


def test_plain_swd_is_ours_with_the_same_random_numbers() -> None:
    """Over several minibatches, to the rounding of float32."""
    sides = metrics.draw_images(40, 32), metrics.draw_images(40, 32, seed=1)
    assert metrics.plain_swd(*sides) == pytest.approx(
        compute_sliced_wasserstein(*sides).mean, rel=1e-5
    )


def test_plain_ms_ssim_is_ours() -> None:
    first, second = metrics.draw_images(2, 64), metrics.draw_images(2, 64, seed=1)
    np.testing.assert_allclose(
        compute_ms_ssim(first, second), plain.ms_ssim(first, second), atol=1e-6
    )
