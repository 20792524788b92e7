"""Paired metrics against piq, a plain scipy implementation, and worked numbers."""

from __future__ import annotations

import re
from functools import partial
from itertools import product
from typing import Any

import numpy as np
import piq
import pytest
import torch
from numpy.typing import NDArray
from scipy import ndimage, signal

from benchbed.api.metric import PairedInputs
from benchbed.metrics import paired
from benchbed.metrics.bootstrap import bootstrap_interval

Float = NDArray[np.float64]
Images = NDArray[np.float32]


def compute(
    measure: str, real: NDArray[Any], fake: NDArray[Any], inside: NDArray[np.bool_] | None = None
) -> Float:
    return paired.measure_channels(measure, real, fake, [inside])[0]


ssim, psnr, mae = (partial(compute, measure) for measure in ("ssim", "psnr", "mae"))


def find_foreground(real: NDArray[Any]) -> NDArray[np.bool_]:
    return paired.find_foreground(PairedInputs(real, real))


def images(shape: tuple[int, ...], noise: float = 0.2, seed: int = 0) -> tuple[Images, Images]:
    """Return smooth random images in [-1, 1], and the same with noise."""
    rng = np.random.default_rng(seed)
    sigma = (0, 0, *(2.0,) * (len(shape) - 2))
    smooth = ndimage.gaussian_filter(rng.standard_normal(shape), sigma)
    real = np.clip(smooth / np.abs(smooth).max(), -1, 1)
    fake = np.clip(real + noise * rng.standard_normal(shape), -1, 1)
    return real.astype(np.float32), fake.astype(np.float32)


def unit(values: Images) -> Float:
    return (values.astype(np.float64) + 1) / 2


def plain_ssim_map(first: Float, second: Float, size: int) -> Float:
    """Return SSIM of every whole window of two images in [0, 1], with a Gaussian window."""
    offsets = np.arange(size) - (size - 1) / 2
    taps = np.exp(-(offsets**2) / (2 * (1.5 * size / 11) ** 2))
    window = taps
    for _ in range(first.ndim - 1):
        window = np.multiply.outer(window, taps)
    window /= window.sum()

    def blurred(values: Float) -> Float:
        return np.asarray(signal.fftconvolve(values, window, mode="valid"))

    mean1, mean2 = blurred(first), blurred(second)
    variance1, variance2 = blurred(first**2) - mean1**2, blurred(second**2) - mean2**2
    covariance = blurred(first * second) - mean1 * mean2
    luminance = (2 * mean1 * mean2 + 1e-4) / (mean1**2 + mean2**2 + 1e-4)
    return luminance * (2 * covariance + 9e-4) / (variance1 + variance2 + 9e-4)


def test_images_match_piq() -> None:
    """SSIM to 1e-9, PSNR to 1e-4: piq adds 1e-8 to the error."""
    real, fake = images((3, 2, 40, 48))
    found_ssim, found_psnr = ssim(real, fake), psnr(real, fake)
    for case in range(3):
        for channel in range(2):
            one, other = (
                torch.from_numpy(unit(side[case : case + 1, channel : channel + 1]))
                for side in (real, fake)
            )
            expected = piq.ssim(one, other, data_range=1.0, downsample=False)
            assert found_ssim[case, channel] == pytest.approx(float(expected), abs=1e-9)
            decibels = piq.psnr(one, other, data_range=1.0)
            assert found_psnr[case, channel] == pytest.approx(float(decibels), abs=1e-4)


def test_worked_image() -> None:
    """Two luma gratings in [0, 255] whose SSIM with whole windows is 0.724647."""
    row, column = np.mgrid[:256, :256]
    first = 127.5 + 100 * np.sin(2 * np.pi * row / 32) * np.cos(2 * np.pi * column / 48)
    second = first + 20 * np.sin(2 * np.pi * (row + 2 * column) / 8)
    signed = [(side / 127.5 - 1)[None, None] for side in (first, second)]
    assert ssim(*signed)[0, 0] == pytest.approx(0.724647, abs=5e-7)


@pytest.mark.parametrize(("depth", "size"), [(16, 11), (11, 11), (10, 9), (8, 7)])
def test_volumes_match_plain_implementation(depth: int, size: int) -> None:
    """To 1e-9, also where the window shrinks to the depth."""
    real, fake = images((1, 2, depth, 20, 24))
    for channel in range(2):
        expected = plain_ssim_map(unit(real[0, channel]), unit(fake[0, channel]), size).mean()
        assert ssim(real, fake)[0, channel] == pytest.approx(expected, abs=1e-9)


def test_worked_errors() -> None:
    """A tenth of the range everywhere: 20 dB; half of the pixels off by a fifth: 16.9897 dB."""
    real = np.full((1, 1, 12, 12, 12), -0.5, np.float32)
    tenth = real + 0.2
    assert psnr(real, tenth)[0, 0] == pytest.approx(20.0, abs=1e-5)
    assert mae(real, tenth)[0, 0] == pytest.approx(0.1, abs=1e-7)
    half = real.copy()
    half[..., ::2] += 0.4
    assert psnr(real, half)[0, 0] == pytest.approx(-10 * np.log10(0.02), abs=1e-5)
    assert mae(real, half)[0, 0] == pytest.approx(0.1, abs=1e-7)


def test_equal_images_have_the_best_values() -> None:
    real, _ = images((2, 1, 12, 16, 16))
    for inside in (None, find_foreground(real)):
        assert ssim(real, real, inside) == pytest.approx(np.ones((2, 1)))
        assert (psnr(real, real, inside) == 100.0).all()
        assert (mae(real, real, inside) == 0.0).all()


