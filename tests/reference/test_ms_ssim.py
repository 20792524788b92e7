"""MS-SSIM against worked numbers, plain scipy, scikit-image and piq."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import piq
import pytest
import torch
from numpy.typing import NDArray
from scipy import ndimage, signal
from skimage.metrics import structural_similarity

from benchbed.api.metric import ImageSet, MetricInputs
from benchbed.metrics import ms_ssim as module
from benchbed.metrics.ms_ssim import (
    compute_ms_ssim,
    make_gaussian_window,
    ms_ssim_diversity,
)
from benchbed.metrics.paired import measure_channels

Float = NDArray[np.float64]
Pixels = NDArray[np.uint8]

ROW, COLUMN = np.mgrid[:256, :256]
X = 127.5 + 100 * np.sin(2 * np.pi * ROW / 32) * np.cos(2 * np.pi * COLUMN / 48)
Y = X + 20 * np.sin(2 * np.pi * (ROW + 2 * COLUMN) / 8)
Z = 127.5 + 100 * np.sin(2 * np.pi * ROW / 40) * np.cos(2 * np.pi * COLUMN / 24)


def plain_terms(first: Float, second: Float) -> tuple[float, float]:
    """Return mean ssim and cs of two images (C, H, W) with a 2-D window and scipy's FFT."""
    size = min(11, *first.shape[1:])
    offsets = np.arange(size) - (size - 1) / 2
    rows, columns = np.meshgrid(offsets, offsets)
    window = np.exp(-(rows**2 + columns**2) / (2 * (1.5 * size / 11) ** 2))
    window /= window.sum()

    def blurred(planes: Float) -> Float:
        return np.stack([signal.fftconvolve(plane, window, mode="valid") for plane in planes])

    mean1, mean2 = blurred(first), blurred(second)
    variance1 = blurred(first**2) - mean1**2
    variance2 = blurred(second**2) - mean2**2
    covariance = blurred(first * second) - mean1 * mean2
    contrast = (2 * covariance + 58.5225) / (variance1 + variance2 + 58.5225)
    luminance = (2 * mean1 * mean2 + 6.5025) / (mean1**2 + mean2**2 + 6.5025)
    return float((luminance * contrast).mean()), float(contrast.mean())


def plain_ms_ssim(first: Float, second: Float) -> float:
    """Return MS-SSIM of one pair (C, H, W) with 2 x 2 means by ndimage, edges reflected."""
    value = 1.0
    for scale, weight in enumerate((0.0448, 0.2856, 0.3001, 0.2363, 0.1333)):
        whole, contrast = plain_terms(first, second)
        value *= max(whole if scale == 4 else contrast, 0) ** weight
        first, second = (
            ndimage.convolve(part, np.full((1, 2, 2), 0.25), mode="reflect")[:, ::2, ::2]
            for part in (first, second)
        )
    return value


def natural(count: int, height: int, width: int, seed: int = 0) -> Pixels:
    """Return images like photographs: 1/f spectrum, similar channels, a common bright disc."""
    rng = np.random.default_rng(seed)
    rows, columns = np.fft.fftfreq(height)[:, None], np.fft.fftfreq(width)
    amplitude = 1 / np.maximum(np.hypot(rows, columns), 1 / max(height, width))
    noise = rng.standard_normal((count, 3, height, width))
    field = np.fft.ifft2(np.fft.fft2(noise[:, :1] + 0.2 * noise) * amplitude).real
    field /= field.std(axis=(2, 3), keepdims=True)
    i, j = np.ogrid[:height, :width]
    disc = np.hypot(i - height / 2, j - width / 2) < min(height, width) * 0.45
    return np.clip(disc * (120 + 30 * field), 0, 255).astype(np.uint8)


def pair(first: Float, second: Float) -> tuple[Float, Float]:
    """Return two planes as sets of one grey image."""
    return first[None, None], second[None, None]


def compute_ssim(first: Float, second: Float) -> Float:
    """Return the factor of the fifth scale, here at the first."""
    pieces = [
        module._compute_mean_ssim(sides)[:, None] for sides in module._iter_chunks(first, second)
    ]
    return module._reduce_channels(pieces, first.shape)[:, 0]


@pytest.mark.parametrize(
    ("second", "expected", "tolerance"),
    [(X, 1.0, 1e-12), (Y, 0.972223, 5e-7), (X - 20, 0.998071, 5e-7), (Z, 0.0, 0)],
    ids=["itself", "grating", "darker", "clipped"],
)
def test_worked_values(second: Float, expected: float, tolerance: float) -> None:
    """To the digits printed; the last pair has a negative mean that is clipped."""
    assert compute_ms_ssim(*pair(X, second))[0] == pytest.approx(expected, abs=tolerance)


