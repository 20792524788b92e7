"""Volumes cut to blocks of the run's size, and predictions put back."""

from __future__ import annotations

import numpy as np
import pytest

from benchbed.api.layouts import Volumes
from benchbed.api.types import Box
from benchbed.data.boxes import box_of, cut_box, put_back_box, resample, resample_codes

BRAIN = Volumes(sequences=("T1",), structures=("tumour",), depth=54 / 128, slices=108)
CUBE = Volumes(sequences=("T1",), structures=("a", "b"), framing="cube")


def test_a_box_takes_the_central_slices_of_the_whole_plane() -> None:
    """Section 4.1 of Shin et al. 2018: slices 23 to 130 of 155."""
    assert box_of((155, 240, 240), BRAIN) == Box((23, 0, 0), (108, 240, 240))
    assert BRAIN.spatial(128) == (54, 128, 128)


def test_missing_slices_are_padded() -> None:
    box = box_of((3, 4, 4), Volumes(sequences=("T1",), structures=("t",), slices=6))
    block = cut_box(np.ones((2, 3, 4, 4), np.float32), box, fill=-1.0)
    assert block.shape == (2, 6, 4, 4)
    assert [float(block[0, z].mean()) for z in range(6)] == [-1, -1, 1, 1, 1, -1]


def test_a_cube_contains_the_whole_volume() -> None:
    box = box_of((4, 8, 6), CUBE)
    assert box.shape == (8, 8, 8)
    volume = np.arange(4 * 8 * 6, dtype=np.float32).reshape(4, 8, 6)
    block = cut_box(volume, box)
    assert block.sum() == volume.sum()
    assert np.array_equal(cut_box(block, Box((2, 0, 1), (4, 8, 6))), volume)


@pytest.mark.parametrize("spatial", [(4, 8, 8), (3, 5, 7), (16, 16, 16)])
def test_resampling_keeps_the_mean_of_a_ramp(spatial: tuple[int, int, int]) -> None:
    ramp = np.linspace(0, 1, 8, dtype=np.float32)
    volume = np.broadcast_to(ramp, (1, 8, 8, 8)).copy()
    small = resample(volume, spatial)
    assert small.shape == (1, *spatial)
    assert small.mean() == pytest.approx(0.5, abs=0.01)
    assert (np.diff(small[0, 0, 0]) > -1e-6).all()


def test_resampled_codes_are_codes() -> None:
    codes = np.zeros((8, 8, 8), np.uint8)
    codes[2:6, 2:6, 2:6] = 3
    small = resample_codes(codes, (4, 4, 4))
    assert set(np.unique(small)) == {0, 3}
    assert (small == 3).sum() == 8
    assert np.array_equal(resample_codes(small, (8, 8, 8)), codes)


def test_a_prediction_is_put_back_in_place() -> None:
    """A ball that is downsampled and put back has a Dice score above 0.85."""
    z, y, x = np.mgrid[:12, :20, :20]
    ball = ((z - 5) ** 2 + (y - 11) ** 2 + (x - 9) ** 2 < 30).astype(np.float32)
    box = box_of(ball.shape, CUBE)
    block = resample(cut_box(ball, box)[None], (10, 10, 10))[0]
    back = put_back_box(block, box, (12, 20, 20)) > 0.5
    assert back.shape == ball.shape
    overlap = 2 * (back & (ball > 0)).sum() / (back.sum() + ball.sum())
    assert overlap > 0.85
