"""Anatomy of an axial CT slice of the chest: outlines, bones, vessels and nodules.

The frame spans -1 to 1, x to the right and y down, as in radiology: the patient's left is on the
right and the spine at the bottom. The height of the slice runs from 0, just below the apices, to
1, where the domes of the diaphragm begin.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from benchbed.phantoms import Array, Strokes, curve

CHEST = ((1.00, 0.00), (0.97, -0.35), (0.84, -0.68), (0.58, -0.92), (0.20, -1.00), (0.00, -0.98),
         (-0.20, -1.00), (-0.58, -0.92), (-0.84, -0.68), (-0.97, -0.35), (-1.00, 0.00),
         (-0.97, 0.38), (-0.84, 0.72), (-0.55, 0.93), (-0.20, 0.96), (0.00, 0.92), (0.20, 0.96),
         (0.55, 0.93), (0.84, 0.72), (0.97, 0.38))  # fmt: skip
"""Skin, in units of half the width and depth of the chest."""

LUNG = ((0.30, -0.86), (0.62, -0.76), (0.86, -0.42), (0.95, 0.02), (0.90, 0.42), (0.72, 0.76),
        (0.42, 0.90), (0.24, 0.72), (0.26, 0.42), (0.33, 0.10), (0.31, -0.22), (0.16, -0.56),
        (0.11, -0.80))  # fmt: skip
"""Left lung in units of the cavity, starting at the front of the chest wall."""


def _make_ellipse(centre: tuple[float, float], radii: tuple[float, float]) -> Array:
    angles = np.arange(10) / 10 * 2 * np.pi
    return np.stack([np.cos(angles), np.sin(angles)], axis=1) * radii + centre


_DESCENDING_AORTA = (0.17, 0.50, 0.075)

_LEVELS = (
    (0.22, _make_ellipse((0.02, -0.20), (0.24, 0.42)),
     ((-0.16, -0.30, 0.06), (0.02, -0.34, 0.055), (0.15, -0.18, 0.05), (-0.20, -0.12, 0.06)),
     ((-0.01, 0.12, 0.060),)),
    (0.38, _make_ellipse((0.03, -0.16), (0.27, 0.44)),
     ((-0.10, -0.20, 0.09), (0.04, -0.12, 0.10), (0.16, 0.06, 0.10), (0.20, 0.24, 0.09),
      (-0.20, -0.08, 0.06)),
     ((-0.03, 0.16, 0.060),)),
    (0.58, _make_ellipse((0.02, -0.14), (0.31, 0.48)),
     ((-0.10, -0.20, 0.11), (0.13, -0.18, 0.10), (0.22, 0.02, 0.075), (-0.22, -0.06, 0.06),
      _DESCENDING_AORTA),
     ((-0.13, 0.20, 0.045), (0.12, 0.20, 0.042))),
    (1.00, np.asarray(
        [(-0.36, -0.08), (-0.30, -0.40), (-0.02, -0.60), (0.32, -0.64), (0.64, -0.44),
         (0.70, -0.14), (0.50, 0.16), (0.16, 0.32), (-0.14, 0.30), (-0.32, 0.16)]),
     ((0.02, -0.22, 0.13), (0.30, -0.18, 0.17), (0.05, 0.10, 0.13), (-0.22, -0.06, 0.12),
      _DESCENDING_AORTA),
     ()),
)  # fmt: skip
"""Levels from top to bottom: neck vessels, aortic arch, bifurcation, heart.

