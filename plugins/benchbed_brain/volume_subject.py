"""Subject of the volume phantom: position in the frame and deviation from the standard brain."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from benchbed_brain.volume_fields import Point, Points, make_rotation
from benchbed_brain.volume_tumour import Tumour, sample_tumour

FRAME_LENGTHS: Point = (240.0, 240.0, 108.0)
"""Lengths of the frame in x, y and z in mm, those of BraTS (Shin et al. 2018, section 4.1)."""


@dataclass(frozen=True)
class Head:
    """Differences between a subject and the standard brain.

    Attributes:
        turn: Rotation ``(3, 3)`` from the frame to the head.
        place: Anterior commissure in the frame.
        scale: Standard lengths over those of the subject, in x, y and z.
        bend: Strength of random local deformation in mm.
        age: 0 for a young brain, 1 for an atrophied one with wide ventricles and clefts.
        ventricles: Extra width of the ventricles in mm.
        growth: Tumour, or None.
    """

    turn: npt.NDArray[np.float64]
    place: npt.NDArray[np.float64]
    scale: npt.NDArray[np.float64]
    bend: float
    age: float
    ventricles: float
    growth: Tumour | None

    def to_standard(self, points: Points) -> Points:
        """Transform points of the frame to standard coordinates, before deformation."""
        matrix = (self.scale[:, None] * self.turn).astype(np.float32)
        x, y, z = (axis - np.float32(p) for axis, p in zip(points.axes, self.place, strict=True))
        return Points(*(row[0] * x + row[1] * y + row[2] * z for row in matrix))


def sample_head(rng: np.random.Generator, *, sick: bool) -> Head:
    """Sample a head, young or old."""
    size = rng.normal(0.0, 0.03)
    scale = np.exp(size + rng.normal(0.0, 0.022, 3)) * (1.05, 1.06, 1.09)
    place = np.asarray([0.0, 6.0, -14.0]) + rng.normal(0.0, 1.0, 3) * (1.5, 4.0, 3.0)
    age = float(rng.beta(1.3, 1.8))
    # Lower and upper edges of the frame, with room for half a tumour.
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
