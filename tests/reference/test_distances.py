"""Distances by a matrix product equal those by differences, with ties and duplicates too."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.spatial.distance import cdist

from benchbed.metrics.distances import SquaredDistances

Points = NDArray[np.float32]


def squares(first: Points, second: Points) -> NDArray[np.float64]:
    """Return squared distances from differences in float64."""
    return np.asarray(cdist(first.astype(float), second.astype(float), "sqeuclidean"))


def points(kind: str) -> tuple[Points, Points]:
    """Return two sets for which rounding errors could change a comparison."""
    rng = np.random.default_rng(0)
    if kind == "far from the origin":
        first, second = 1e4 + rng.standard_normal((2, 40, 300))
    elif kind == "on a grid, with many ties":
        first, second = rng.integers(0, 3, (2, 60, 5)).astype(float)
    elif kind == "copies":
        first = np.repeat(rng.standard_normal((4, 64)), 10, axis=0)
        second = first[::-1]
    else:
        first, second = np.maximum(rng.standard_normal((2, 50, 2048)), 0)
    return first.astype(np.float32), second.astype(np.float32)


KINDS = ["features", "far from the origin", "on a grid, with many ties", "copies"]


@pytest.mark.parametrize("kind", KINDS)
def test_comparisons_match_differences(kind: str) -> None:
    """Each distance is used as a limit in turn, so that every comparison has a tie."""
    first, second = points(kind)
    distances = SquaredDistances(first, second)
    rows, columns = np.divmod(np.arange(len(first) * len(second)), len(second))
    exact = distances.compute_exact(rows, columns).reshape(len(first), len(second))
    np.testing.assert_allclose(exact, squares(first, second), rtol=1e-12, atol=1e-12)
    [tile] = distances.iter_tiles()
    for column in range(0, len(second), 7):
        limits = exact[:, column : column + 1]
        np.testing.assert_array_equal(tile.find_within(limits), exact <= limits)
    np.testing.assert_array_equal(tile.find_within(exact[:1]), exact <= exact[:1])


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("count", [1, 3, 6])
@pytest.mark.parametrize("size", [7, 16, 1024])
def test_smallest_distances_match_differences(
    kind: str, count: int, size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The count-th smallest of each row equals that of the sorted differences, to 1e-12.

    For two sets and for one set with itself (which computes only the tiles above the diagonal),
    with tiles smaller than the matrix, dividing it evenly or not, or covering it.
    """
    monkeypatch.setattr("benchbed.metrics.distances._TILE_SIZE", size)
    first, second = points(kind)
    for found, targets in (
        (SquaredDistances(first, second).find_kth_smallest(count), second),
        (SquaredDistances(first).find_kth_smallest(count), first),
    ):
        expected = np.sort(squares(first, targets), axis=1)[:, count - 1]
        np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-12)


def test_tiles_cover_the_matrix(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every pair is in exactly one tile, with the same result as in the full matrix."""
    monkeypatch.setattr("benchbed.metrics.distances._TILE_SIZE", 16)
    first, second = points("on a grid, with many ties")
    second = second[:35]
    exact, found = squares(first, second), np.full((len(first), len(second)), -1)
    for tile in SquaredDistances(first, second).iter_tiles():
        assert (found[tile.rows, tile.columns] == -1).all()
        found[tile.rows, tile.columns] = tile.find_within(exact[tile.rows, 3:4])
    np.testing.assert_array_equal(found, exact <= exact[:, 3:4])


def test_rounding_errors_are_far_below_the_bound() -> None:
    """With 2048-dimensional features the error is at most a tenth of the bound."""
    first, second = points("features")
    distances = SquaredDistances(first, second)
    [tile] = distances.iter_tiles()
    error = np.abs(tile.rounded.numpy() - squares(first, second))
    assert (error <= 0.1 * distances.errors.numpy()).all()
