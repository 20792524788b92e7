"""Three-dimensional drawing for volume phantoms: solids, smooth noise, lattices.

Coordinates are in millimetres, in the order x (to the patient's right), y (forwards), z (upwards);
arrays have the axes z, y, x. A solid is a signed distance, negative inside; for ellipsoids it is
exact near the surface and proportional elsewhere.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt
from scipy import sparse

Field = npt.NDArray[np.float32]
Point = tuple[float, float, float]
Which = tuple[npt.NDArray[np.intp], npt.NDArray[np.intp], npt.NDArray[np.intp]]


@dataclass(frozen=True)
class Points:
    """Coordinates, as three arrays of broadcastable shapes."""

    x: Field
    y: Field
    z: Field

    def select_points(self, indices: Which) -> Points:
        """Return points of a grid as flat arrays, given their indices in z, y and x."""
        k, j, i = indices
        return Points(self.x.ravel()[i], self.y.ravel()[j], self.z.ravel()[k])

    @property
    def axes(self) -> tuple[Field, Field, Field]:
        """Coordinates x, y and z."""
        return self.x, self.y, self.z

    @property
    def right_half(self) -> Points:
        """Points mirrored to the right half."""
        return Points(np.abs(self.x), self.y, self.z)


@dataclass(frozen=True)
class Raster:
    """Sampling points of a frame, several per voxel.

    Attributes:
        points: Coordinates of the points: x ``(1, 1, nx)``, y ``(1, ny, 1)`` and z ``(nz, 1, 1)``.
        points_per_edge: Points per edge of a voxel.
        spacing: Distance between points within a slice.
    """

    points: Points
    points_per_edge: int
    spacing: float

    def reduce_mean(self, fine: Field) -> Field:
        """Average over the points of each voxel: ``(..., nz, ny, nx)`` to the grid of voxels."""
        f = self.points_per_edge
        if f == 1:
            return fine
        # One axis at a time is several times as fast as one mean over three axes.
        for axis in (-3, -2, -1):
            shape = list(fine.shape)
            shape[axis : axis + 1 or None] = [shape[axis] // f, f]
            fine = fine.reshape(shape).mean(axis=axis)
        return fine


def make_raster(
    extent: Point,
    shape: tuple[int, int, int],
    points_per_edge: int,
    voxels: Sequence[slice] | None = None,
) -> Raster:
    """Make points in a frame around the origin, or in some of its voxels.

    Args:
        extent: Lengths of the frame in x, y and z.
        shape: Voxels ``(D, H, W)``.
        points_per_edge: Points per edge of a voxel.
        voxels: Voxels of interest in z, y and x; None for all.
    """
    axes: list[Field] = []
    for axis, (length, count) in enumerate(zip(extent[::-1], shape, strict=True)):
        line = (
            (np.arange(count * points_per_edge) + 0.5) / (count * points_per_edge) - 0.5
        ) * length
        line = line.reshape(count, points_per_edge)[voxels[axis] if voxels else slice(None)]
        place = [1, 1, 1]
        place[axis] = -1
        axes.append(line.reshape(place).astype(np.float32))
    z, y, x = axes
    return Raster(Points(x, y, z), points_per_edge, extent[0] / (shape[2] * points_per_edge))


def make_rotation(angles: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return the matrix ``(3, 3)`` of rotations about x, y and z, in radians."""
    matrix = np.eye(3)
    for axis, angle in enumerate(angles):
        c, s = np.cos(angle), np.sin(angle)
        one = np.eye(3)
        first, second = (axis + 1) % 3, (axis + 2) % 3
        one[[first, first, second, second], [first, second, first, second]] = c, -s, s, c
        matrix = one @ matrix
    return matrix


def compute_inside(distance: Field, soft: float) -> Field:
    """Return 1 inside a solid and 0 outside, with a linear slope of width `soft` between."""
    return np.asarray(np.clip(np.float32(0.5) - distance / np.float32(soft), 0, 1), np.float32)


def measure_ellipsoid(
    points: Points, centre: Point, radii: Point, *, pitch: float = 0.0, power: float = 2.0
) -> Field:
    """Return the signed distance to an ellipsoid.

    Args:
        points: Points to measure.
        centre: Centre.
        radii: Half lengths in x, y and z.
        pitch: Upward tilt of the front in radians.
        power: Exponent: 2 for an ellipsoid, larger is blunter.
    """
    c, s = np.float32(np.cos(pitch)), np.float32(np.sin(pitch))
    dy, dz = points.y - np.float32(centre[1]), points.z - np.float32(centre[2])
    ends = (points.x - np.float32(centre[0]), dy * c + dz * s, dz * c - dy * s)
    ratios = [np.abs(end / np.float32(radius)) for end, radius in zip(ends, radii, strict=True)]
    reach = (ratios[0] ** power + ratios[1] ** power + ratios[2] ** power + 1e-12) ** (1 / power)
    slopes = [(r ** (power - 1) / np.float32(n)) ** 2 for r, n in zip(ratios, radii, strict=True)]
    slope = slopes[0] + slopes[1] + slopes[2] + np.float32(1e-12)
    # The gradient of `reach` has the length reach^(1 - power) sqrt(slope).
    return np.asarray((reach - 1) * reach ** (power - 1) / np.sqrt(slope), np.float32)