def test_worked_contrast_of_two_scales() -> None:
    """cs of X and Y is .724655 at scale 1 and .953023 at scale 2, to the digits printed."""
    terms = module._compute_scales(next(module._iter_chunks(*pair(X, Y))))[0]
    assert terms[:2].tolist() == pytest.approx([0.724655, 0.953023], abs=5e-7)


def test_worked_single_scale() -> None:
    """SSIM of X and Y with valid windows is 0.724647, to the digits printed."""
    assert compute_ssim(*pair(X, Y))[0] == pytest.approx(0.724647, abs=5e-7)


@pytest.mark.parametrize("second", [X, Y, X - 20, Z], ids=["itself", "grating", "darker", "other"])
def test_single_scale_equals_scikit_image(second: Float) -> None:
    """scikit-image with the same window and constants agrees to 1e-6 on the worked pairs."""
    expected = structural_similarity(
        X, second, gaussian_weights=True, sigma=1.5, data_range=255, use_sample_covariance=False
    )
    assert compute_ssim(*pair(X, second))[0] == pytest.approx(expected, abs=1e-6)


def test_single_scale_of_colour_equals_scikit_image() -> None:
    """On colour images too, where the channels are averaged, to 1e-6."""
    first, second = natural(3, 64, 80), natural(3, 64, 80, seed=1)
    expected = [
        structural_similarity(
            one.astype(float),
            other.astype(float),
            gaussian_weights=True,
            sigma=1.5,
            data_range=255,
            use_sample_covariance=False,
            channel_axis=0,
        )
        for one, other in zip(first, second, strict=True)
    ]
    np.testing.assert_allclose(compute_ssim(first, second), expected, atol=1e-6)


@pytest.mark.parametrize(
    ("height", "width"), [(256, 256), (176, 192), (64, 64), (75, 90), (16, 16), (17, 31)]
)
def test_equals_plain_implementation(height: int, width: int) -> None:
    """A plain implementation gives the same to 1e-6, also with smaller windows."""
    first, second = natural(3, height, width), natural(3, height, width, seed=1)
    noise = np.random.default_rng(2).normal(0, 12, first.shape)
    near = np.clip(first + noise, 0, 255).astype(np.uint8)
    for other in (second, near):
        expected = [
            plain_ms_ssim(a.astype(float), b.astype(float))
            for a, b in zip(first, other, strict=True)
        ]
        np.testing.assert_allclose(compute_ms_ssim(first, other), expected, atol=1e-6)


def _invert(images: Pixels, channels: int) -> Pixels:
    result = images.copy()
    result[:, :channels] = 255 - result[:, :channels]
    return result


def _add_noise(images: Pixels) -> Pixels:
    noise = np.random.default_rng(3).normal(0, 15, images.shape)
    return np.clip(images + noise, 0, 255).astype(np.uint8)


@pytest.mark.parametrize(
    ("channels", "change", "lowest", "highest"),
    [
        (1, lambda first: first, 0, 0),
        (1, _add_noise, 0, 1e-6),
        (1, lambda first: np.flip(first, (2, 3)).copy(), 0, 1e-6),
        (1, lambda first: 255 - first, 0, 1e-6),
        (3, lambda first: first, 0, 0),
        (3, _add_noise, 1e-7, 2e-5),
        (3, lambda first: np.flip(first, (2, 3)).copy(), 1e-4, 0.05),
        (3, lambda first: _invert(first, 1), 0.1, 0.3),
        (3, lambda first: _invert(first, 2), 0.3, 0.34),
    ],
)
def test_agreement_with_piq_is_as_documented(
    channels: int, change: Callable[[Pixels], Pixels], lowest: float, highest: float
) -> None:
    """piq averages channels last; docs/performance.md states for which pairs that matters."""
    rng = np.random.default_rng(0)
    smooth = ndimage.gaussian_filter(rng.standard_normal((1, channels, 176, 176)), (0, 0, 3, 3))
    first = (127.5 + 127.5 * smooth / np.abs(smooth).max()).astype(np.uint8)
    second = change(first)
    one, other = (torch.from_numpy(side).double() for side in (first, second))
    theirs = piq.multi_scale_ssim(one, other, data_range=255, reduction="none").numpy()
    difference = np.abs(compute_ms_ssim(first, second) - theirs).max()
    assert lowest <= difference <= highest
    corner = np.s_[..., :48, :48]
    single = piq.ssim(one[corner], other[corner], data_range=255.0, downsample=False).numpy()
    ours = measure_channels("ssim", first[corner], second[corner], [None])[0].mean()
    np.testing.assert_allclose(ours, single, atol=1e-12)


