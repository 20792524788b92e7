"""Framing and resizing of images and masks to squares."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from benchbed.data.preprocessing.framing import (
    compute_window,
    crop_window,
    resize_image,
    resize_mask,
)

RNG = np.random.default_rng(1)


@pytest.mark.parametrize(
    ("framing", "expected"),
    [("stretch", (0, 0, 40, 100)), ("center", (0, 30, 40, 40)), ("pad", (-30, 0, 100, 100))],
)
def test_windows_of_a_wide_image(framing: str, expected: tuple[int, int, int, int]) -> None:
    box = compute_window((40, 100), framing, None)  # type: ignore[arg-type]
    assert (box.top, box.left, box.height, box.width) == expected


def test_the_window_of_a_field_of_view_is_its_bounding_square() -> None:
    fov = np.zeros((60, 90), bool)
    fov[10:50, 20:70] = True
    box = compute_window((60, 90), "fov", fov)
    assert (box.height, box.width) == (50, 50)
    assert crop_window(fov, box).sum() == fov.sum()


def test_cut_pads_with_zeros() -> None:
    image = np.full((40, 100, 3), 9, np.uint8)
    square = crop_window(image, compute_window((40, 100), "pad", None))
    assert square.shape == (100, 100, 3)
    assert square.sum() == image.sum()


def test_resize_keeps_the_mean_and_does_not_alias() -> None:
    stripes = np.zeros((128, 128, 3), np.uint8)
    stripes[:, ::2] = 255
    small = resize_image(stripes, 32)
    assert small.shape == (32, 32, 3)
    assert abs(float(small.mean()) - 127.5) < 2
    assert small[8:24, 8:24].std() < 3


def test_resizing_keeps_the_foreground_share_of_a_mask() -> None:
    """With the usual threshold of one half, lines of two pixels would vanish at 1/8 size."""
    mask = gaussian_filter(RNG.random((512, 512)), 3) > 0.52
    mask[:, 40:42] = mask[200:202] = True
    small = resize_mask(mask, 64)
    assert small.mean() == pytest.approx(mask.mean(), rel=0.1)
    lines = np.zeros((512, 512), bool)
    lines[:, 40:42] = lines[200:202] = True
    assert resize_mask(lines, 64)[25].all()
    assert resize_mask(lines, 64)[:, 5].all()
    assert not resize_mask(np.zeros((512, 512), bool), 64).any()
    assert resize_mask(np.ones((512, 512), bool), 64).all()