def measure_tube(points: Points, knots: Sequence[tuple[float, float, float, float]]) -> Field:
    """Return the signed distance to a bent tube through knots (x, y, z, radius)."""
    nearest = np.full(np.broadcast(*points.axes).shape, np.inf, np.float32)
    for first, last in pairwise(knots):
        x, y, z = (axis - np.float32(s) for axis, s in zip(points.axes, first[:3], strict=True))
        i, j, k = (np.float32(b - a) for a, b in zip(first[:3], last[:3], strict=True))
        share = np.clip((x * i + y * j + z * k) / (i * i + j * j + k * k), 0, 1)
        square = (x - share * i) ** 2 + (y - share * j) ** 2 + (z - share * k) ** 2
        radius = np.float32(first[3]) + share * np.float32(last[3] - first[3])
        nearest = np.minimum(nearest, np.sqrt(square) - radius)
    return nearest


def join_solids(first: Field, second: Field, soft: float) -> Field:
    """Return the union of two solids, with edges filled over a length `soft`."""
    blend = np.clip(np.float32(soft) - np.abs(first - second), 0, None)
    return np.asarray(np.minimum(first, second) - blend**2 / np.float32(4 * soft), np.float32)


def intersect_solids(first: Field, second: Field, soft: float) -> Field:
    """Return the intersection of two solids, with edges rounded over a length `soft`."""
    return -join_solids(-first, -second, soft)


def sample_noise(rng: np.random.Generator, grain: float, points: Points, extent: Point) -> Field:
    """Sample smooth noise on a grid: cubic B-splines on random knots.

    The knots cover the whole frame at distance `grain`, so that the noise depends neither on the
    number of points nor on the part of the frame they cover.

    Args:
        rng: Random generator.
        grain: Distance between knots.
        points: Axes of the grid, as in a `Raster`.
        extent: Lengths of the frame in x, y and z.

    Returns:
        ``(nz, ny, nx)`` with mean 0 and variance about 1.
    """
    weights: list[Field] = []
    for axis, length in zip(points.axes, extent, strict=True):
        cells = max(1, round(length / grain))
        position = (axis.ravel() / np.float32(length) + np.float32(0.5)) * np.float32(cells)
        weights.append(_compute_splines(position, cells + 3))
    weights_x, weights_y, weights_z = weights
    knots = rng.standard_normal([w.shape[1] for w in weights[::-1]], dtype=np.float32)
    plane = np.tensordot(weights_z, knots, axes=1)
    lines = np.einsum("jb,iba->ija", weights_y, plane, optimize=True)
    # 0.479: mean sum of squares of the four spline weights at a point, per axis.
    return np.asarray(lines @ weights_x.T / 0.479**1.5, np.float32)


def _compute_splines(position: Field, count: int) -> Field:
    """Return weights ``(N, count)`` of uniform cubic B-splines, the first centred on -1."""
    offset = np.abs(position[:, None] + 1 - np.arange(count, dtype=np.float32)[None])
    near = 2 / 3 - offset**2 + offset**3 / 2
    far = np.maximum(2 - offset, 0) ** 3 / 6
    return np.asarray(np.where(offset < 1, near, far), np.float32)


@dataclass(frozen=True)
class Lattice:
    """Fields sampled at the nodes of a lattice.

    Attributes:
        values: ``(nz, ny, nx, C)``, one field per channel.
        origin: First node.
        step: Distance between nodes.
    """

    values: Field
    origin: Point
    step: float

    def interpolate_at(self, points: Points) -> Field:
        """Interpolate the fields at flat points, trilinearly: ``(C, N)``.

        Points outside take the value of the nearest face.
        """
        shape = self.values.shape
        cells: list[npt.NDArray[np.int32]] = []
        shares: list[Field] = []
        for axis, first, count in zip(points.axes, self.origin, shape[2::-1], strict=True):
            position = (axis - np.float32(first)) / np.float32(self.step)
            position = np.clip(position, 0, np.float32(count - 1.001))
            cell = position.astype(np.int32)
            cells.append(cell)
            shares.append(position - cell)
        (i, j, k), (u, v, w) = cells, shares
        corner = (k * shape[1] + j) * shape[2] + i
        offsets = [(dz * shape[1] + dy) * shape[2] + dx for dz, dy, dx in np.ndindex(2, 2, 2)]
        nodes = corner[:, None] + np.asarray(offsets, np.int32)
        parts = np.empty((8, len(corner)), np.float32)
        for number, (dz, dy) in enumerate(np.ndindex(2, 2)):
            share = (w if dz else 1 - w) * (v if dy else 1 - v)
            parts[2 * number + 1] = share * u
            parts[2 * number] = share - parts[2 * number + 1]
        # A sparse product takes a sixth of the time of fancy indexing.
        starts = np.arange(0, 8 * len(corner) + 1, 8, dtype=np.int32)
        weights = sparse.csr_array(
            (parts.T.ravel(), nodes.ravel(), starts), shape=(len(corner), int(np.prod(shape[:3])))
        )
        return np.ascontiguousarray((weights @ self.values.reshape(-1, shape[3])).T)
