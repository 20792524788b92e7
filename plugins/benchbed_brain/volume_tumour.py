"""Tumours of the volume phantom: gliomas with a core, mostly an enhancing rim, and oedema."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from benchbed_brain.volume_anatomy import Anatomy, build_standard_brain
from benchbed_brain.volume_fields import Field, Point, Points, compute_inside

LOW_GRADE_SHARE = 0.1
"""Share of non-enhancing tumours."""

VOLUME_RANGE = (8e3, 48e3)
"""Range of the volume of core and rim in mm^3; log-uniform."""


@dataclass(frozen=True)
class Tumour:
    """Tumour in the coordinates of the standard brain.

    Attributes:
        centre: Centre.
        radius: Mean radius of core and rim.
        radii: Half lengths on three axes over `radius`; their product is 1.
        axes: These axes, the rows of ``(3, 3)``.
        rim: Thickness of the enhancing rim, or 0.
        oedema: Extent of the oedema beyond the surface.
        push: Share of the tumour volume that displaces the brain.
    """

    centre: Point
    radius: float
    radii: Point
    axes: npt.NDArray[np.float64]
    rim: float
    oedema: float
    push: float

    def measure_distance(self, points: Points) -> Field:
        """Return the distance of flat points to the smooth surface, negative inside."""
        offset = np.stack(
            [a - np.float32(c) for a, c in zip(points.axes, self.centre, strict=True)]
        )
        stretched = (self.axes / np.asarray(self.radii)[:, None]).astype(np.float32) @ offset
        return np.asarray(np.sqrt((stretched**2).sum(axis=0)) - np.float32(self.radius))

    def push_points(self, points: Points, room: Field) -> Points:
        """Return the position of flat points before the tumour displaced them.

        A point at distance d from the centre moves to the cube root of d^3 + push r^3; less near
        the rigid skull.

        Args:
            points: Points to map back.
            room: Mobility of each point in [0, 1].
        """
        offset = [a - np.float32(c) for a, c in zip(points.axes, self.centre, strict=True)]
        square = offset[0] ** 2 + offset[1] ** 2 + offset[2] ** 2
        distance = np.sqrt(np.maximum(square, np.float32(1)))
        original = np.cbrt(np.maximum(square * distance - self.push * self.radius**3, 0))
        fading = np.exp(-square / np.float32(2 * 45**2))
        share = room * fading * (1 - original / distance)
        return Points(*(a - share * w for a, w in zip(points.axes, offset, strict=True)))


def sample_tumour(lowest: float, highest: float, rng: np.random.Generator) -> Tumour:
    """Sample a tumour in the hemispheres.

    Args:
        lowest: Minimum height of the centre.
        highest: Maximum height of the centre.
        rng: Random generator.
    """
    volume = float(np.exp(rng.uniform(*np.log(VOLUME_RANGE))))
    radius = (volume * 3 / (4 * np.pi)) ** (1 / 3)
    centres, depths = _find_places()
    fitting = (centres[:, 2] > lowest) & (centres[:, 2] < highest) & (depths > 4 + 0.5 * radius)
    x, y, z = (float(v) for v in centres[rng.choice(np.flatnonzero(fitting))])
    side = 1.0 if rng.random() < 0.5 else -1.0
    enhancing = rng.random() >= LOW_GRADE_SHARE
    stretch = np.exp(rng.normal(0.0, 0.16, 3))
    stretch /= np.cbrt(stretch.prod())
    axes = np.linalg.qr(rng.normal(size=(3, 3)))[0]
    return Tumour(
        centre=(side * x, y, z),
        radius=radius,
        radii=(float(stretch[0]), float(stretch[1]), float(stretch[2])),
        axes=axes,
        rim=radius * rng.uniform(0.22, 0.45) if enhancing else 0.0,
        oedema=rng.uniform(8.0, 19.0) if enhancing else rng.uniform(3.0, 9.0),
        push=rng.uniform(0.2, 0.7),
    )


@lru_cache(maxsize=1)
def _find_places() -> tuple[npt.NDArray[np.float32], Field]:
    """Find possible centres ``(N, 3)`` in the standard brain, and their depths."""
    lattice = build_standard_brain()
    anatomy = Anatomy(*np.moveaxis(lattice.values, -1, 0))
    fit = (anatomy.cerebrum < -9) & (anatomy.bridges > 4) & (anatomy.ventricles > 5)
    fit &= anatomy.cisterns > 8
    found = np.asarray(lattice.origin + np.argwhere(fit)[:, ::-1] * lattice.step, np.float32)
    return found, -anatomy.cerebrum[fit]


def compute_tumour_shares(
    growth: Tumour,
    points: Points,
    ragged: Field,
    tissue: tuple[Field, Field],
    soft: float,
) -> Field:
    """Compute the shares ``(3, N)`` of core, oedema and enhancing rim.

    Args:
        growth: The tumour.
        points: Flat points in standard coordinates.
        ragged: Smooth noise ``(2, N)`` of variance 1, for irregular surfaces.
        tissue: Shares of fluid and of grey matter.
        soft: Width of the slope across a surface.
    """
    fluid, grey = tissue
    first, second = ragged
    depth = growth.measure_distance(points) + np.float32(growth.radius) * (
        0.18 * first + 0.08 * second
    )
    dry = 1 - fluid
    body = compute_inside(depth, soft) * dry
    # Oedema spreads in the white matter, spares the cortex, and crosses the midline only where the
    # hemispheres are joined.
    other = np.maximum(-points.x * np.float32(np.sign(growth.centre[0])), 0)
    reach = np.float32(growth.oedema) * (1 + np.float32(0.5) * second) - 7 * grey - 2 * other
    oedema = compute_inside(depth - np.maximum(reach, 0), max(soft, 3.0)) * dry * (1 - body)
    if growth.rim <= 0:
        return np.stack([body, oedema, np.zeros_like(body)])
    # The rim varies in thickness and is seldom closed.
    thick = np.float32(growth.rim) * (1 + np.float32(0.45) * np.clip(second, -2, 1))
    core = np.minimum(compute_inside(depth + thick, soft) * dry, body)
    return np.stack([core, oedema, body - core])
