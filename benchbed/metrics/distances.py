"""Distances between many points, as fast as a matrix product and as exact as differences."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from benchbed.metrics.features import full_float32

Float = npt.NDArray[np.float64]

_SIGMAS = 4
"""How many times the expected rounding of a product in float32 is allowed for."""

_SPARE = 3
"""Candidates beyond those asked for, so that rivals of the last one are seen."""

_PAIRS = 2**18
"""Numbers that are subtracted at once."""


class Distances:
    """Squared Euclidean distances between the rows of two matrices.

    A product of matrices in float32 finds them many times as fast as differences do, and rounds.
    So it only sorts them: whatever lies so near to a threshold that rounding could decide is
    computed anew in float64, from the difference. Answers are those of the differences.

    Args:
        first: ``(n, d)``, any real type.
        second: ``(m, d)``.
    """

    def __init__(self, first: npt.NDArray[np.floating], second: npt.NDArray[np.floating]) -> None:
        self.first, self.second = np.asarray(first), np.asarray(second)
        # About a common centre lengths are smallest, and so is the rounding.
        centre: Float = np.asarray(self.second.mean(axis=0, dtype=np.float64))
        self._x, self._x_squares = _centred(self.first, centre)
        self._y, self._y_squares = _centred(self.second, centre)
        self._error = _SIGMAS * math.sqrt(self.first.shape[1] + 1) * torch.finfo(torch.float32).eps

    def block(self, rows: slice) -> Block:
        """The distances of some rows of the first matrix."""
        x, squares = self._x[rows], self._x_squares[rows, None]
        with full_float32(torch.device("cpu")):
            rounded = torch.addmm(squares + self._y_squares, x, self._y.T, alpha=-2)
        error = self._error * (squares + self._y_squares.max())
        return Block(self, rows, rounded, error)

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


class Block:
    """Some rows of a matrix of squared distances.

    Args:
        distances: What it is a part of.
        rows: Which rows.
        rounded: Squared distances ``(r, m)`` as the product has them.
        error: How far they may be off, ``(r, 1)``.
    """

    def __init__(self, distances: Distances, rows: slice, rounded: Tensor, error: Tensor) -> None:
        self.distances, self.rounded, self.error = distances, rounded, error
        self.places = np.arange(len(distances.first))[rows]

    def within(self, limits: Float) -> npt.NDArray[np.bool_]:
        """Which squared distances are at most `limits`, of a shape that broadcasts: ``(r, m)``."""
        wide = torch.from_numpy(np.ascontiguousarray(limits)).float()
        # What is subtracted is rounded too, and the limit itself was.
        gap = self.rounded - wide
        doubtful = (gap.abs() <= self.error).nonzero().numpy()
        inside: npt.NDArray[np.bool_] = (gap <= 0).numpy()
        row, column = doubtful.T
        exact = self.distances.exactly(self.places[row], column)
        inside[row, column] = exact <= np.broadcast_to(limits, inside.shape)[row, column]
        return inside

    def smallest(self, count: int) -> Float:
        """The squared distance that is the `count`-th smallest of each row, ``(r,)``."""
        kept = min(count + _SPARE, self.rounded.shape[1])
        values, columns = self.rounded.topk(kept, dim=1, largest=False)
        # The one sought lies within the error of the rounded one, and so do its rivals.
        apart = values - values[:, count - 1 : count]
        rivals = (apart.abs() <= 2 * self.error).numpy()
        row, _ = rivals.nonzero()
        exact = np.where(apart.numpy() < 0, -np.inf, np.inf)
        exact[rivals] = self.distances.exactly(self.places[row], columns.numpy()[rivals])
        found: Float = np.partition(exact, count - 1, axis=1)[:, count - 1]
        if kept < self.rounded.shape[1]:
            for place in np.flatnonzero(rivals[:, -1]):  # some may have been left out
                found[place] = self._exact_row(int(place))[count - 1]
        return found

    def _exact_row(self, place: int) -> Float:
        """All distances of one row, sorted."""
        columns = np.arange(self.rounded.shape[1])
        row = np.full(len(columns), self.places[place])
        return np.sort(self.distances.exactly(row, columns))


def _centred(points: npt.NDArray[np.floating], centre: Float) -> tuple[Tensor, Tensor]:
    """Points about a centre in float32, and their squared lengths."""
    # Subtracted as they are given: what is brought to float32 first has lost its last digits.
    moved = (points - centre.astype(points.dtype)).astype(np.float32, copy=False)
    return (about := torch.from_numpy(moved)), about.square().sum(1)
