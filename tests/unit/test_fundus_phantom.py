"""Fundus phantom: reproducible, independent of resolution, and shaped like an eye."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from benchbed_retina.phantom import render, render_annotated

CASES = render(range(12), 128, 7)


def test_a_case_depends_on_its_number_and_seed_alone() -> None:
    single = render([3], 128, 7)
    assert all(np.array_equal(single[name][0], CASES[name][3]) for name in CASES)
    assert not np.array_equal(render([3], 128, 8)["image"][0], CASES["image"][3])


def test_distinct_cases_differ() -> None:
    flat = CASES["image"].reshape(12, -1).astype(float)
    distance = np.abs(flat[:, None] - flat[None]).mean(-1)
    assert distance[~np.eye(12, dtype=bool)].min() > 5


@pytest.mark.parametrize("size", [64, 256])
def test_the_same_eye_at_every_size(size: int) -> None:
    """Downsampled to 32 px, images of all sizes agree except at the soft edge."""
    other = render(range(3), size, 7)["image"]
    for first, second in zip(CASES["image"], other, strict=False):
        small = [p.reshape(32, len(p) // 32, 32, -1, 3).mean((1, 3)) for p in (first, second)]
        assert np.corrcoef(small[0].ravel(), small[1].ravel())[0, 1] > 0.99


def test_ranges_and_shapes() -> None:
    assert CASES["image"].shape == (12, 128, 128, 3)
    assert {a.dtype for a in CASES.values()} == {np.dtype(np.uint8)}
    assert set(np.unique(CASES["mask"])) == {0, 1}
    assert not (CASES["mask"] & ~CASES["fov"] & 1).any()
    for size in (8, 2048):
        with pytest.raises(ValueError, match=r"\b16\b.*\b1024\b"):
            render([0], size, 0)


def test_the_field_of_view_is_a_disc_on_black() -> None:
    fov = CASES["fov"][0].astype(bool)
    assert fov.mean() == pytest.approx(np.pi / 4 * (540 / 565) ** 2, rel=0.02)
    outside = ~ndimage.binary_dilation(fov, iterations=3)
    assert CASES["image"][:, outside].max() == 0


def test_vessels_are_a_seventh_of_the_field_dark_in_green_and_connected() -> None:
    """DRIVE's first annotator marks 0.127 of the field."""
    fov, mask = CASES["fov"].astype(bool), CASES["mask"].astype(bool)
    shares = mask.sum((1, 2)) / fov.sum((1, 2))
    assert 0.10 < shares.mean() < 0.18
    for image, vessels, field in zip(CASES["image"], mask, fov, strict=True):
        green = image[..., 1].astype(float)
        background = ndimage.binary_dilation(vessels, iterations=3) & field & ~vessels
        assert green[vessels].mean() < 0.85 * green[background].mean()
        parts, _ = ndimage.label(vessels, np.ones((3, 3)))
        assert np.bincount(parts.ravel())[1:].max() > 0.9 * vessels.sum()


def test_the_optic_disc_is_brightest_and_vessels_meet_there() -> None:
    for image, vessels in zip(CASES["image"], CASES["mask"], strict=True):
        smooth = ndimage.gaussian_filter(image[..., 2].astype(float), 3)
        row, column = np.unravel_index(smooth.argmax(), smooth.shape)
        assert abs(row - 64) < 20
        assert 20 < abs(column - 64) < 50
        near = vessels[row - 9 : row + 10, column - 9 : column + 10]
        assert near.mean() > 2 * vessels.mean()


def test_left_and_right_eyes_both_occur() -> None:
    smooth = ndimage.gaussian_filter(CASES["image"][..., 2].astype(float), (0, 3, 3))
    sides = smooth.reshape(12, -1).argmax(1) % 128 > 64
    assert 0 < sides.sum() < 12


def test_the_second_annotator_omits_some_fine_vessels() -> None:
    """At 512 px the two agree about as well as the annotators of DRIVE."""
    annotated = render_annotated(range(6), 512, 7)
    plain = render(range(6), 512, 7)
    assert all(np.array_equal(annotated[name], plain[name]) for name in plain)
    first, second = annotated["mask"] > 0, annotated["second_mask"] > 0
    dice = 2 * (first & second).sum() / (first.sum() + second.sum())
    assert 0.7 < dice < 0.88
    thick = ndimage.binary_opening(first[0], iterations=4)
    assert second[0][thick].mean() > 0.85
    assert not (second & (annotated["fov"] == 0)).any()
