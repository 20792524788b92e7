"""Resolution-independent drawing: strokes by distance to a segment, noise from coarse knots.

Lengths are in units of the aperture's radius, with the origin at the middle of the frame, x to the
right and y down; the frame's half width is :data:`HALF_FRAME` of them. A pixel's value is its area
average, so a small picture is what a large one of the same content shrinks to.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Plane = NDArray[np.float32]

#: Half the frame's width over the aperture's radius: DRIVE's circle spans 540 of 565 pixels.
HALF_FRAME = 565.0 / 540.0


@dataclass(frozen=True)
class Strokes:
    """Straight capsules.

    Attributes:
        start: (N, 2) first end points (x, y).
        end: (N, 2) last end points; equal to ``start`` for a round dot.
        radius: (N,) half widths.
        weight: (N,) opacities in [0, 1].
    """

    start: Array
    end: Array
    radius: Array
    weight: Array

    def subset(self, keep: NDArray[np.bool_]) -> Strokes:
        """The capsules where ``keep`` (N,) is true."""
        return Strokes(self.start[keep], self.end[keep], self.radius[keep], self.weight[keep])

    def restyled(self, *, radius: float = 1.0, weight: Array | float = 1.0) -> Strokes:
        """The same lines with radii multiplied by ``radius`` and opacities set to ``weight``."""
        opacity = np.broadcast_to(np.asarray(weight, dtype=np.float64), self.radius.shape)
        return Strokes(self.start, self.end, self.radius * radius, opacity)


def _subdivided(strokes: Strokes, size: int) -> tuple[Array, Array, Array, Array]:
    """Pixel coordinates of pieces that are at most about as long as they are wide."""
    scale = size / (2 * HALF_FRAME)
    start = (strokes.start + HALF_FRAME) * scale - 0.5
    step = (strokes.end - strokes.start) * scale
    radius = strokes.radius * scale
    pieces = np.ceil(np.hypot(step[:, 0], step[:, 1]) / np.maximum(radius, 1.0)).astype(np.intp)
    pieces = np.maximum(pieces, 1)
    row = np.repeat(np.arange(len(pieces)), pieces)
    order = np.arange(len(row)) - np.repeat(np.cumsum(pieces) - pieces, pieces)
    piece = step[row] / pieces[row, None]
    return start[row] + order[:, None] * piece, piece, radius[row], strokes.weight[row]


def draw(strokes: Strokes, size: int) -> Plane:
    """Opacity of ``strokes`` on a ``size`` x ``size`` frame.

    Each pixel takes the largest, over the strokes, of weight x share of the pixel covered. The
    share is that of a pixel-wide box across the line, so that a line thinner than a pixel fades
    in proportion to its width instead of breaking up or growing.

    Args:
        strokes: what to draw, in units of the aperture's radius.
        size: side of the frame in pixels.

    Returns:
        (size, size) float32 in [0, 1].
    """
    canvas = np.zeros(size * size, dtype=np.float32)
    start, piece, radius, weight = _subdivided(strokes, size)
    middle = np.rint(start + piece / 2).astype(np.intp)
    # 1.2: half a pixel of rounding, half of soft edge, and the diagonal's share.
    reach = np.ceil(radius + np.hypot(piece[:, 0], piece[:, 1]) / 2 + 1.2).astype(np.intp)
    for half in np.unique(reach):
        rows = reach == half
        side = np.arange(-half, half + 1)
        x = middle[rows, 0, None, None] + side[None, None, :]
        y = middle[rows, 1, None, None] + side[None, :, None]
        distance = _distance(x, y, start[rows], piece[rows])
        wide = radius[rows, None, None]
        share = np.minimum(distance + 0.5, wide) - np.maximum(distance - 0.5, -wide)
        value = np.clip(share, 0.0, 1.0) * weight[rows, None, None]
        seen = (value > 0) & (x >= 0) & (x < size) & (y >= 0) & (y < size)
        np.maximum.at(canvas, (y * size + x)[seen], value[seen].astype(np.float32))
    return canvas.reshape(size, size)


def _distance(x: NDArray[np.intp], y: NDArray[np.intp], start: Array, piece: Array) -> Array:
    """Distance in pixels from each pixel (N, K, K) to its segment."""
    dx = x - start[:, 0, None, None]
    dy = y - start[:, 1, None, None]
    px, py = piece[:, 0, None, None], piece[:, 1, None, None]
    along = np.clip((dx * px + dy * py) / np.maximum(px * px + py * py, 1e-12), 0.0, 1.0)
    distance: Array = np.hypot(dx - along * px, dy - along * py)
    return distance


@lru_cache(maxsize=32)
def _spline_weights(size: int, cells: int) -> Plane:
    """(size, cells + 3) area averages of the uniform cubic B-splines on ``cells`` cells."""
    inside = max(1, -(-4 * cells // size))
    position = (np.arange(size * inside) + 0.5) * cells / (size * inside)
    offset = np.abs(position[:, None] + 1 - np.arange(cells + 3)[None, :])
    near = 2 / 3 - offset**2 + offset**3 / 2
    far = np.maximum(2 - offset, 0.0) ** 3 / 6
    spline = np.where(offset < 1, near, far)
    return np.asarray(spline.reshape(size, inside, -1).mean(axis=1), dtype=np.float32)


def noise(rng: np.random.Generator, cells: int, size: int) -> Plane:
    """Smooth noise whose grain is the frame's width over ``cells``, whatever the size in pixels.

    The knots are drawn on a fixed grid and interpolated by cubic B-splines averaged over each
    pixel. Draws (cells + 3)^2 normal values from ``rng``.

    Args:
        rng: source of the knots.
        cells: number of knot intervals across the frame.
        size: side of the frame in pixels.

    Returns:
        (size, size) float32 of mean 0 and, where pixels resolve the grain, of variance about 1.
    """
    knots = rng.standard_normal((cells + 3, cells + 3), dtype=np.float32)
    weights = _spline_weights(size, cells)
    # 0.479: mean sum of squares of the four spline weights at a point, once for each axis.
    return np.asarray(weights @ knots @ weights.T / 0.479, dtype=np.float32)


@lru_cache(maxsize=4)
def grid(size: int) -> tuple[Plane, Plane]:
    """Coordinates of the pixel centres: x (1, size) and y (size, 1), in aperture radii."""
    axis = ((np.arange(size) + 0.5) / size * 2 - 1) * HALF_FRAME
    line = axis.astype(np.float32)
    return line[None, :], line[:, None]
