"""Tumours of the volume phantom: gliomas with a core, most with an enhancing rim, and oedema."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from benchbed_brain.volume_anatomy import Anatomy, build_standard_brain
from benchbed_brain.volume_fields import Field, Point, Points, compute_inside

LOW_GRADE_SHARE = 0.1
"""Share of tumours that do not enhance."""

VOLUME_RANGE = (8e3, 48e3)
"""Volumes of core and rim in cubic millimetres, even on a logarithmic scale."""


@dataclass(frozen=True)
class Tumour:
    """A tumour in the standard brain's coordinates.

    Attributes:
        centre: Its centre.
        radius: Its mean radius, core and rim.
        radii: Its half lengths along three axes over `radius`; their product is 1.
        axes: These axes, ``(3, 3)``, a row each.
        rim: Thickness of what enhances; 0 where nothing does.
        oedema: How far the oedema reaches beyond.
        push: Share of its volume by which it pushes the brain aside.
    """

    centre: Point
    radius: float
    radii: Point
    axes: npt.NDArray[np.float64]
    rim: float
    oedema: float
    push: float

    def measure_distance(self, at: Points) -> Field:
        """Distance to its surface if that were smooth, negative inside, at flat points."""
        away = np.stack([a - np.float32(c) for a, c in zip(at.axes, self.centre, strict=True)])
        stretched = (self.axes / np.asarray(self.radii)[:, None]).astype(np.float32) @ away
        return np.asarray(np.sqrt((stretched**2).sum(axis=0)) - np.float32(self.radius))

    def push_points(self, at: Points, room: Field) -> Points:
        """Where in the brain before the tumour each flat point came from.

        What lay at distance d from the centre lies at the cube root of d^3 + push r^3, less so
        near the skull, which does not yield.

        Args:
            at: The points.
            room: Share in [0, 1] of the way that each of them could go.
        """
        away = [a - np.float32(c) for a, c in zip(at.axes, self.centre, strict=True)]
        square = away[0] ** 2 + away[1] ** 2 + away[2] ** 2
        distance = np.sqrt(np.maximum(square, np.float32(1)))
        before = np.cbrt(np.maximum(square * distance - self.push * self.radius**3, 0))
        fading = np.exp(-square / np.float32(2 * 45**2))
        share = room * fading * (1 - before / distance)
        return Points(*(a - share * w for a, w in zip(at.axes, away, strict=True)))


def sample_tumour(lowest: float, highest: float, rng: np.random.Generator) -> Tumour:
    """A tumour somewhere in the hemispheres.

    Args:
        lowest: Least height of its centre that the picture shows well.
        highest: Greatest height.
        rng: Source of the lots.
    """
    volume = float(np.exp(rng.uniform(*np.log(VOLUME_RANGE))))
    radius = (volume * 3 / (4 * np.pi)) ** (1 / 3)
    places, depths = _find_places()
    fitting = (places[:, 2] > lowest) & (places[:, 2] < highest) & (depths > 4 + 0.5 * radius)
    x, y, z = (float(v) for v in places[rng.choice(np.flatnonzero(fitting))])
    side = 1.0 if rng.random() < 0.5 else -1.0
    enhancing = rng.random() >= LOW_GRADE_SHARE
    longer = np.exp(rng.normal(0.0, 0.16, 3))
    longer /= np.cbrt(longer.prod())
    turn = np.linalg.qr(rng.normal(size=(3, 3)))[0]
    return Tumour(
        centre=(side * x, y, z),
        radius=radius,
        radii=(float(longer[0]), float(longer[1]), float(longer[2])),
        axes=turn,
        rim=radius * rng.uniform(0.22, 0.45) if enhancing else 0.0,
        oedema=rng.uniform(8.0, 19.0) if enhancing else rng.uniform(3.0, 9.0),
        push=rng.uniform(0.2, 0.7),
    )


@lru_cache(maxsize=1)
def _find_places() -> tuple[npt.NDArray[np.float32], Field]:
    """Where in the standard brain a tumour may begin: places ``(N, 3)`` and how deep they lie."""
    lattice = build_standard_brain()
    anatomy = Anatomy(*np.moveaxis(lattice.values, -1, 0))
    fit = (anatomy.cerebrum < -9) & (anatomy.bridges > 4) & (anatomy.ventricles > 5)
    fit &= anatomy.cisterns > 8
    found = np.asarray(lattice.origin + np.argwhere(fit)[:, ::-1] * lattice.step, np.float32)
    return found, -anatomy.cerebrum[fit]


def compute_tumour_shares(
    growth: Tumour,
    at: Points,
    ragged: Field,
    tissue: tuple[Field, Field],
    soft: float,
) -> Field:
    """Shares ``(3, N)`` of core, oedema and enhancing rim.

    Args:
        growth: The tumour.
        at: Where, in the standard brain's coordinates.
        ragged: Smooth noise ``(2, N)`` of variance 1 that makes its surfaces irregular.
        tissue: Shares of fluid and of grey matter.
        soft: Width of the slope across a surface.
    """
    fluid, grey = tissue
    first, second = ragged
    depth = growth.measure_distance(at) + np.float32(growth.radius) * (0.18 * first + 0.08 * second)
    dry = 1 - fluid
    body = compute_inside(depth, soft) * dry
    # Oedema runs along the white matter like fingers and spares the cortex; it does not cross the
    # midline, but where the hemispheres are joined.
    other = np.maximum(-at.x * np.float32(np.sign(growth.centre[0])), 0)
    reach = np.float32(growth.oedema) * (1 + np.float32(0.5) * second) - 7 * grey - 2 * other
    oedema = compute_inside(depth - np.maximum(reach, 0), max(soft, 3.0)) * dry * (1 - body)
    if growth.rim <= 0:
        return np.stack([body, oedema, np.zeros_like(body)])
    # The rim is thick here and thin there, and seldom closed.
    thick = np.float32(growth.rim) * (1 + np.float32(0.45) * np.clip(second, -2, 1))
    core = np.minimum(compute_inside(depth + thick, soft) * dry, body)
    return np.stack([core, oedema, body - core])
