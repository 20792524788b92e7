"""Volumes cut to blocks of the run's size, and predictions put back."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from benchbed.api.types import CropBox
from benchbed.data.io.geometry import Geometry
from benchbed.data.preprocessing.volume_cases import (
    compute_box,
    make_box_mask,
    resample_box,
    resample_labels,
    restore_volume,
)

Triple = tuple[float, float, float]


def _geometry(shape: tuple[int, int, int], spacing: Triple = (1, 1, 1)) -> Geometry:
    return Geometry(shape, np.diag([*spacing[::-1], 1.0]))


def test_a_box_is_central_and_of_the_extent() -> None:
    """Section 4.1 of Shin et al. 2018: slices 23 to 130 of 155."""
    box = compute_box(_geometry((155, 240, 240)), (108, 240, 240))
    assert box == CropBox((23, 0, 0), (108, 240, 240))


@pytest.mark.parametrize(
    ("spacing", "shape"),
    [((4, 1, 1), (27, 240, 240)), ((1.2, 0.9, 0.9), (90, 267, 267)), ((500, 1, 1), (1, 240, 240))],
)
def test_a_box_is_rounded_to_voxels_of_the_case(
    spacing: Triple, shape: tuple[int, int, int]
) -> None:
    assert compute_box(_geometry((155, 240, 240), spacing), (108, 240, 240)).shape == shape


def test_missing_slices_are_padded() -> None:
    box = compute_box(_geometry((3, 4, 4)), (6, 4, 4))
    block = resample_box(np.ones((2, 3, 4, 4), np.float32), box, (6, 4, 4), fill=-1.0)
    assert block.shape == (2, 6, 4, 4)
    assert [float(block[0, z].mean()) for z in range(6)] == [-1, -1, 1, 1, 1, -1]


def test_a_cube_contains_the_whole_volume() -> None:
    box = compute_box(_geometry((4, 8, 6)), (8, 8, 8))
    assert box.shape == (8, 8, 8)
    volume = np.arange(4 * 8 * 6, dtype=np.float32).reshape(4, 8, 6)
    block = resample_box(volume[None], box, (8, 8, 8))[0]
    assert np.array_equal(block[2:6, :, 1:7], volume)
    assert block.sum() == volume.sum()
    assert np.array_equal(restore_volume(block, box, (4, 8, 6)), volume)
    labels = volume.astype(np.uint8)
    assert np.array_equal(resample_labels(labels, box, (8, 8, 8)), block.astype(np.uint8))


def test_a_box_that_is_much_larger_than_the_volume_takes_no_memory() -> None:
    """One case with a wrong spacing enlarges the box of all."""
    box = compute_box(_geometry((4, 4, 4)), (40000, 40000, 40000))
    volume = np.ones((1, 4, 4, 4), np.float32)
    block = resample_box(volume, box, (8, 8, 8), fill=-1.0)
    assert block.shape == (1, 8, 8, 8)
    assert block.max() < -0.99
    assert resample_labels(volume[0].astype(np.uint8), box, (8, 8, 8)).shape == (8, 8, 8)
    assert restore_volume(block[0], box, (4, 4, 4)).shape == (4, 4, 4)
    assert make_box_mask(box, (4, 4, 4)).all()


@pytest.mark.parametrize("shape", [(3, 9, 5), (9, 4, 16), (12, 30, 8)])
def test_enlarging_is_trilinear_interpolation(shape: tuple[int, int, int]) -> None:
    """PyTorch's, with the edges of the voxels aligned."""
    volume = np.random.default_rng(0).random((2, 3, 4, 5)).astype(np.float32)
    shape = (max(shape[0], 3), max(shape[1], 4), max(shape[2], 5))
    expected = F.interpolate(torch.from_numpy(volume)[None], size=shape, mode="trilinear")[0]
    box = CropBox((0, 0, 0), (3, 4, 5))
    np.testing.assert_allclose(resample_box(volume, box, shape), expected, atol=1e-5)


@pytest.mark.parametrize("spatial", [(4, 8, 8), (3, 5, 7), (16, 16, 16)])
def test_resampling_keeps_the_mean_of_a_ramp(spatial: tuple[int, int, int]) -> None:
    ramp = np.linspace(0, 1, 8, dtype=np.float32)
    volume = np.broadcast_to(ramp, (1, 8, 8, 8)).copy()
    small = resample_box(volume, CropBox((0, 0, 0), (8, 8, 8)), spatial)
    assert small.shape == (1, *spatial)
    assert small.mean() == pytest.approx(0.5, abs=0.01)
    assert (np.diff(small[0, 0, 0]) > -1e-6).all()


def test_resampled_codes_are_codes() -> None:
    codes = np.zeros((8, 8, 8), np.uint8)
    codes[2:6, 2:6, 2:6] = 3
    small = resample_labels(codes, CropBox((0, 0, 0), (8, 8, 8)), (4, 4, 4))
    assert set(np.unique(small)) == {0, 3}
    assert (small == 3).sum() == 8
    assert np.array_equal(resample_labels(small, CropBox((0, 0, 0), (4, 4, 4)), (8, 8, 8)), codes)


def test_a_prediction_is_put_back_in_place() -> None:
    """A ball that is downsampled and put back has a Dice score above 0.85."""
    z, y, x = np.mgrid[:12, :20, :20]
    ball = ((z - 5) ** 2 + (y - 11) ** 2 + (x - 9) ** 2 < 30).astype(np.float32)
    box = compute_box(_geometry((12, 20, 20)), (20, 20, 20))
    block = resample_box(ball[None], box, (10, 10, 10))[0]
    back = restore_volume(block, box, (12, 20, 20)) > 0.5
    assert back.shape == ball.shape
    overlap = 2 * (back & (ball > 0)).sum() / (back.sum() + ball.sum())
    assert overlap > 0.85
