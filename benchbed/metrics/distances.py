"""Distances between many points, as fast as a matrix product and as exact as differences."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional as F


@contextlib.contextmanager
def disable_reduced_precision(device: torch.device) -> Iterator[None]:
    """Disable TF32, bfloat16 and autocast: features must not depend on training settings."""
    backends: Any = torch.backends
    settings = (
        backends.cuda.matmul,
        backends.cudnn.conv,
        backends.mkldnn.matmul,
        backends.mkldnn.conv,
    )
    previous = [setting.fp32_precision for setting in settings]
    try:
        for setting in settings:
            setting.fp32_precision = "ieee"
        with torch.autocast(device.type, enabled=False):
            yield
    finally:
        for setting, value in zip(settings, previous, strict=True):
            setting.fp32_precision = value


Float = npt.NDArray[np.float64]
Points = npt.NDArray[np.floating]

_ROUNDING_SIGMAS = 4
"""Tolerance for the rounding of a float32 product, in expected standard deviations."""

_EXTRA_CANDIDATES = 3
"""Candidates beyond the requested number, so that ties of the last one are seen."""

_PAIRS_PER_CHUNK = 2**18
"""Values subtracted at once."""

_TILE_SIZE = 1024
"""Rows and columns of a tile of the distance matrix; bounds memory."""


class SquaredDistances:
    """Squared Euclidean distances between the rows of two matrices.

    A float32 matrix product is many times as fast as differences, but rounds. So it is used only
    for a first decision: values so close to a threshold that rounding could matter are computed
    again from differences in float64. Results equal those of differences.

    Args:
        first: ``(n, d)``, any real dtype.
        second: ``(m, d)``; default: `first`.
    """

    def __init__(self, first: Points, second: Points | None = None) -> None:
        self.first = np.asarray(first)
        self.second = self.first if second is None else np.asarray(second)
        # Centring makes lengths, and so rounding errors, smallest.
        centre: Float = np.asarray(self.second.mean(axis=0, dtype=np.float64))
        self._y = _PackedPoints(self.second, centre)
        self._has_one_set = second is None
        self._x = self._y if self._has_one_set else _PackedPoints(self.first, centre)
        sigma = math.sqrt(self.first.shape[1] + 1) * torch.finfo(torch.float32).eps
        longest = max(float(part.max()) for part in self._y.squares)
        self.errors = _ROUNDING_SIGMAS * sigma * (torch.cat(self._x.squares)[:, None] + longest)
        """Bounds of the rounding error of products, ``(n, 1)``."""

    def iter_tiles(self) -> Iterator[DistanceTile]:
        """Iterate over tiles of the matrix; for a set with itself, only the upper triangle."""
        for row, x in enumerate(self._x.parts):
            for column in range(row if self._has_one_set else 0, len(self._y.parts)):
                with disable_reduced_precision(torch.device("cpu")):
                    products = F.linear(x, self._y.parts[column]).to_dense()
                lengths = self._x.squares[row][:, None], self._y.squares[column]
                rounded = products.mul_(-2).add_(lengths[0]).add_(lengths[1])
                yield DistanceTile(self, row * _TILE_SIZE, column * _TILE_SIZE, rounded)

    def find_kth_smallest(self, count: int) -> Float:
        """Return the `count`-th smallest squared distance of each row, ``(n,)``."""
        candidates = min(count + _EXTRA_CANDIDATES, len(self.second))
        nearest = _NearestTracker.create_empty(len(self.first), candidates)
        for tile in self.iter_tiles():
            nearest.add(tile.rows, tile.columns, tile.rounded)
            if self._has_one_set and tile.rows != tile.columns:
                nearest.add(tile.columns, tile.rows, tile.rounded.T.contiguous())
        # The true neighbour, and its ties, are within twice the error of the rounded one.
        gaps = nearest.values - nearest.values[:, count - 1 : count]
        rivals = (gaps.abs() <= 2 * self.errors).numpy()
        exact = np.where(gaps.numpy() < 0, -np.inf, np.inf)
        exact[rivals] = self.compute_exact(rivals.nonzero()[0], nearest.columns.numpy()[rivals])
        result: Float = np.partition(exact, count - 1, axis=1)[:, count - 1]
        if candidates < len(self.second):
            for row in np.flatnonzero(rivals[:, -1]):  # ties may exist beyond the candidates
                result[row] = self._compute_exact_row(int(row))[count - 1]
        return result

    def compute_exact(self, rows: npt.NDArray[np.int64], columns: npt.NDArray[np.int64]) -> Float:
        """Compute squared distances of pairs, given by row and column, from differences."""
        result = np.empty(len(rows))
        step = max(1, _PAIRS_PER_CHUNK // self.first.shape[1])
        for start in range(0, len(rows), step):
            part = slice(start, start + step)
            differences = self.first[rows[part]].astype(np.float64)
            differences -= self.second[columns[part]]
            result[part] = np.einsum("ij,ij->i", differences, differences)
        return result

    def _compute_exact_row(self, row: int) -> Float:
        columns = np.arange(len(self.second))
        return np.sort(self.compute_exact(np.full(len(columns), row), columns))


class DistanceTile:
    """A tile of a matrix of squared distances.

    Args:
        distances: The whole matrix.
        top: First row.
        left: First column.
        rounded: Squared distances ``(r, c)`` from the product.
    """

    def __init__(self, distances: SquaredDistances, top: int, left: int, rounded: Tensor) -> None:
        height, width = rounded.shape
        self.distances, self.rounded = distances, rounded
        self.rows, self.columns = slice(top, top + height), slice(left, left + width)

    def find_within(self, limits: Float, *, closed: bool = True) -> npt.NDArray[np.bool_]:
        """Return which squared distances are at most `limits`, or below them if not `closed`.

        The limits broadcast to ``(r, c)``.
        """
        rounded_limits = torch.from_numpy(np.ascontiguousarray(limits)).float()
        # The difference and the limit are rounded too; `_ROUNDING_SIGMAS` covers both.
        gap = self.rounded - rounded_limits
        inside: npt.NDArray[np.bool_] = (gap <= 0).numpy()
        doubtful = gap.abs_() <= self.distances.errors[self.rows]
        row, column = doubtful.nonzero().numpy().T
        exact = self.distances.compute_exact(row + self.rows.start, column + self.columns.start)
        edges = np.broadcast_to(limits, inside.shape)[row, column]
        inside[row, column] = exact <= edges if closed else exact < edges
        return inside


@dataclass
class _NearestTracker:
    """The smallest rounded distances of each row so far.

    Attributes:
        values: ``(n, k)``, ascending.
        columns: Their columns.
    """

    values: Tensor
    columns: Tensor

    @classmethod
    def create_empty(cls, rows: int, k: int) -> _NearestTracker:
        return cls(torch.full((rows, k), torch.inf), torch.zeros((rows, k), dtype=torch.long))

    def add(self, rows: slice, columns: slice, rounded: Tensor) -> None:
        """Update with a tile ``(r, c)``."""
        count = self.values.shape[1]
        nearest = rounded.topk(min(count, rounded.shape[1]), dim=1, largest=False)
        values = torch.cat([self.values[rows], nearest.values], dim=1)
        indices = torch.cat([self.columns[rows], nearest.indices + columns.start], dim=1)
        self.values[rows], order = values.topk(count, dim=1, largest=False)
        self.columns[rows] = indices.gather(1, order)


class _PackedPoints:
    """Centred points, split and packed for matrix products.

    Attributes:
        parts: `_TILE_SIZE` points each, in float32.
        squares: Their squared lengths.
    """

    def __init__(self, points: Points, centre: Float) -> None:
        self.parts, self.squares = [], []
        # A product by oneDNN is twice as fast as by MKL on some processors.
        packed = torch.backends.mkldnn.is_available()
        for start in range(0, len(points), _TILE_SIZE):
            # Subtract in the original dtype: float32 would lose the last digits.
            part: Points = points[start : start + _TILE_SIZE] - centre.astype(points.dtype)
            part = part.astype(np.float32, copy=False)
            tensor = torch.from_numpy(part)
            self.parts.append(tensor.to_mkldnn() if packed else tensor)
            self.squares.append(torch.from_numpy(np.einsum("ij,ij->i", part, part)))
