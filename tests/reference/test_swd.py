"""The sliced Wasserstein distance against worked numbers and a plain scipy implementation."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy import ndimage, stats

from benchbed.metrics import swd
from benchbed.metrics.swd import (
    compute_laplacian_level,
    compute_sliced_distance,
    compute_sliced_wasserstein,
    expand_image,
    iter_descriptors,
    list_resolutions,
    reduce_image,
    sample_directions,
    sample_patch_positions,
)

Pixels = NDArray[np.uint8]
Float = NDArray[np.float64]

FILTER = np.outer([1, 4, 6, 4, 1], [1, 4, 6, 4, 1]) / 256


def plain_pyramid(image: Float) -> list[Float]:
    """Return the pyramid of one plane by definition: filter, mirrored border, zero insertion."""
    levels = []
    while len(image) > 16:
        smaller = ndimage.convolve(image, FILTER, mode="mirror")[::2, ::2]
        spread = np.zeros_like(image)
        spread[::2, ::2] = smaller
        levels.append(image - ndimage.convolve(spread, 4 * FILTER, mode="mirror"))
        image = smaller
    return [*levels, image]


def plain_descriptors(images: Pixels, level: int, positions: NDArray[np.int64]) -> Float:
    """Return patches in RGB, extracted one by one and scaled per channel over the set."""
    patches = []
    for image, corners in zip(images, positions, strict=True):
        planes = [plain_pyramid(plane.astype(float))[level] for plane in image]
        planes = planes * 3 if len(planes) == 1 else planes
        for row, column in corners:
            patches.append([plane[row : row + 7, column : column + 7] for plane in planes])
    stack = np.array(patches)
    for channel in range(3):
        stack[:, channel] -= stack[:, channel].mean()
        stack[:, channel] /= stack[:, channel].std()
    return stack.reshape(len(stack), -1)


def plain_distance(first: Float, second: Float, directions: Float) -> float:
    """Return the mean over directions of scipy's one-dimensional distance."""
    return float(
        np.mean(
            [stats.wasserstein_distance(first @ d, second @ d) for d in directions.T.astype(float)]
        )
    )


def images(count: int, size: int, seed: int, channels: int = 3) -> Pixels:
    """Return smooth random images with some noise."""
    rng = np.random.default_rng(seed)
    rough = rng.standard_normal((count, channels, size, size))
    smooth = ndimage.gaussian_filter(rough, (0, 0, 3, 3))
    made: Pixels = np.clip(128 + 400 * smooth + 10 * rough, 0, 255).astype(np.uint8)
    return made


def pyramid_of(plane: NDArray[np.generic]) -> list[Float]:
    """Return benchbed's pyramid of one plane."""
    pixels = torch.from_numpy(plane.astype(np.float32))[None, None]
    return [level[0, 0].numpy().astype(float) for level in pyramid(pixels)]


def pyramid(pixels: torch.Tensor) -> list[torch.Tensor]:
    """Return benchbed's levels, down to 16 px."""
    levels = []
    while pixels.shape[-1] > 16:
        level, pixels = compute_laplacian_level(pixels)
        levels.append(level)
    return [*levels, pixels]


def test_worked_one_dimensional_distance() -> None:
    """The distance of [0, 1, 5] and [4, 0, 2] is 2/3, to 1e-6."""
    first, second = (np.array(x, np.float32)[:, None] for x in ([0, 1, 5], [4, 0, 2]))
    assert compute_sliced_distance(first, second, np.ones((1, 1), np.float32)) == pytest.approx(
        2 / 3, abs=1e-6
    )


def test_worked_pyramid() -> None:
    """The pattern 8 ((7 i + 13 j) mod 32): two values and three moments, to the digits printed."""
    i, j = np.mgrid[:32, :32]
    fine, coarse = pyramid_of(8 * ((7 * i + 13 * j) % 32))
    assert fine[5, 9] == pytest.approx(57.0, abs=1e-4)
    assert fine.mean() == pytest.approx(-0.00376892, abs=1e-6)
    assert fine.std() == pytest.approx(72.833435, abs=1e-5)
    assert coarse[3, 4] == pytest.approx(138.0, abs=1e-4)
    assert coarse.mean() == pytest.approx(124.011719, abs=1e-5)


@pytest.mark.parametrize("value", [0, 7, 255])
def test_a_constant_image_has_only_its_coarsest_level(value: int) -> None:
    """All fine levels are exactly 0, the coarsest exactly the constant."""
    *fine, coarse = pyramid_of(np.full((128, 128), value, np.uint8))
    assert all((level == 0).all() for level in fine)
    assert (coarse == value).all()


@pytest.mark.parametrize("size", [32, 64, 128])
def test_pyramid_equals_scipy(size: int) -> None:
    """Every level equals zero insertion and ndimage.convolve, borders included, to 1e-4 of 255."""
    plane = np.random.default_rng(size).integers(0, 256, (size, size))
    for ours, theirs in zip(pyramid_of(plane), plain_pyramid(plane.astype(float)), strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-4)