def test_channels_are_averaged_within_each_term() -> None:
    """The value is not the mean of the channels' MS-SSIM: averaging precedes the product."""
    first = np.stack([X, X, X])[None]
    second = np.stack([X, Y, Z])[None]
    single = np.mean([compute_ms_ssim(*pair(X, other))[0] for other in (X, Y, Z)])
    expected = plain_ms_ssim(first[0], second[0])
    assert compute_ms_ssim(first, second)[0] == pytest.approx(expected, abs=1e-6)
    assert abs(expected - single) > 0.003


def test_equal_images_give_one_and_order_does_not_matter() -> None:
    """Both to 1e-12."""
    first, second = natural(3, 96, 96), natural(3, 96, 96, seed=1)
    np.testing.assert_allclose(compute_ms_ssim(first, first), 1, atol=1e-12)
    np.testing.assert_allclose(
        compute_ms_ssim(first, second), compute_ms_ssim(second, first), atol=1e-12
    )


@pytest.mark.parametrize(
    ("dark", "bright", "tolerance"), [(0, 255, 1e-4), (3, 250, 1e-6), (254, 255, 1e-6)]
)
def test_constant_images_are_exact(dark: int, bright: int, tolerance: float) -> None:
    """They differ in luminance at the fifth scale only; black against white to 1e-4."""
    first, second = (np.full((1, 3, 64, 64), value, np.uint8) for value in (dark, bright))
    luminance = (2 * dark * bright + 6.5025) / (dark**2 + bright**2 + 6.5025)
    assert compute_ms_ssim(first, second)[0] == pytest.approx(luminance**0.1333, abs=tolerance)


def test_pairs_do_not_influence_each_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Single, in blocks, as floats and from a read-only memory map: equal to 1e-6."""
    first, second = natural(5, 48, 48), natural(5, 48, 48, seed=1)
    together = compute_ms_ssim(first, second)
    single = [compute_ms_ssim(first[i : i + 1], second[i : i + 1])[0] for i in range(5)]
    np.testing.assert_allclose(single, together, atol=1e-6)
    np.testing.assert_array_equal(compute_ms_ssim(first.astype(np.float32), second), together)
    np.save(tmp_path / "x.npy", first)
    monkeypatch.setattr(module, "_PIXELS", 1)
    monkeypatch.setattr(module, "_PLANES", 1)
    mapped = np.load(tmp_path / "x.npy", mmap_mode="r")
    np.testing.assert_allclose(compute_ms_ssim(mapped, second), together, atol=1e-6)


@pytest.mark.parametrize("size", [1, 2, 4, 11])
def test_window(size: int) -> None:
    """Taps sum to 1, are symmetric, and have the shape of sigma 1.5 at 11 taps, to 1e-12."""
    taps = make_gaussian_window(size)
    assert taps.sum().item() == pytest.approx(1, abs=1e-12)
    torch.testing.assert_close(taps, taps.flip(0), atol=1e-12, rtol=0)
    if size == 11:
        assert (taps[5] / taps[2]).item() == pytest.approx(np.exp(2), rel=1e-12)


@pytest.mark.parametrize(
    ("first", "second", "fact"),
    [
        ((2, 3, 15, 64), (2, 3, 15, 64), "15 x 64"),
        ((2, 3, 64, 64), (3, 3, 64, 64), "(3, 3, 64, 64)"),
        ((3, 64, 64), (3, 64, 64), "(3, 64, 64)"),
        ((0, 3, 64, 64), (0, 3, 64, 64), "(0, 3, 64, 64)"),
    ],
)
def test_refuses_sets_without_a_value(
    first: tuple[int, ...], second: tuple[int, ...], fact: str
) -> None:
    """Images too small for five scales, unequal sets and empty sets."""
    with pytest.raises(ValueError, match=re.escape(fact)):
        compute_ms_ssim(np.zeros(first, np.uint8), np.zeros(second, np.uint8))


def test_diversity_depends_on_samples_only_and_detects_a_collapse() -> None:
    """Copies of one sample give 1, noise less, regardless of the real images."""
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 256, (9, 1, 32, 32), dtype=np.uint8)
    copies = np.repeat(noise[:1], 9, axis=0)

    def measured(real: np.ndarray, fake: np.ndarray) -> float:
        sets = ImageSet(real), ImageSet(fake)
        inputs = MetricInputs(*sets, lambda *_: np.zeros((9, 1), np.float32))
        return float(ms_ssim_diversity(inputs).mean())

    assert measured(noise, copies) == pytest.approx(1.0, abs=1e-12)
    assert measured(copies, noise) < 0.1
    assert measured(copies, noise) == measured(noise, noise)