Each has its lowest height, the outline of the heart or the great vessels, and pools of blood and
airways as circles (x, y, radius).
"""


@dataclass(frozen=True)
class Anatomy:
    """Parts of the slice to draw; outlines are closed, ``(N, 2)``.

    Attributes:
        skin: Body.
        muscle: Body without the fat below the skin.
        cavity: Inner side of the rib cage.
        lungs: Right and left lung.
        heart: Heart, or the great vessels above it.
        pools: Blood in great vessels: circles (x, y, radius).
        airways: Air in the trachea or the main bronchi: circles (x, y, radius).
        vertebra: Vertebral body.
        arch: Pedicles, lamina and processes of the vertebra.
        canal: Centre and radius of the spinal canal.
        ribs: Pieces of ribs, and the shoulder blades.
        sternum: Sternum.
        vessels: Pulmonary vessels.
        bronchi: Bronchi inside the lungs, next to their vessels.
        table: Table.
    """

    skin: Array
    muscle: Array
    cavity: Array
    lungs: tuple[Array, Array]
    heart: Array
    pools: Array
    airways: Array
    vertebra: Array
    arch: Strokes
    canal: tuple[float, float, float]
    ribs: Strokes
    sternum: Strokes
    vessels: Strokes
    bronchi: Strokes
    table: Array


@dataclass(frozen=True)
class PatientFrame:
    """Position of the patient in the field of view.

    Attributes:
        centre: Middle of the chest (x, y).
        half_size: Half width and half depth of the chest.
        rotation: Rotation in radians.
    """

    centre: tuple[float, float]
    half_size: tuple[float, float]
    rotation: float

    def transform_points(self, points: Array) -> Array:
        """Transform points ``(N, 2)`` from units of the chest to the frame."""
        sine, cosine = np.sin(self.rotation), np.cos(self.rotation)
        turned = points * np.asarray(self.half_size) @ np.asarray([[cosine, sine], [-sine, cosine]])
        return np.asarray(turned + np.asarray(self.centre))


def sample_anatomy(rng: np.random.Generator) -> Anatomy:
    """Sample a slice of a patient."""
    height = rng.uniform(0.0, 1.0)
    wide = rng.uniform(0.74, 0.95)
    half = (wide, wide * rng.uniform(0.64, 0.78))
    frame = PatientFrame((rng.normal(0, 0.02), rng.uniform(-0.14, 0.0)), half, rng.normal(0, 0.03))
    wall = np.asarray([rng.uniform(0.80, 0.87), rng.uniform(0.78, 0.86)])
    wall = wall * (0.86 + 0.14 * min(1.0, 2.2 * height))
    fat = rng.uniform(0.03, 0.13)
    skin = np.asarray(CHEST) * (1 + rng.normal(0.0, 0.010, (20, 1)))
    lungs = tuple(_sample_lung(side, height, rng) * wall for side in (-1.0, 1.0))
    heart, pools, airways = _sample_mediastinum(height, rng)
    vessels, bronchi = _grow_trees(height, wall, frame, rng)
    return Anatomy(
        skin=frame.transform_points(curve(skin)),
        muscle=frame.transform_points(curve(skin * (1 - fat, 1 - 1.3 * fat))),
        cavity=frame.transform_points(curve(np.asarray(CHEST) * wall * 1.04)),
        lungs=(frame.transform_points(lungs[0]), frame.transform_points(lungs[1])),
        heart=frame.transform_points(heart * wall),
        pools=_transform_circles(pools, wall, frame),
        airways=_transform_circles(airways, wall, frame),
        vertebra=frame.transform_points(curve(_make_ellipse((0.0, 0.60), (0.115, 0.150)))),
        arch=_make_arch(frame),
        canal=(*frame.transform_points(np.asarray([[0.0, 0.80]]))[0].tolist(), 0.034),
        ribs=_sample_ribs(height, wall, frame, rng),
        sternum=_sample_sternum(wall, frame, rng),
        vessels=vessels,
        bronchi=bronchi,
        table=_make_table(float(frame.transform_points(np.asarray([[0.0, 0.97]]))[0, 1]), rng),
    )


def _sample_lung(side: float, height: float, rng: np.random.Generator) -> Array:
    """Sample a lung in units of the cavity: small at the apex, indented by the heart."""
    knots = np.asarray(LUNG) * (1.05, 1.03) + rng.normal(0.0, 0.012, (13, 2))
    lower = max(0.0, height - 0.45) / 0.55
    # The heart displaces the front of the left lung, and that of the right one less.
    hollow = np.asarray([0.20, 0.08, 0, 0, 0, 0, 0, 0, 0.04, 0.16, 0.26, 0.34, 0.28])
    knots[:, 0] += lower * hollow * (1.0 if side > 0 else 0.35)
    apex = max(0.0, 0.25 - height) / 0.25
    middle = np.asarray([0.52, 0.10])
    knots = middle + (knots - middle) * (1 - 0.30 * apex)
    return curve(knots * (side, 1.0))


def _sample_mediastinum(height: float, rng: np.random.Generator) -> tuple[Array, Array, Array]:
    """Sample heart or great vessels, pools of blood and airways at this height."""
    outline, pools, airways = next(level[1:] for level in _LEVELS if height <= level[0])
    knots = np.asarray(outline)
    if height > _LEVELS[-2][0]:
        knots = knots * (0.85 + 0.5 * (height - _LEVELS[-2][0]))
    move = rng.normal(0.0, 0.015, 2)
    circles = [np.asarray(c, dtype=float).reshape(-1, 3) for c in (pools, airways)]
    for circle in circles:
        circle[:, :2] += move
    return curve(knots + rng.normal(0.0, 0.012, knots.shape) + move), circles[0], circles[1]


def _transform_circles(circles: Array, wall: Array, frame: PatientFrame) -> Array:
    places = frame.transform_points(circles[:, :2] * wall)
    return np.concatenate([places, circles[:, 2:] * frame.half_size[0]], axis=1)


def _make_arch(frame: PatientFrame) -> Strokes:
    """Make the arch behind the vertebral body: pedicles, transverse and spinous processes."""
    lines = [
        ((0.08, 0.68), (0.11, 0.80)),
        ((0.11, 0.80), (0.28, 0.82)),
        ((0.11, 0.82), (0.0, 0.90)),
    ]
    both = [[(s * x, y) for x, y in line] for line in lines for s in (-1.0, 1.0)]
    ends = np.asarray([*both, [(0.0, 0.90), (0.0, 1.02)]])
    ends[..., 1] -= 0.08
    radii = np.asarray([0.030, 0.030, 0.024, 0.024, 0.020, 0.020, 0.022])
    return Strokes(
        frame.transform_points(ends[:, 0]), frame.transform_points(ends[:, 1]), radii, np.ones(7)
    )


def _sample_ribs(
    height: float, wall: Array, frame: PatientFrame, rng: np.random.Generator
) -> Strokes:
    """Sample oblique cuts through the ribs, and the shoulder blades in the upper half."""
    lines, radii = [], []
    for side in (-1.0, 1.0):
        for angle in np.linspace(-0.95, 1.25, 6) + rng.uniform(-0.08, 0.08, 6):
            arc = angle + np.linspace(-1, 1, 5) * rng.uniform(0.05, 0.13)
            ring = np.stack([side * np.cos(arc), np.sin(arc)], axis=1)
            # The wall is squarer than an ellipse.
            ring = np.sign(ring) * np.abs(ring) ** 0.86
            lines.append(frame.transform_points(ring * wall * (1.075, 1.06)))
            radii.append(rng.uniform(0.014, 0.020))
        if height < 0.55:
            blade = [(0.86, 0.18), (0.90, 0.36), (0.80, 0.56), (0.66, 0.72)]
            lines.append(
                frame.transform_points(
                    curve(np.asarray(blade) * (side, 1.0), closed=False, steps=4)
                )
            )
            radii.append(0.014)
    start = np.concatenate([line[:-1] for line in lines])
    end = np.concatenate([line[1:] for line in lines])
    widths = np.repeat(radii, [len(line) - 1 for line in lines])
    return Strokes(start, end, widths, np.ones(len(start)))


def _sample_sternum(wall: Array, frame: PatientFrame, rng: np.random.Generator) -> Strokes:
    half = rng.uniform(0.05, 0.11)
    ends = np.asarray([[-half, -1.09], [half, -1.09]]) * wall
    placed = frame.transform_points(ends)
    return Strokes(placed[:1], placed[1:], np.asarray([rng.uniform(0.022, 0.032)]), np.ones(1))


def _make_table(back: float, rng: np.random.Generator) -> Array:
    """Make a shallow trough below the back, as a band."""
    x = np.linspace(-0.95, 0.95, 30)
    top = back + 0.05 - rng.uniform(0.10, 0.22) * x**2
    thick = rng.uniform(0.05, 0.10)
    return np.concatenate([np.stack([x, top], 1), np.stack([x, top + thick], 1)[::-1]])


def _grow_trees(
    height: float, wall: Array, frame: PatientFrame, rng: np.random.Generator
) -> tuple[Strokes, Strokes]:
    """Grow vessels from the hila, and bronchi next to the thicker ones."""
    pieces: list[tuple[float, ...]] = []
    central = 1.0 - min(1.0, abs(height - 0.55) / 0.55)
    for side in (-1.0, 1.0):
        root = np.asarray([side * 0.34, 0.12]) * wall
        for angle in np.linspace(-1.35, 1.35, 8) + rng.normal(0.0, 0.18, 8):
            tips = [(root, float(angle), rng.uniform(0.009, 0.014) + 0.010 * central)]
            while tips:
                position, heading, radius = tips.pop()
                heading += rng.normal(0.0, 0.20)
                step = 0.085 * np.asarray([side * np.cos(heading), np.sin(heading)])
                # Vessels cross the slice, so that only parts are visible; most thin ones
                # appear as a dot.
                visible = rng.uniform(0.4, 1.0) * (rng.random() < 0.25 + 20 * radius)
                length = 1.0 if rng.random() < 0.35 + 20 * radius else 0.06
                pieces.append((*position, *(position + length * step), radius, visible))
                if radius > 0.0040:
                    tips.append((position + step, heading, radius * 0.82))
                if radius > 0.0065 and rng.random() < 0.5:
                    tips.append((position + step, heading + rng.choice((-0.8, 0.8)), radius * 0.68))
    table = np.asarray(pieces)
    start, end = frame.transform_points(table[:, :2]), frame.transform_points(table[:, 2:4])
    vessels = Strokes(start, end, table[:, 4], table[:, 5])
    broad = vessels.select((table[:, 4] > 0.010) & (rng.random(len(table)) < 0.35))
    offset = np.asarray([0.0, 0.026])
    bronchi = Strokes(broad.start + offset, broad.end + offset, broad.radius * 0.6, broad.weight)
    return vessels, bronchi
