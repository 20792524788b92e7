"""Anatomy of a frontal chest radiograph: outlines and bones.

The frame spans -1 to 1, x to the right and y down; the patient's left is on the right. Shapes are
those of an average child, transformed to the pose of each patient.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from benchbed.phantoms import Array, Strokes, curve

WALL_Y = (-0.90, -0.78, -0.62, -0.30, 0.00, 0.30, 0.60, 1.00)
WALL_X = (0.14, 0.30, 0.47, 0.63, 0.71, 0.76, 0.78, 0.76)
"""Inner side of the rib cage, from the neck to the flank."""

LUNG = ((0.28, -0.78), (0.72, 0.55), (0.56, 0.43), (0.36, 0.36), (0.17, 0.42), (0.13, 0.10),
        (0.11, -0.25), (0.10, -0.55), (0.15, -0.72))  # fmt: skip
"""Lung, starting at its apex; between the first two points it follows the rib cage."""

HEART = ((-0.06, -0.40), (0.10, -0.42), (0.15, -0.32), (0.12, -0.20), (0.20, -0.06), (0.33, 0.12),
         (0.42, 0.30), (0.37, 0.46), (0.10, 0.52), (-0.14, 0.47), (-0.19, 0.30), (-0.16, 0.10),
         (-0.09, -0.12))  # fmt: skip

BODY = ((0.17, -1.30), (0.18, -0.96), (0.34, -0.88), (0.64, -0.82), (0.94, -0.66), (1.16, -0.20),
        (0.95, -0.08), (0.88, 0.30), (0.86, 0.70), (0.88, 1.40))  # fmt: skip
"""Skin on one side, from the neck over the shoulder and the armpit to the flank."""

ARM = ((0.80, -0.72), (0.93, -0.55), (1.10, -0.25))
BLADE = ((0.66, -0.70), (0.80, -0.46), (0.78, -0.20), (0.68, -0.02))
WINDPIPE = ((0.00, -1.20), (0.00, -0.70), (-0.02, -0.36))
CLAVICLE = ((0.05, -0.60), (0.14, -0.67), (0.34, -0.69), (0.52, -0.74), (0.68, -0.84))


@dataclass(frozen=True)
class Pose:
    """Pose of the patient in front of the detector.

    Attributes:
        turn: Rotation in radians.
        scale: Magnification across and down.
        shift: Offset (x, y).
    """

    turn: float
    scale: tuple[float, float]
    shift: tuple[float, float]

    def transform_points(self, points: Array) -> Array:
        """Transform points ``(N, 2)`` of the average patient to this pose."""
        sine, cosine = np.sin(self.turn), np.cos(self.turn)
        turned = points * np.asarray(self.scale) @ np.asarray([[cosine, sine], [-sine, cosine]])
        return np.asarray(turned + np.asarray(self.shift))


@dataclass(frozen=True)
class Anatomy:
    """Parts of the chest to draw; outlines are closed, ``(N, 2)``.

    Attributes:
        body: Skin.
        lungs: Right and left lung.
        heart: Heart and great vessels.
        abdomen: Region below the diaphragm.
        ribs: Ten pairs of ribs, paler towards the sternum, where they become cartilage.
        clavicles: Both clavicles.
        vertebrae: Vertebral bodies.
        arms: Upper arms.
        blades: Borders of the shoulder blades.
        windpipe: Trachea.
        vessels: Vessels of both lungs.
        hila: Start of the vessels, one on each side.
    """

    body: Array
    lungs: tuple[Array, Array]
    heart: Array
    abdomen: Array
    ribs: Strokes
    clavicles: Strokes
    vertebrae: Strokes
    arms: Strokes
    blades: Strokes
    windpipe: Strokes
    vessels: Strokes
    hila: Array


def sample_anatomy(rng: np.random.Generator, pose: Pose) -> Anatomy:
    """Sample a patient.

    Args:
        rng: Random generator.
        pose: Pose of the patient.
    """
    breath = rng.normal(0.0, 0.05)
    width = rng.normal(1.0, 0.04)
    slope = rng.uniform(0.75, 1.25)
    lungs = tuple(
        pose.transform_points(_sample_lung(side, breath, width, rng)) for side in (-1.0, 1.0)
    )
    ribs = [_sample_rib(k, side, slope, width, rng) for k in range(10) for side in (-1.0, 1.0)]
    hila = np.asarray([[-0.17, -0.08], [0.19, -0.12]]) + rng.normal(0.0, 0.02, (2, 2))
    large = np.asarray([rng.uniform(1.0, 1.35), rng.uniform(0.95, 1.08)])
    return Anatomy(
        body=pose.transform_points(_sample_body(width, rng)),
        lungs=(lungs[0], lungs[1]),
        heart=pose.transform_points(
            curve(np.asarray(HEART) * large + rng.normal(0.0, 0.008, (13, 2)))
        ),
        abdomen=pose.transform_points(_make_abdomen(breath)),
        ribs=_make_ribs([pose.transform_points(rib) for rib in ribs]),
        clavicles=_make_strokes(
            [pose.transform_points(_sample_clavicle(s, rng)) for s in (-1.0, 1.0)], 0.026
        ),
        vertebrae=_sample_vertebrae(pose, rng),
        arms=_make_both_sides(ARM, 0.065, pose, rng),
        blades=_make_both_sides(BLADE, 0.045, pose, rng),
        windpipe=_make_strokes(
            [pose.transform_points(curve(np.asarray(WINDPIPE), closed=False))], 0.042
        ),
        vessels=_sample_vessels(pose, hila, rng),
        hila=pose.transform_points(hila),
    )


def _interpolate_wall(y: Array) -> Array:
    return np.asarray(np.interp(y, WALL_Y, WALL_X))


def _sample_lung(side: float, breath: float, width: float, rng: np.random.Generator) -> Array:
    """Sample a lung; the right dome is higher, above the liver."""
    down = np.linspace(-0.70, 0.42, 6)
    wall = np.stack([_interpolate_wall(down) * width - 0.025, down], axis=1)
    knots = np.concatenate([np.asarray(LUNG[:1]), wall, np.asarray(LUNG[1:])])
    knots = knots + rng.normal(0.0, 0.008, knots.shape)
    low = knots[:, 1] > 0.2
    knots[low, 1] += breath + (0.04 if side > 0 else -0.01)
    return curve(knots * (side, 1.0))


def _make_abdomen(breath: float) -> Array:
    """Make the two domes of the diaphragm and the region below them."""
    dome = np.asarray(
        [(-0.80, 0.68), (-0.74, 0.55), (-0.56, 0.41), (-0.36, 0.34), (-0.17, 0.38), (0.02, 0.42),
         (0.19, 0.41), (0.36, 0.40), (0.56, 0.46), (0.74, 0.59), (0.80, 0.72)]
    )  # fmt: skip
    dome[:, 1] += breath
    return np.concatenate([curve(dome, closed=False), [(0.86, 1.6), (-0.86, 1.6)]])


def _sample_body(width: float, rng: np.random.Generator) -> Array:
    width_scale = rng.normal(1.0, 0.05) * width
    sides = []
    for side in (1.0, -1.0):
        knots = np.asarray(BODY) * (width_scale, 1.0)
        # Raised or spread arms move the outline of shoulder and armpit.
        knots[3:7, 1] += rng.normal(0.0, 0.06)
        knots[6, 0] += rng.normal(0.0, 0.05)
        sides.append(curve(knots, closed=False) * (side, 1.0))
    return np.concatenate([sides[0], sides[1][::-1]])


def _sample_rib(
    number: int, side: float, slope: float, width: float, rng: np.random.Generator
) -> Array:
    """Sample a rib from the spine around the flank, falling forwards."""
    y = -0.76 + 0.128 * number + rng.normal(0.0, 0.006)
    fall = slope * min(0.60 + 0.11 * number, 1.15)
    flank = float(_interpolate_wall(np.asarray(y + 0.15 * fall))) * width + 0.01
    knots = [(0.05, y), (0.20, y - 0.035), (0.62 * flank, y - 0.005),
             (0.90 * flank, y + 0.07 * fall), (flank, y + 0.17 * fall),
             (0.93 * flank, y + 0.27 * fall), (0.72 * flank, y + 0.36 * fall),
             (0.46 * flank, y + 0.42 * fall)]  # fmt: skip
    return curve(np.asarray(knots) * (side, 1.0), closed=False, steps=6)


def _make_ribs(lines: list[Array]) -> Strokes:
    position = np.linspace(0.0, 1.0, len(lines[0]) - 1)
    # Ribs are edge-on and brightest at the flank.
    weight = np.interp(position, (0.0, 0.40, 0.60, 1.0), (0.80, 0.80, 1.0, 0.30))
    ribs = _make_strokes(lines, 0.025)
    return ribs.replace_style(weight=np.tile(weight, len(lines)))


def _sample_clavicle(side: float, rng: np.random.Generator) -> Array:
    knots = np.asarray(CLAVICLE)
    knots[:, 1] += np.asarray([0.0, 0.4, 0.8, 1.0, 1.2]) * rng.normal(0.0, 0.04)
    return curve(knots * (side, 1.0), closed=False)


def _sample_vertebrae(pose: Pose, rng: np.random.Generator) -> Strokes:
    height = np.arange(-1.0, 1.1, 0.105) + rng.uniform(0.0, 0.1)
    half = np.interp(height, (-1.0, 1.0), (0.045, 0.075))
    left = pose.transform_points(np.stack([-half, height], axis=1))
    right = pose.transform_points(np.stack([half, height], axis=1))
    return Strokes(left, right, np.full(len(height), 0.040), np.ones(len(height)))


def _make_both_sides(
    knots: tuple[tuple[float, float], ...], radius: float, pose: Pose, rng: np.random.Generator
) -> Strokes:
    lines = []
    for side in (-1.0, 1.0):
        moved = np.asarray(knots) + np.asarray([0.0, rng.normal(0.0, 0.05)])
        lines.append(pose.transform_points(curve(moved * (side, 1.0), closed=False, steps=6)))
    return _make_strokes(lines, radius)


def _sample_vessels(pose: Pose, hila: Array, rng: np.random.Generator) -> Strokes:
    """Sample vessels that branch and taper from each hilum towards the edge of the lung."""
    starts, ends, radii = [], [], []
    for side, hilum in zip((-1.0, 1.0), hila, strict=True):
        for angle in np.linspace(-1.25, 1.35, 9) + rng.normal(0.0, 0.12, 9):
            tips = [(hilum, angle, rng.uniform(0.011, 0.017))]
            while tips:
                position, heading, radius = tips.pop()
                heading = heading + rng.normal(0.0, 0.22)
                step = 0.075 * np.asarray([side * np.cos(heading), np.sin(heading)])
                starts.append(position)
                ends.append(position + step)
                radii.append(radius)
                if radius > 0.0035:
                    tips.append((position + step, heading, radius * 0.80))
                if radius > 0.006 and rng.random() < 0.45:
                    fork = rng.choice((-0.7, 0.7))
                    tips.append((position + step, heading + fork, radius * 0.65))
    start, end = pose.transform_points(np.asarray(starts)), pose.transform_points(np.asarray(ends))
    return Strokes(start, end, np.asarray(radii), np.ones(len(radii)))


def _make_strokes(lines: list[Array], radius: float) -> Strokes:
    """Convert lines ``(N, 2)`` to strokes of one width."""
    start = np.concatenate([line[:-1] for line in lines])
    end = np.concatenate([line[1:] for line in lines])
    return Strokes(start, end, np.full(len(start), radius), np.ones(len(start)))
