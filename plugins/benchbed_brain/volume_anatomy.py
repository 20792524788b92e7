"""The standard brain of the volume phantom: where its parts lie.

Lengths are in millimetres from the anterior commissure, after the usual atlases; the two halves
are mirror images, which a subject then bends its own way.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from benchbed_brain.volume_fields import (
    Field,
    Lattice,
    Point,
    Points,
    intersect_solids,
    join_solids,
    measure_ellipsoid,
    measure_tube,
)

STEP = 2.5
LOWEST: Point = (-STEP, -125.0, -85.0)
HIGHEST: Point = (85.0, 95.0, 100.0)

Knots = tuple[tuple[float, float, float, float], ...]

# fmt: off
LATERAL_VENTRICLE: tuple[Knots, ...] = (
    ((5, 31, 2, 2), (9, 26, 7, 4.5), (10, 12, 14, 5.5), (9, -5, 20, 4.5), (13, -24, 21, 5),
     (24, -40, 13, 6), (26, -56, 8, 4.5), (24, -72, 6, 1)),
    ((25, -40, 8, 5), (33, -32, -6, 2.5), (36, -20, -14, 2), (32, -8, -20, 2)),
)
THIRD_VENTRICLE: Knots = ((0, -4, -8, 1.2), (0, -8, 2, 1.6), (0, -24, 3, 1.6), (0, -28, -4, 0.8))
FOURTH_VENTRICLE: Knots = ((0, -32, -14, 0.8), (0, -44, -26, 2), (0, -46, -33, 4), (0, -45, -42, 1))
CISTERNS: tuple[Knots, ...] = (
    ((0, 5, -17, 6), (8, 3, -20, 4)),
    ((0, -16, -20, 3), (0, -14, -27, 3)),
    ((0, -38, -2, 4), (10, -37, -6, 2.5), (18, -28, -12, 2)),
)
CALLOSUM: Knots = ((0, 20, -8, 2), (0, 29, 0, 5), (0, 24, 14, 4.5), (0, 8, 24, 3.5),
                   (0, -12, 27, 3.5), (0, -28, 22, 4), (0, -38, 11, 6))
CALLOSUM_SIDE: Knots = ((16, 30, 10, 3), (18, 8, 26, 3), (20, -14, 28, 3), (22, -34, 20, 4))
CAUDATE: Knots = ((12, 20, 0, 5), (14, 12, 9, 5.5), (17, -2, 18, 3.5), (22, -20, 21, 2.5),
                  (30, -34, 12, 2))
HIPPOCAMPUS: Knots = ((22, -5, -20, 5), (26, -15, -18, 4.5), (29, -28, -11, 4), (25, -37, -2, 3))
# fmt: on


@dataclass(frozen=True)
class Anatomy:
    """Signed distances to the parts of a brain, at some points.

    Attributes:
        hull: The brain as the skull's removal leaves it, clefts included.
        cerebrum: Its hemispheres, without the clefts of the cortex.
        bridges: White matter that joins the hemispheres, and the midbrain between them.
        stem: The brain stem.
        cerebellum: The cerebellum.
        nuclei: Grey matter in the depth.
        ventricles: The lateral ventricles.
        cisterns: The other ventricles, and the cisterns at the base.
        right: How far to the right the nearest point of the hemispheres' surface lies.
        forward: How far forward it lies.
        up: How far up.
    """

    hull: Field
    cerebrum: Field
    bridges: Field
    stem: Field
    cerebellum: Field
    nuclei: Field
    ventricles: Field
    cisterns: Field
    right: Field
    forward: Field
    up: Field


@lru_cache(maxsize=1)
def build_standard_brain() -> Lattice:
    """The standard brain's right half; channels as the attributes of `Anatomy`."""
    lines = [
        np.arange(low, high + STEP / 2, STEP, dtype=np.float32)
        for low, high in zip(LOWEST, HIGHEST, strict=True)
    ]
    at = Points(lines[0][None, None], lines[1][None, :, None], lines[2][:, None, None])
    cerebrum, cerebellum, stem = _measure_hemisphere(at), _measure_cerebellum(at), _measure_stem(at)
    # The skull's removal goes smoothly over every cleft.
    hull = join_solids(
        join_solids(_measure_whole_cerebrum(at), cerebellum, 14.0), stem, 8.0
    ) - np.float32(0.4)
    steepest = np.asarray(np.gradient(cerebrum, STEP), np.float32)
    outwards = -cerebrum * steepest / np.maximum((steepest**2).sum(axis=0), np.float32(1))
    parts = Anatomy(
        hull=hull,
        cerebrum=cerebrum,
        bridges=_measure_bridges(at),
        stem=stem,
        cerebellum=cerebellum,
        nuclei=_measure_nuclei(at),
        ventricles=np.minimum(*(measure_tube(at, line) for line in LATERAL_VENTRICLE)),
        cisterns=np.minimum.reduce(
            [measure_tube(at, line) for line in (THIRD_VENTRICLE, FOURTH_VENTRICLE, *CISTERNS)]
        ),
        right=outwards[2],
        forward=outwards[1],
        up=outwards[0],
    )
    shape = np.broadcast(*at.axes).shape
    fields = [np.broadcast_to(field, shape) for field in vars(parts).values()]
    return Lattice(np.stack(fields, axis=-1), LOWEST, STEP)


