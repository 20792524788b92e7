"""Drawing for phantoms: areas, and consistency across image sizes."""

from __future__ import annotations

import numpy as np
import pytest

from benchbed.phantoms import Strokes, blur, curve, draw, fill, grid, noise, spot

ANGLES = np.arange(8) / 8 * 2 * np.pi
RING = 0.6 * np.stack([np.cos(ANGLES), np.sin(ANGLES)], axis=1)


def _shrunk(plane: np.ndarray, size: int) -> np.ndarray:
    return plane.reshape(size, len(plane) // size, size, -1).mean((1, 3))


def test_a_curve_through_eight_points_approximates_a_circle() -> None:
    line = curve(RING)
    assert len(line) == 8 * 12
    assert np.hypot(*line.T) == pytest.approx(0.6, rel=0.01)
    assert np.allclose(line[::12], RING)


def test_an_open_curve_ends_at_its_end_points() -> None:
    line = curve(RING[:4], closed=False, steps=5)
    assert len(line) == 16
    assert np.allclose(line[::5], RING[:4])


@pytest.mark.parametrize("half", [1.0, 2.0])
@pytest.mark.parametrize("soft", [0.0, 0.05])
def test_a_filled_outline_has_its_area(half: float, soft: float) -> None:
    plane = fill(half * curve(RING), 64, half, soft=half * soft)
    assert plane.mean() == pytest.approx(np.pi * 0.36 / 4, rel=0.01)
    assert plane[32, 32] == pytest.approx(1.0, abs=1e-3)
    assert plane[0].max() == 0


@pytest.mark.parametrize("size", [16, 32])
def test_drawings_do_not_depend_on_the_size(size: int) -> None:
    strokes = Strokes(RING, np.roll(RING, 1, 0), np.full(8, 0.05), np.full(8, 0.8))
    pictures = (
        lambda n: fill(curve(RING), n, soft=0.04),
        lambda n: draw(strokes, n),
        lambda n: noise(np.random.default_rng(0), 9, n),
        lambda n: spot(0.2, -0.3, 0.3, n),
    )
    for picture in pictures:
        small, large = picture(size), _shrunk(picture(256), size)
        assert small.shape == (size, size)
        assert np.abs(small - large).max() < 0.12
        assert np.corrcoef(small.ravel(), large.ravel())[0, 1] > 0.99


def test_a_grid_spans_the_image() -> None:
    across, down = grid(4, 2.0)
    assert across[0].tolist() == down[:, 0].tolist() == [-1.5, -0.5, 0.5, 1.5]


def test_a_blur_keeps_the_mean_and_its_relative_width() -> None:
    for size in (64, 256):
        point = np.zeros((size, size), np.float32)
        point[size // 2, size // 2] = 1
        blurred = blur(point, 0.1)
        assert blurred.sum() == pytest.approx(1.0, abs=0.01)
        deviation = np.sqrt((blurred * grid(size)[0] ** 2).sum())
        assert deviation == pytest.approx(0.1, rel=0.05)
