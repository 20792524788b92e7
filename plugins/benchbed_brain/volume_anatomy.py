"""Standard brain of the volume phantom.

Lengths are in millimetres from the anterior commissure, after common atlases. The two halves are
mirror images; each subject deforms them.
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
        hull: Brain after skull stripping, clefts included.
        cerebrum: Hemispheres, without the clefts of the cortex.
        bridges: White matter between the hemispheres, and the midbrain.
        stem: Brain stem.
        cerebellum: Cerebellum.
        nuclei: Deep grey matter.
        ventricles: Lateral ventricles.
        cisterns: Other ventricles, and the cisterns at the base.
        right: Offset to the right of the nearest point on the hemispheres' surface.
        forward: Its offset forwards.
        up: Its offset upwards.
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
    """Build the right half of the standard brain; channels are the attributes of `Anatomy`."""
    lines = [
        np.arange(low, high + STEP / 2, STEP, dtype=np.float32)
        for low, high in zip(LOWEST, HIGHEST, strict=True)
    ]
    points = Points(lines[0][None, None], lines[1][None, :, None], lines[2][:, None, None])
    cerebrum, cerebellum, stem = (
        _measure_hemisphere(points),
        _measure_cerebellum(points),
        _measure_stem(points),
    )
    # Skull stripping passes smoothly over the clefts.
    hull = join_solids(
        join_solids(_measure_whole_cerebrum(points), cerebellum, 14.0), stem, 8.0
    ) - np.float32(0.4)
    steepest = np.asarray(np.gradient(cerebrum, STEP), np.float32)
    outwards = -cerebrum * steepest / np.maximum((steepest**2).sum(axis=0), np.float32(1))
    parts = Anatomy(
        hull=hull,
        cerebrum=cerebrum,
        bridges=_measure_bridges(points),
        stem=stem,
        cerebellum=cerebellum,
        nuclei=_measure_nuclei(points),
        ventricles=np.minimum(*(measure_tube(points, line) for line in LATERAL_VENTRICLE)),
        cisterns=np.minimum.reduce(
            [measure_tube(points, line) for line in (THIRD_VENTRICLE, FOURTH_VENTRICLE, *CISTERNS)]
        ),
        right=outwards[2],
        forward=outwards[1],
        up=outwards[0],
    )
    shape = np.broadcast(*points.axes).shape
    fields = [np.broadcast_to(field, shape) for field in vars(parts).values()]
    return Lattice(np.stack(fields, axis=-1), LOWEST, STEP)


def _measure_whole_cerebrum(points: Points) -> Field:
    """Measure both hemispheres: a blunt egg with a flat base, and the temporal lobes."""
    # The egg is wider behind its middle than in front.
    narrow = np.float32(1) + np.float32(0.0016) * np.clip(points.y + 25, -30, None)
    egg = measure_ellipsoid(
        Points(points.x * narrow, points.y, points.z), (0, -17, 14), (68, 87, 64), power=2.25
    )
    # The base: the roofs of the orbits in front, the tentorium behind, higher in the middle.
    orbits = -24 - 0.10 * np.abs(points.y - 30)
    tent = -18 + 9 * np.exp(-((points.x / 26) ** 2)) + 0.04 * (points.y + 60)
    back = np.clip((10 - points.y) / 40, 0, 1)
    body = intersect_solids(egg, orbits + back * (tent - orbits) - points.z, 16.0)
    lobe = measure_ellipsoid(points, (47, -13, -17), (21, 44, 19), pitch=-0.22, power=2.3)
    pole = measure_ellipsoid(points, (38, 9, -28), (17, 16, 15))
    inner = measure_ellipsoid(points, (23, -18, -18), (12, 24, 11), pitch=-0.25)
    return join_solids(body, join_solids(join_solids(lobe, pole, 10.0), inner, 10.0), 6.0)


def _measure_hemisphere(points: Points) -> Field:
    """Measure a hemisphere: half of the whole, up to the fissure."""
    return intersect_solids(_measure_whole_cerebrum(points), np.float32(0.9) - points.x, 3.0)


def _measure_bridges(points: Points) -> Field:
    """Measure the corpus callosum with its radiation, and tissue around the third ventricle."""
    arch = join_solids(measure_tube(points, CALLOSUM), measure_tube(points, CALLOSUM_SIDE), 16.0)
    between = measure_ellipsoid(points, (0, -12, 3), (26, 22, 15))
    return join_solids(arch, between, 6.0)


def _measure_stem(points: Points) -> Field:
    midbrain = measure_ellipsoid(points, (0, -24, -10), (17, 13, 14))
    pons = measure_ellipsoid(points, (0, -24, -29), (17, 13, 14))
    medulla = measure_tube(points, ((0, -30, -40, 10), (0, -40, -85, 7.5)))
    arms = measure_tube(points, ((8, -30, -29, 8), (22, -44, -34, 7)))
    return join_solids(join_solids(midbrain, pons, 5.0), join_solids(medulla, arms, 5.0), 5.0)


def _measure_cerebellum(points: Points) -> Field:
    half = measure_ellipsoid(points, (24, -63, -34), (29, 30, 23), pitch=0.22, power=2.2)
    vermis = measure_ellipsoid(points, (0, -60, -26), (12, 26, 23))
    return join_solids(half, vermis, 5.0)


def _measure_nuclei(points: Points) -> Field:
    parts = [
        measure_tube(points, CAUDATE),
        measure_ellipsoid(points, (26.5, 2, 1), (5.5, 16, 10), pitch=0.1),
        measure_ellipsoid(points, (19.5, -4, -1), (4, 8, 6)),
        measure_ellipsoid(points, (11.5, -18, 7), (9, 14.5, 8.5), pitch=-0.1),
        measure_tube(points, HIPPOCAMPUS),
    ]
    return np.asarray(np.minimum.reduce(parts))