def test_bytes_and_floats_agree() -> None:
    rng = np.random.default_rng(3)
    pixels = rng.integers(0, 256, (2, 2, 3, 32, 32), dtype=np.uint8)
    signed = (pixels / 127.5 - 1).astype(np.float32)
    for measure in (ssim, psnr, mae):
        np.testing.assert_allclose(measure(*pixels), measure(*signed), atol=1e-6)
    np.testing.assert_array_equal(find_foreground(pixels[0]), find_foreground(signed[0]))


def test_values_outside_the_range_are_clipped() -> None:
    real = np.full((1, 1, 16, 16), 1.0, np.float32)
    assert mae(real, real + 0.5)[0, 0] == 0.0


def with_background(values: Images, margin: int) -> Images:
    width = ((0, 0), (0, 0), *((margin, margin),) * (values.ndim - 2))
    return np.pad(values, width, constant_values=-1.0)


def test_background_does_not_change_foreground_metrics() -> None:
    """With twelve black voxels on each side."""
    real, fake = images((1, 1, 16, 16, 16))
    real = np.maximum(real, -0.9)
    dark_real, dark_fake = with_background(real, 12), with_background(fake, 12)
    inside = find_foreground(dark_real)
    assert np.count_nonzero(inside) == 16**3
    assert psnr(dark_real, dark_fake) > psnr(real, fake) + 5
    for measure in (psnr, mae):
        np.testing.assert_allclose(measure(dark_real, dark_fake, inside), measure(real, fake))
    more = find_foreground(with_background(dark_real, 5))
    np.testing.assert_allclose(
        ssim(with_background(dark_real, 5), with_background(dark_fake, 5), more),
        ssim(dark_real, dark_fake, inside),
        rtol=1e-9,
    )


def test_foreground_ssim_is_the_mean_of_the_map_in_the_foreground() -> None:
    """To 1e-9, against the plain implementation."""
    real, fake = images((1, 1, 24, 24, 24))
    real[:, :, :, :9] = -1.0
    inside = find_foreground(real)
    whole = plain_ssim_map(unit(real[0, 0]), unit(fake[0, 0]), 11)
    expected = whole[inside[0, 5:-5, 5:-5, 5:-5]].mean()
    assert ssim(real, fake, inside)[0, 0] == pytest.approx(expected, abs=1e-9)


def test_foreground_is_the_union_of_the_channels() -> None:
    real = np.full((2, 2, 4, 4), -1.0, np.float32)
    real[0, 0, 1, 1] = real[0, 1, 2, 3] = 0.0
    real[0, 0, 3, 3] = -0.999
    found = find_foreground(real)
    assert np.argwhere(found[0]).tolist() == [[1, 1], [2, 3]]
    assert found[1].all(), "a black image is all foreground"


def test_a_value_for_each_case_with_an_interval() -> None:
    """More noise gives a worse value; the mean has an interval."""
    sides = [images((1, 2, 12, 24, 24), noise, seed=5) for noise in (0.05, 0.1, 0.2, 0.4)]
    inputs = PairedInputs(*(np.concatenate(side) for side in zip(*sides, strict=True)))
    directions = {"ssim": -1, "psnr": -1, "mae": 1}
    for measure, region in product(directions, ("image", "foreground")):
        terms = paired.paired_metric(inputs, measure=measure, region=region)
        assert terms.shape == (4,)
        assert terms.dtype == np.float64
        assert (np.diff(terms) * directions[measure] > 0).all(), (measure, region)
        interval = bootstrap_interval(np.tile(terms, 4))
        assert interval is not None
        assert interval[0] < terms.mean() < interval[1]


def test_image_and_foreground_share_one_map_per_channel(monkeypatch: pytest.MonkeyPatch) -> None:
    """Equal to the bit to measuring each region alone, with one map and one foreground."""
    real, fake = images((3, 2, 12, 24, 24))
    real[:, :, :, :8] = -1.0
    regions = {"image": None, "foreground": find_foreground(real)}
    expected = {
        (measure, region): compute(measure, real, fake, inside).mean(axis=1)
        for measure in ("ssim", "psnr", "mae")
        for region, inside in regions.items()
    }
    calls: list[str] = []

    def counted(name: str) -> None:
        function = getattr(paired, name)

        def call(*given: object, **named: object) -> object:
            calls.append(name)
            return function(*given, **named)

        monkeypatch.setattr(paired, name, call)

    counted("structural_similarity")
    inputs = PairedInputs(real, fake)
    paired.find_foreground.cache_clear()
    for (measure, region), terms in expected.items():
        found = paired.paired_metric(inputs, measure=measure, region=region)
        assert np.array_equal(found, terms), (measure, region)
    assert calls == ["structural_similarity"] * 6
    assert paired.find_foreground.cache_info().misses == 1


@pytest.mark.parametrize(
    ("first", "second"), [((2, 1, 8, 8), (2, 1, 8, 9)), ((2, 8, 8), (2, 8, 8)), ((0, 1, 8, 8),) * 2]
)
def test_refuses_shapes_that_do_not_pair(first: tuple[int, ...], second: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=re.escape(f"{first} and {second}")):
        ssim(np.zeros(first, np.float32), np.zeros(second, np.float32))


def test_masks_of_another_shape_are_refused() -> None:
    real = np.zeros((2, 1, 8, 8), np.float32)
    with pytest.raises(ValueError, match=r"\(2, 8, 9\).*\(2, 1, 8, 8\)"):
        mae(real, real, np.ones((2, 8, 9), bool))