def test_pyramid_reconstructs_the_image() -> None:
    """Adding the expanded levels gives the image, to 1e-4 of 255."""
    pixels = torch.from_numpy(images(2, 64, 0).astype(np.float32))
    *fine, rebuilt = pyramid(pixels)
    for level in reversed(fine):
        rebuilt = expand_image(rebuilt) + level
    torch.testing.assert_close(rebuilt, pixels, atol=1e-4, rtol=0)


def test_reduced_and_expanded_halve_and_double() -> None:
    """Also where height and width differ."""
    pixels = torch.rand(1, 2, 8, 20)
    assert reduce_image(pixels).shape == (1, 2, 4, 10)
    assert expand_image(pixels).shape == (1, 2, 16, 40)


@pytest.mark.parametrize("channels", [1, 3])
def test_whole_metric_equals_plain_implementation(channels: int) -> None:
    """Loops, scipy and float64 with the same patches and directions give every level, to 1e-4."""
    real, fake = images(3, 64, 0, channels), images(3, 64, 1, channels)
    value = compute_sliced_wasserstein(real, fake, seed=5, patches=6, repeats=2, directions=9)
    assert list(value.levels) == [64, 32, 16]
    for level, resolution in enumerate(value.levels):
        one, other = (
            plain_descriptors(
                part, level, sample_patch_positions((5, resolution, side), (3, 6), resolution)
            )
            for side, part in enumerate((real, fake))
        )
        rng = np.random.default_rng((5, resolution, 2))
        drawn = [sample_directions(rng, 9, channels=3).astype(float) for _ in range(2)]
        expected = np.mean([plain_distance(one, other, directions) for directions in drawn])
        assert value.levels[resolution] == pytest.approx(expected, abs=1e-4)
    assert value.mean == pytest.approx(np.mean(list(value.levels.values())), rel=1e-12)


def test_distance_is_zero_only_for_the_same_patches() -> None:
    """Exactly 0 with equal patches of one set; more with other patches."""
    pixels = images(4, 32, 0)
    corners = {r: sample_patch_positions((0, r), (4, 50), r) for r in list_resolutions(32)}
    others = {r: sample_patch_positions((1, r), (4, 50), r) for r in list_resolutions(32)}
    directions = sample_directions(np.random.default_rng(0), 64, 3)
    levels = zip(
        *(iter_descriptors(pixels, chosen) for chosen in (corners, corners, others)), strict=True
    )
    for (_, first), (_, same), (_, other) in levels:
        assert compute_sliced_distance(first, same, directions) == 0
        assert compute_sliced_distance(first, other, directions) > 0.02
    assert compute_sliced_wasserstein(pixels, pixels).mean > 0.02


@pytest.mark.parametrize(("count", "baseline"), [(1_280, 0.049), (12_800, 0.016)])
def test_baseline_of_gaussian_descriptors(count: int, baseline: float) -> None:
    """Two draws of one distribution have the independently measured distance, within 10 %."""
    rng = np.random.default_rng(0)
    first, second = rng.standard_normal((2, count, 147), dtype=np.float32)
    value = compute_sliced_distance(first, second, sample_directions(rng, 128, 3))
    assert value == pytest.approx(baseline, rel=0.1)


def test_distance_of_shifted_sets_is_the_mean_projected_shift() -> None:
    """A shift by v gives the mean of |v d| over directions, to 1e-5."""
    rng = np.random.default_rng(1)
    points = rng.standard_normal((500, 147), dtype=np.float32)
    shift = rng.standard_normal(147, dtype=np.float32)
    directions = sample_directions(rng, 200, 3)
    expected = np.abs(shift @ directions).mean()
    assert compute_sliced_distance(points, points + shift, directions) == pytest.approx(
        expected, abs=1e-5
    )


def test_descriptors_are_scaled_per_channel() -> None:
    """Each channel has mean 0 and deviation 1 over the set, to 1e-5, at any contrast."""
    pixels = images(5, 64, 0) // np.array([1, 4, 16], np.uint8)[:, None, None]
    corners = {r: sample_patch_positions((0, r), (5, 40), r) for r in list_resolutions(64)}
    for _, found in iter_descriptors(pixels, corners):
        channels = found.reshape(200, 3, 49).astype(float)
        np.testing.assert_allclose(channels.mean((0, 2)), 0, atol=1e-5)
        np.testing.assert_allclose(channels.std((0, 2)), 1, atol=1e-5)


def test_patch_positions_cover_the_valid_range() -> None:
    """Corners are uniform on 0 ... size - 7, both ends included."""
    positions = sample_patch_positions((0,), (100, 100), 16)
    counts = np.bincount(positions[..., 0].ravel(), minlength=10)
    assert len(counts) == 10
    assert counts.min() > 800
    assert np.unique(positions[..., 1]).tolist() == list(range(10))


