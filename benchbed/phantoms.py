"""Drawing for phantoms, independent of resolution: strokes, filled outlines, bumps, noise.

Lengths are in units of the plugin's choice, with the origin at the centre of the frame, x to the
right and y down; ``half`` is the frame's half width in these units. A pixel's value is its area
average, so a small image equals a large one of the same content, shrunk.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from scipy import ndimage

Array = NDArray[np.float64]
Plane = NDArray[np.float32]


@dataclass(frozen=True)
class Strokes:
    """Straight capsules.

    Attributes:
        start: ``(N, 2)`` first end points (x, y).
        end: ``(N, 2)`` last end points; equal to `start` for a round dot.
        radius: ``(N,)`` half widths.
        weight: ``(N,)`` opacities in [0, 1].
    """

    start: Array
    end: Array
    radius: Array
    weight: Array

    def select(self, keep: NDArray[np.bool_]) -> Strokes:
        """Select the capsules where `keep` ``(N,)`` is true."""
        return Strokes(self.start[keep], self.end[keep], self.radius[keep], self.weight[keep])

    def replace_style(self, *, radius: float = 1.0, weight: Array | float = 1.0) -> Strokes:
        """Return the same lines, radii multiplied by `radius` and opacities set to `weight`."""
        opacity = np.broadcast_to(np.asarray(weight, dtype=np.float64), self.radius.shape)
        return Strokes(self.start, self.end, self.radius * radius, opacity)


def _subdivided(strokes: Strokes, size: int, half: float) -> tuple[Array, Array, Array, Array]:
    """Split strokes into pieces at most about as long as wide, in pixel coordinates."""
    scale = size / (2 * half)
    start = (strokes.start + half) * scale - 0.5
    step = (strokes.end - strokes.start) * scale
    radius = strokes.radius * scale
    pieces = np.ceil(np.hypot(step[:, 0], step[:, 1]) / np.maximum(radius, 1.0)).astype(np.intp)
    pieces = np.maximum(pieces, 1)
    row = np.repeat(np.arange(len(pieces)), pieces)
    order = np.arange(len(row)) - np.repeat(np.cumsum(pieces) - pieces, pieces)
    piece = step[row] / pieces[row, None]
    return start[row] + order[:, None] * piece, piece, radius[row], strokes.weight[row]


def draw(strokes: Strokes, size: int, half: float = 1.0) -> Plane:
    """Draw the opacity of strokes on a ``size`` x ``size`` frame.

    Each pixel is the maximum over strokes of weight x share of the pixel covered. The share is that
    of a pixel-wide box across the line, so a line thinner than a pixel fades in proportion to its
    width instead of breaking up or growing.

    Args:
        strokes: Strokes to draw.
        size: Side of the frame in pixels.
        half: Half the frame's width in the units of the strokes.

    Returns:
        ``(size, size)`` float32 in [0, 1].
    """
    canvas = np.zeros(size * size, dtype=np.float32)
    start, piece, radius, weight = _subdivided(strokes, size, half)
    middle = np.rint(start + piece / 2).astype(np.intp)
    # 1.2: half a pixel of rounding, half of soft edge, and the diagonal's share.
    reach = np.ceil(radius + np.hypot(piece[:, 0], piece[:, 1]) / 2 + 1.2).astype(np.intp)
    for span in np.unique(reach):
        rows = reach == span
        side = np.arange(-span, span + 1)
        x = middle[rows, 0, None, None] + side[None, None, :]
        y = middle[rows, 1, None, None] + side[None, :, None]
        distance = _distance(x, y, start[rows], piece[rows])
        wide = radius[rows, None, None]
        share = np.minimum(distance + 0.5, wide) - np.maximum(distance - 0.5, -wide)
        value = np.clip(share, 0.0, 1.0) * weight[rows, None, None]
        visible = (value > 0) & (x >= 0) & (x < size) & (y >= 0) & (y < size)
        np.maximum.at(canvas, (y * size + x)[visible], value[visible].astype(np.float32))
    return canvas.reshape(size, size)


def _distance(x: NDArray[np.intp], y: NDArray[np.intp], start: Array, piece: Array) -> Array:
    """Return the distance in pixels from each pixel (N, K, K) to its segment."""
    dx = x - start[:, 0, None, None]
    dy = y - start[:, 1, None, None]
    px, py = piece[:, 0, None, None], piece[:, 1, None, None]
    along = np.clip((dx * px + dy * py) / np.maximum(px * px + py * py, 1e-12), 0.0, 1.0)
    distance: Array = np.hypot(dx - along * px, dy - along * py)
    return distance


@lru_cache(maxsize=32)
def _spline_weights(size: int, cells: int) -> Plane:
    """Return (size, cells + 3) area averages of the uniform cubic B-splines on ``cells`` cells."""
    inside = max(1, -(-4 * cells // size))
    position = (np.arange(size * inside) + 0.5) * cells / (size * inside)
    offset = np.abs(position[:, None] + 1 - np.arange(cells + 3)[None, :])
    near = 2 / 3 - offset**2 + offset**3 / 2
    far = np.maximum(2 - offset, 0.0) ** 3 / 6
    spline = np.where(offset < 1, near, far)
    return np.asarray(spline.reshape(size, inside, -1).mean(axis=1), dtype=np.float32)


def noise(rng: np.random.Generator, cells: int, size: int) -> Plane:
    """Draw smooth noise with a grain of the frame's width over ``cells``, at any size in pixels.

    Knots on a fixed grid are interpolated by cubic B-splines averaged over each pixel. Draws (cells
    + 3)^2 normal values from ``rng``.

    Args:
        rng: Source of the knots.
        cells: Number of knot intervals across the frame.
        size: Side of the frame in pixels.

    Returns:
        ``(size, size)`` float32 of mean 0 and, where pixels resolve the grain, variance about 1.
    """
    knots = rng.standard_normal((cells + 3, cells + 3), dtype=np.float32)
    weights = _spline_weights(size, cells)
    # 0.479: mean sum of squares of the four spline weights at a point, once for each axis.
    return np.asarray(weights @ knots @ weights.T / 0.479, dtype=np.float32)


@lru_cache(maxsize=8)
def grid(size: int, half: float = 1.0) -> tuple[Plane, Plane]:
    """Return coordinates of pixel centres: x ``(1, size)``, y ``(size, 1)``, in [-half, half]."""
    axis = ((np.arange(size) + 0.5) / size * 2 - 1) * half
    line = axis.astype(np.float32)
    return line[None, :], line[:, None]


def spot(x: float, y: float, width: float, size: int, half: float = 1.0) -> Plane:
    """Draw a round Gaussian of height 1 and standard deviation `width`, ``(size, size)``."""
    across, down = grid(size, half)
    return np.exp(-((across - x) ** 2 + (down - y) ** 2) / (2 * width * width))


def curve(knots: Array, *, closed: bool = True, steps: int = 12) -> Array:
    """Interpolate a smooth line through its knots (uniform Catmull-Rom splines).

    Args:
        knots: ``(N, 2)`` points (x, y), at least three.
        closed: Whether the line returns from the last knot to the first.
        steps: Points between two knots.

    Returns:
        ``(N * steps, 2)`` points; for an open line ``((N - 1) * steps + 1, 2)``.
    """
    if closed:
        around = np.concatenate([knots[-1:], knots, knots[:2]])
    else:
        around = np.concatenate([2 * knots[:1] - knots[1:2], knots, 2 * knots[-1:] - knots[-2:-1]])
    t = (np.arange(steps) / steps)[None, :, None]
    p, q, r, s = (around[k : len(around) - 3 + k, None, :] for k in range(4))
    line = 0.5 * (
        2 * q + (r - p) * t + (2 * p - 5 * q + 4 * r - s) * t**2 + (3 * (q - r) + s - p) * t**3
    )
    points = line.reshape(-1, 2)
    return np.asarray(points if closed else np.concatenate([points, knots[-1:]]), dtype=np.float64)


def fill(outline: Array, size: int, half: float = 1.0, *, soft: float = 0.0) -> Plane:
    """Return the share of each pixel inside a closed outline.

    Args:
        outline: ``(N, 2)`` corners (x, y) in order; may reach beyond the frame.
        size: Side of the frame in pixels.
        half: Half the frame's width in the units of the outline.
        soft: Standard deviation of the edge blur, in the same units.

    Returns:
        ``(size, size)`` float32 in [0, 1].
    """
    finer = max(4, -(-256 // size))
    corners = (outline + half) * (size * finer / (2 * half)) - 0.5
    canvas = Image.new("L", (size * finer, size * finer))
    ImageDraw.Draw(canvas).polygon([(float(x), float(y)) for x, y in corners], fill=255)
    share = np.asarray(canvas.reduce(finer), dtype=np.float32) / np.float32(255)
    return blur(share, soft, half) if soft > 0 else share


def blur(plane: Plane, width: float, half: float = 1.0) -> Plane:
    """Blur with a Gaussian of standard deviation `width`, in units of the frame, not pixels."""
    sigma = width * plane.shape[0] / (2 * half)
    return np.asarray(ndimage.gaussian_filter(plane, sigma, mode="nearest"), dtype=np.float32)