def _measure_whole_cerebrum(at: Points) -> Field:
    """Both hemispheres in one: a blunt egg, flat below, and the temporal lobes."""
    # The egg is wider behind the middle than in front.
    narrow = np.float32(1) + np.float32(0.0016) * np.clip(at.y + 25, -30, None)
    egg = measure_ellipsoid(
        Points(at.x * narrow, at.y, at.z), (0, -17, 14), (68, 87, 64), power=2.25
    )
    # The base: the roofs of the orbits in front, the tentorium behind, higher in the middle.
    orbits = -24 - 0.10 * np.abs(at.y - 30)
    tent = -18 + 9 * np.exp(-((at.x / 26) ** 2)) + 0.04 * (at.y + 60)
    behind = np.clip((10 - at.y) / 40, 0, 1)
    body = intersect_solids(egg, orbits + behind * (tent - orbits) - at.z, 16.0)
    lobe = measure_ellipsoid(at, (47, -13, -17), (21, 44, 19), pitch=-0.22, power=2.3)
    pole = measure_ellipsoid(at, (38, 9, -28), (17, 16, 15))
    inner = measure_ellipsoid(at, (23, -18, -18), (12, 24, 11), pitch=-0.25)
    return join_solids(body, join_solids(join_solids(lobe, pole, 10.0), inner, 10.0), 6.0)


def _measure_hemisphere(at: Points) -> Field:
    """A hemisphere: half of the whole, up to the fissure between the two."""
    return intersect_solids(_measure_whole_cerebrum(at), np.float32(0.9) - at.x, 3.0)


def _measure_bridges(at: Points) -> Field:
    """Corpus callosum with its radiation, and what lies below it around the third ventricle."""
    arch = join_solids(measure_tube(at, CALLOSUM), measure_tube(at, CALLOSUM_SIDE), 16.0)
    between = measure_ellipsoid(at, (0, -12, 3), (26, 22, 15))
    return join_solids(arch, between, 6.0)


def _measure_stem(at: Points) -> Field:
    midbrain = measure_ellipsoid(at, (0, -24, -10), (17, 13, 14))
    pons = measure_ellipsoid(at, (0, -24, -29), (17, 13, 14))
    medulla = measure_tube(at, ((0, -30, -40, 10), (0, -40, -85, 7.5)))
    arms = measure_tube(at, ((8, -30, -29, 8), (22, -44, -34, 7)))
    return join_solids(join_solids(midbrain, pons, 5.0), join_solids(medulla, arms, 5.0), 5.0)


def _measure_cerebellum(at: Points) -> Field:
    half = measure_ellipsoid(at, (24, -63, -34), (29, 30, 23), pitch=0.22, power=2.2)
    vermis = measure_ellipsoid(at, (0, -60, -26), (12, 26, 23))
    return join_solids(half, vermis, 5.0)


def _measure_nuclei(at: Points) -> Field:
    parts = [
        measure_tube(at, CAUDATE),
        measure_ellipsoid(at, (26.5, 2, 1), (5.5, 16, 10), pitch=0.1),
        measure_ellipsoid(at, (19.5, -4, -1), (4, 8, 6)),
        measure_ellipsoid(at, (11.5, -18, 7), (9, 14.5, 8.5), pitch=-0.1),
        measure_tube(at, HIPPOCAMPUS),
    ]
    return np.asarray(np.minimum.reduce(parts))
