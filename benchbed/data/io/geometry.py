"""The position of a volume's voxels in the patient, in millimetres."""

from __future__ import annotations

import itertools
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from benchbed.errors import BenchbedError

Affine = npt.NDArray[np.float64]

MAX_SPACING = 1000.0
"""Maximum distance of voxels in millimetres: a larger one is in another unit, or damaged."""

_MIN_DETERMINANT = 1e-3
"""Minimum determinant of an affine's unit axes; below, two axes have nearly the same direction."""


@dataclass(frozen=True)
class Geometry:
    """Size, spacing and position of a volume in standard orientation.

    Attributes:
        shape: ``(D, H, W)``, growing towards superior, anterior and right.
        affine: ``(4, 4)``, from a voxel's (column, row, slice) to millimetres (right, anterior,
            superior).
    """

    shape: tuple[int, int, int]
    affine: Affine

    @property
    def spacing(self) -> tuple[float, float, float]:
        """Distance of neighbouring voxels along ``(D, H, W)`` in millimetres."""
        column, row, depth = measure_spacing(self.affine)
        return depth, row, column


def measure_spacing(affine: Affine) -> tuple[float, float, float]:
    """Return the distances of neighbouring voxels along the first three axes, in millimetres."""
    first, second, third = np.sqrt((affine[:3, :3] ** 2).sum(axis=0))
    return float(first), float(second), float(third)


def check_affine(path: Path, affine: Affine) -> None:
    """Raise if an affine cannot be that of a scan.

    Raises:
        BenchbedError: A spacing is not a number, 0, or more than a metre, or the axes span no
            volume.
    """
    spacing = measure_spacing(affine)
    if not np.isfinite(affine).all() or min(spacing) <= 0 or max(spacing) > MAX_SPACING:
        raise BenchbedError(
            f"{path} has a voxel spacing of {' x '.join(f'{value:g}' for value in spacing)} mm. "
            f"The header must state a spacing above 0 and up to {MAX_SPACING:g} mm on every axis."
        )
    if abs(np.linalg.det(affine[:3, :3] / spacing)) < _MIN_DETERMINANT:
        raise BenchbedError(
            f"{path} has a header whose axes do not span a volume. Correct its orientation."
        )


def parse_geometry(facts: Mapping[str, str]) -> Geometry:
    """Return the geometry in the facts of a volume, of an image or a mask."""
    depth, height, width = map(int, facts["shape"].split("x")[-3:])
    return Geometry((depth, height, width), np.asarray(json.loads(facts["affine"]), float))


def measure_offset(one: Geometry, other: Geometry) -> float:
    """Measure the offset of two equally large volumes.

    Returns:
        The largest distance of corresponding corners, in voxels of `one` along an axis.
    """
    ends = [(0, length - 1) for length in one.shape[::-1]]
    corners = np.asarray([(*corner, 1) for corner in itertools.product(*ends)], float).T
    return float(np.abs(np.linalg.solve(one.affine, other.affine @ corners) - corners).max())
