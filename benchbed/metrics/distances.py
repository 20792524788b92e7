"""Distances between many points, as fast as a matrix product and as exact as differences."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional as F

from benchbed.metrics.features import full_float32

Float = npt.NDArray[np.float64]
Points = npt.NDArray[np.floating]

_SIGMAS = 4
"""How many times the expected rounding of a product in float32 is allowed for."""

_SPARE = 3
"""Candidates beyond those asked for, so that rivals of the last one are seen."""

_PAIRS = 2**18
"""Numbers that are subtracted at once."""

_TILE = 1024
"""Rows and columns of the matrix of distances that are held at once, so that memory does not grow
with it."""


class Distances:
    """Squared Euclidean distances between the rows of two matrices.

    A product of matrices in float32 finds them many times as fast as differences do, and rounds.
    So it only sorts them: whatever lies so near to a threshold that rounding could decide is
    computed anew in float64, from the difference. Answers are those of the differences.

    Args:
        first: ``(n, d)``, any real type.
        second: ``(m, d)``; the first once more unless given.
    """

    def __init__(self, first: Points, second: Points | None = None) -> None:
        self.first = np.asarray(first)
        self.second = self.first if second is None else np.asarray(second)
        # About a common centre lengths are smallest, and so is the rounding.
        centre: Float = np.asarray(self.second.mean(axis=0, dtype=np.float64))
        self._y = _Packed(self.second, centre)
        self._alone = second is None
        self._x = self._y if self._alone else _Packed(self.first, centre)
        sigma = math.sqrt(self.first.shape[1] + 1) * torch.finfo(torch.float32).eps
        longest = max(float(part.max()) for part in self._y.squares)
        self.errors = _SIGMAS * sigma * (torch.cat(self._x.squares)[:, None] + longest)
        """How far products may be off, ``(n, 1)``."""

    def tiles(self) -> Iterator[Tile]:
        """The matrix in parts; of a set with itself only those on its diagonal and above."""
        for row, x in enumerate(self._x.parts):
            for column in range(row if self._alone else 0, len(self._y.parts)):
                with full_float32(torch.device("cpu")):
                    products = F.linear(x, self._y.parts[column]).to_dense()
                lengths = self._x.squares[row][:, None], self._y.squares[column]
                rounded = products.mul_(-2).add_(lengths[0]).add_(lengths[1])
                yield Tile(self, row * _TILE, column * _TILE, rounded)

    def smallest(self, count: int) -> Float:
        """The squared distance that is the `count`-th smallest of each row, ``(n,)``."""
        kept = min(count + _SPARE, len(self.second))
        nearest = _Nearest.none(len(self.first), kept)
        for tile in self.tiles():
            nearest.add(tile.rows, tile.columns, tile.rounded)
            if self._alone and tile.rows != tile.columns:
                nearest.add(tile.columns, tile.rows, tile.rounded.T.contiguous())
        # The one sought lies within the error of the rounded one, and so do its rivals.
        apart = nearest.values - nearest.values[:, count - 1 : count]
        rivals = (apart.abs() <= 2 * self.errors).numpy()
        exact = np.where(apart.numpy() < 0, -np.inf, np.inf)
        exact[rivals] = self.exactly(rivals.nonzero()[0], nearest.columns.numpy()[rivals])
        found: Float = np.partition(exact, count - 1, axis=1)[:, count - 1]
        if kept < len(self.second):
            for row in np.flatnonzero(rivals[:, -1]):  # some may have been left out
                found[row] = self._exact_row(int(row))[count - 1]
        return found

    def exactly(self, rows: npt.NDArray[np.int64], columns: npt.NDArray[np.int64]) -> Float:
        """Squared distances of pairs, given by the places of both, from their differences."""
        found = np.empty(len(rows))
        step = max(1, _PAIRS // self.first.shape[1])
        for start in range(0, len(rows), step):
            part = slice(start, start + step)
            ends = self.first[rows[part]].astype(np.float64)
            ends -= self.second[columns[part]]
            found[part] = np.einsum("ij,ij->i", ends, ends)
        return found

    def _exact_row(self, row: int) -> Float:
        """All distances of one row, sorted."""
        columns = np.arange(len(self.second))
        return np.sort(self.exactly(np.full(len(columns), row), columns))


class Tile:
    """A part of a matrix of squared distances.

    Args:
        distances: What it is a part of.
        top: Its first row.
        left: Its first column.
        rounded: Squared distances ``(r, c)`` as the product has them.
    """

    def __init__(self, distances: Distances, top: int, left: int, rounded: Tensor) -> None:
        height, width = rounded.shape
        self.distances, self.rounded = distances, rounded
        self.rows, self.columns = slice(top, top + height), slice(left, left + width)

    def within(self, limits: Float) -> npt.NDArray[np.bool_]:
        """Which squared distances are at most `limits`, of a shape that broadcasts: ``(r, c)``."""
        wide = torch.from_numpy(np.ascontiguousarray(limits)).float()
        # What is subtracted is rounded too, and the limit itself was.
        gap = self.rounded - wide
        inside: npt.NDArray[np.bool_] = (gap <= 0).numpy()
        doubtful = gap.abs_() <= self.distances.errors[self.rows]
        row, column = doubtful.nonzero().numpy().T
        exact = self.distances.exactly(row + self.rows.start, column + self.columns.start)
        inside[row, column] = exact <= np.broadcast_to(limits, inside.shape)[row, column]
        return inside


@dataclass
class _Nearest:
    """The smallest distances of each row among those seen, as the product has them.

    Attributes:
        values: ``(n, kept)``, ascending.
        columns: Where they are.
    """

    values: Tensor
    columns: Tensor

    @classmethod
    def none(cls, rows: int, kept: int) -> _Nearest:
        """Before any was seen."""
        return cls(torch.full((rows, kept), torch.inf), torch.zeros((rows, kept), dtype=torch.long))

    def add(self, rows: slice, columns: slice, rounded: Tensor) -> None:
        """See those of some rows and columns, ``(r, c)``."""
        kept = self.values.shape[1]
        few = rounded.topk(min(kept, rounded.shape[1]), dim=1, largest=False)
        values = torch.cat([self.values[rows], few.values], dim=1)
        places = torch.cat([self.columns[rows], few.indices + columns.start], dim=1)
        self.values[rows], order = values.topk(kept, dim=1, largest=False)
        self.columns[rows] = places.gather(1, order)


class _Packed:
    """Points about a centre, in parts and ready for products.

    Attributes:
        parts: `_TILE` points each, in float32.
        squares: Their squared lengths.
    """

    def __init__(self, points: Points, centre: Float) -> None:
        self.parts, self.squares = [], []
        # By oneDNN a product is twice as fast as by MKL on some processors.
        packed = torch.backends.mkldnn.is_available()
        for start in range(0, len(points), _TILE):
            # Subtracted as they are given: brought to float32 first they lose their last digits.
            part: Points = points[start : start + _TILE] - centre.astype(points.dtype)
            part = part.astype(np.float32, copy=False)
            moved = torch.from_numpy(part)
            self.parts.append(moved.to_mkldnn() if packed else moved)
            self.squares.append(torch.from_numpy(np.einsum("ij,ij->i", part, part)))
