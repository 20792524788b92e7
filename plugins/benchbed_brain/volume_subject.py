"""A subject of the volume phantom: how it lies in the frame and differs from the standard brain."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from benchbed_brain.volume_fields import Point, Points, make_rotation
from benchbed_brain.volume_tumour import Tumour, sample_tumour

FRAME_LENGTHS: Point = (240.0, 240.0, 108.0)
"""Lengths of the frame along x, y and z in mm, those of BraTS after Shin et al. 2018, 4.1."""


@dataclass(frozen=True)
class Head:
    """How a subject differs from the standard brain.

    Attributes:
        turn: Rotation ``(3, 3)`` from the frame to the head.
        place: The anterior commissure in the frame.
        scale: The standard brain's lengths over the subject's own, along x, y and z.
        bend: By how many mm the brain is bent here and there.
        age: 0 is a young brain, 1 a shrunken one with wide ventricles and clefts.
        ventricles: By how many mm the ventricles are wider than in the standard brain.
        growth: A tumour, or None.
    """

    turn: npt.NDArray[np.float64]
    place: npt.NDArray[np.float64]
    scale: npt.NDArray[np.float64]
    bend: float
    age: float
    ventricles: float
    growth: Tumour | None

    def to_standard(self, at: Points) -> Points:
        """Points of the frame in the standard brain's coordinates, before it is bent."""
        matrix = (self.scale[:, None] * self.turn).astype(np.float32)
        x, y, z = (axis - np.float32(p) for axis, p in zip(at.axes, self.place, strict=True))
        return Points(*(row[0] * x + row[1] * y + row[2] * z for row in matrix))


def sample_head(rng: np.random.Generator, *, sick: bool) -> Head:
    """Somebody's head; the old are as frequent as the young."""
    size = rng.normal(0.0, 0.03)
    scale = np.exp(size + rng.normal(0.0, 0.022, 3)) * (1.05, 1.06, 1.09)
    place = np.asarray([0.0, 6.0, -14.0]) + rng.normal(0.0, 1.0, 3) * (1.5, 4.0, 3.0)
    age = float(rng.beta(1.3, 1.8))
    # Where the frame's lower and upper edges lie, with room for half a tumour.
    lowest, highest = ((edge - place[2]) * scale[2] for edge in (-54 + 16, 54 - 16))
    return Head(
        turn=make_rotation(rng.normal(0.0, 1.0, 3) * (0.08, 0.05, 0.05)),
        place=place,
        scale=scale,
        bend=3.0,
        age=age,
        ventricles=rng.normal(-1.0, 0.6) + 4.5 * age**1.5,
        growth=sample_tumour(lowest, highest, rng) if sick else None,
    )