def test_directions_have_length_one() -> None:
    """To 1e-6; their mean is 0 within 5 standard errors."""
    directions = sample_directions(np.random.default_rng(0), 2000, 3)
    assert directions.shape == (147, 2000)
    np.testing.assert_allclose(np.linalg.norm(directions, axis=0), 1, atol=1e-6)
    assert np.abs(directions.mean(1)).max() < 5 / np.sqrt(147 * 2000)


def test_grey_equals_three_equal_channels() -> None:
    """One channel is computed faster and gives the same as three copies, to 1e-6."""
    real, fake = images(4, 32, 0, channels=1), images(4, 32, 1, channels=1)
    wide = [np.repeat(part, 3, axis=1) for part in (real, fake)]
    ours, theirs = compute_sliced_wasserstein(real, fake), compute_sliced_wasserstein(*wide)
    assert list(ours.levels.values()) == pytest.approx(list(theirs.levels.values()), abs=1e-6)


def test_results_depend_only_on_the_seed() -> None:
    """Equal to the bit for one seed; the global random state is not used."""
    real, fake = images(3, 32, 0), images(3, 32, 1)
    np.random.seed(0)
    torch.manual_seed(0)
    state = np.random.get_state()[1].copy(), torch.get_rng_state()  # type: ignore[index]
    first = compute_sliced_wasserstein(real, fake, seed=3)
    assert compute_sliced_wasserstein(real, fake, seed=3) == first
    assert compute_sliced_wasserstein(real, fake, seed=4).mean != first.mean
    np.testing.assert_array_equal(np.random.get_state()[1], state[0])  # type: ignore[index]
    assert torch.equal(torch.get_rng_state(), state[1])


def test_a_blurred_set_has_a_larger_distance() -> None:
    """More than twice the distance of two sets of one distribution."""
    one, other = images(30, 64, 0), images(30, 64, 1)
    blurred = ndimage.gaussian_filter(other, (0, 0, 1, 1))
    baseline = compute_sliced_wasserstein(one, other)
    distance = compute_sliced_wasserstein(one, blurred)
    assert distance.levels[64] > 2 * baseline.levels[64]


def test_memory_maps_and_block_size_do_not_change_the_result(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A read-only memory map, read one image at a time, gives the same to the bit."""
    real, fake = images(5, 32, 0), images(5, 32, 1)
    expected = compute_sliced_wasserstein(real, fake)
    np.save(tmp_path / "real.npy", real)
    mapped = np.load(tmp_path / "real.npy", mmap_mode="r")
    monkeypatch.setattr(swd, "_CHUNK_VALUES", 1)
    assert compute_sliced_wasserstein(mapped, fake) == expected


def test_constant_images_have_finite_distances() -> None:
    """0 among each other and finite to others, although their deviation is 0."""
    black, grey = np.zeros((4, 3, 32, 32), np.uint8), np.full((4, 3, 32, 32), 93, np.uint8)
    assert compute_sliced_wasserstein(black, grey).levels == {32: 0, 16: 0}
    assert 0.1 < compute_sliced_wasserstein(black, images(4, 32, 0)).mean < 2


@pytest.mark.parametrize(("size", "expected"), [(16, [16]), (64, [64, 32, 16]), (512, 6)])
def test_resolutions_of_the_levels(size: int, expected: list[int] | int) -> None:
    """From the full size down to 16."""
    found = list_resolutions(size)
    assert (len(found) if isinstance(expected, int) else found) == expected


def test_sixteen_pixels_have_one_level() -> None:
    value = compute_sliced_wasserstein(images(4, 16, 0), images(4, 16, 1))
    assert list(value.levels) == [16]
    assert value.mean == value.levels[16]


@pytest.mark.parametrize(
    ("real", "fake", "fact"),
    [
        ((4, 3, 32, 32), (5, 3, 32, 32), "(5, 3, 32, 32)"),
        ((4, 3, 32, 32), (4, 1, 32, 32), "(4, 1, 32, 32)"),
        ((0, 3, 32, 32), (0, 3, 32, 32), "(0, 3, 32, 32)"),
        ((4, 2, 32, 32), (4, 2, 32, 32), "(4, 2, 32, 32)"),
        ((4, 3, 32, 64), (4, 3, 32, 64), "32 x 64"),
        ((4, 3, 48, 48), (4, 3, 48, 48), "48 px"),
        ((4, 3, 8, 8), (4, 3, 8, 8), "8 px"),
    ],
)
def test_refuses_sets_without_a_distance(
    real: tuple[int, ...], fake: tuple[int, ...], fact: str
) -> None:
    """Unequal and empty sets, images that are not square or not of a power of two."""
    with pytest.raises(ValueError, match=re.escape(fact)):
        compute_sliced_wasserstein(np.zeros(real, np.uint8), np.zeros(fake, np.uint8))
