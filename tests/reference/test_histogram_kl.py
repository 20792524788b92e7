"""The divergence of intensity histograms against scipy and against numbers worked by hand."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import entropy

from benchbed.metrics.histogram_kl import (
    compute_histogram,
    compute_histogram_kl,
    compute_kl_divergence,
)

Pixels = NDArray[np.uint8]


def images(count: int, channels: int, seed: int, top: int = 256) -> Pixels:
    """Return uniform noise below `top`."""
    rng = np.random.default_rng(seed)
    return rng.integers(0, top, (count, channels, 24, 20), dtype=np.uint8)


def test_worked_divergence() -> None:
    """KL([1/2, 1/4, 1/4] || [1/4, 1/4, 1/2]) is a quarter of ln 2, to 1e-15."""
    value = compute_kl_divergence(np.array([0.5, 0.25, 0.25]), np.array([0.25, 0.25, 0.5]))
    assert value == pytest.approx(0.25 * np.log(2), abs=1e-15)


@pytest.mark.parametrize(
    ("constant", "forward", "backward"), [(1e-10, 3.837642, 0.346574), (1e-6, 2.302489, 0.346556)]
)
def test_smoothing_constant_decides_empty_bins(
    constant: float, forward: float, backward: float
) -> None:
    """The divergence depends on the constant added to the counts, to 1e-6."""
    a, b = np.array([0, 0, 64, 128, 192, 255]), np.array([0, 64, 64, 128, 128, 255])
    p, q = (np.bincount(x, minlength=256) + constant for x in (a, b))
    assert compute_kl_divergence(p, q) == pytest.approx(forward, abs=1e-6)
    assert compute_kl_divergence(q, p) == pytest.approx(backward, abs=1e-6)


def test_worked_coarse_bins() -> None:
    """The same data in 4 bins, which share their support: 0.231049 both ways, to 1e-6."""
    a, b = np.array([0, 0, 1, 2, 3, 3]), np.array([0, 1, 1, 2, 2, 3])
    p, q = (np.bincount(x, minlength=4) for x in (a, b))
    assert compute_kl_divergence(p, q) == pytest.approx(0.231049, abs=1e-6)
    assert compute_kl_divergence(q, p) == pytest.approx(0.231049, abs=1e-6)


@pytest.mark.parametrize("seed", range(5))
def test_equals_scipy(seed: int) -> None:
    """scipy.stats.entropy agrees to 1e-12."""
    rng = np.random.default_rng(seed)
    p, q = rng.integers(1, 50, (2, 256))
    assert compute_kl_divergence(p, q) == pytest.approx(entropy(p, q), abs=1e-12)


@pytest.mark.parametrize("channels", [1, 3])
def test_whole_metric_equals_scipy(channels: int) -> None:
    """Luma, 256 bins, one count added, real to fake, against numpy and scipy alone, to 1e-12."""
    real, fake = images(3, channels, 0), images(5, channels, 1, top=200)
    counts = []
    for pixels in (real, fake):
        wide = np.repeat(pixels, 3, axis=1) if channels == 1 else pixels
        luma = np.einsum("nchw,c->nhw", wide.astype(int), [299, 587, 114])
        counts.append(np.histogram((luma + 500) // 1000, bins=256, range=(0, 256))[0] + 1)
    assert compute_histogram_kl(real, fake) == pytest.approx(entropy(*counts), abs=1e-12)
    assert compute_histogram_kl(fake, real) != pytest.approx(entropy(*counts), rel=0.01)


def test_divergence_from_itself_is_zero() -> None:
    """Exactly, and regardless of the order of the images."""
    real = images(4, 3, 0)
    assert compute_histogram_kl(real, real[::-1]) == 0


def test_one_count_keeps_disjoint_sets_finite() -> None:
    """Black against white, 100 pixels each: 100/356 of ln 101, worked by hand, to 1e-12."""
    black, white = np.zeros((1, 1, 10, 10), np.uint8), np.full((1, 1, 10, 10), 255, np.uint8)
    expected = (101 - 1) / 356 * np.log(101)
    assert compute_histogram_kl(black, white) == pytest.approx(expected, abs=1e-12)


def test_luma_is_rounded_half_up() -> None:
    """The weights are those of BT.601, and halves (28.5, 81.5, 134.5) go up."""
    colours = {(255, 0, 0): 76, (0, 255, 0): 150, (0, 0, 255): 29, (200, 10, 60): 73}
    halves = {(0, 0, 250): 29, (0, 100, 200): 82, (0, 200, 150): 135}
    for colour, luma in (colours | halves).items():
        counts = compute_histogram(np.array(colour, np.uint8).reshape(1, 3, 1, 1))
        assert counts.nonzero()[0].tolist() == [luma]


def test_grey_in_three_channels_is_grey() -> None:
    """The weights sum to 1, so replicating a channel changes no count."""
    grey = images(2, 1, 0)
    expected = compute_histogram(grey)
    np.testing.assert_array_equal(compute_histogram(np.repeat(grey, 3, axis=1)), expected)


@pytest.mark.parametrize("dtype", [np.bool_, np.uint8])
def test_only_the_field_of_view_counts(dtype: type) -> None:
    """Pixels outside have no effect, for masks of both types."""
    pixels = images(3, 3, 0)
    fov: NDArray[Any] = np.zeros((3, 24, 20), dtype)
    fov[:, 4:20, 5:15] = 1
    changed = pixels.copy()
    changed[:, :, :4] = 255
    counts = compute_histogram(pixels, fov)
    assert counts.sum() == 3 * 16 * 10
    np.testing.assert_array_equal(compute_histogram(changed, fov), counts)
    np.testing.assert_array_equal(counts, compute_histogram(pixels[:, :, 4:20, 5:15]))
    whole = images(3, 3, 1)
    assert compute_histogram_kl(pixels, whole, real_fov=fov) == compute_histogram_kl(
        changed, whole, real_fov=fov
    )
    assert compute_histogram_kl(whole, pixels, None, fov) == compute_histogram_kl(
        whole, changed, None, fov
    )


def test_reads_a_memory_map(tmp_path: Path) -> None:
    """A read-only memory map gives the same counts as the array."""
    pixels = images(3, 3, 0)
    np.save(tmp_path / "x.npy", pixels)
    mapped = np.load(tmp_path / "x.npy", mmap_mode="r")
    np.testing.assert_array_equal(compute_histogram(mapped), compute_histogram(pixels))


@pytest.mark.parametrize(
    ("pixels", "fov", "fact"),
    [
        (np.zeros((2, 2, 4, 4), np.uint8), None, "(2, 2, 4, 4)"),
        (np.zeros((2, 1, 4, 4), np.float32), None, "float32"),
        (np.zeros((2, 1, 4, 4), np.uint8), np.ones((2, 4, 5), bool), "(2, 4, 5)"),
        (np.zeros((2, 1, 4, 4), np.uint8), np.full((2, 4, 4), 255), "0 and 1"),
        (np.zeros((2, 1, 4, 4), np.uint8), np.zeros((2, 4, 4), bool), "field of view"),
        (np.zeros((0, 1, 4, 4), np.uint8), None, "pixels"),
    ],
)
def test_refuses_images_without_a_histogram(
    pixels: Pixels, fov: NDArray[np.bool_] | None, fact: str
) -> None:
    """Wrong types, shapes and masks, and empty sets."""
    with pytest.raises(ValueError, match=re.escape(fact)):
        compute_histogram(pixels, fov)
