"""Vessel trees that grow from the optic disc.

Lengths are in units of the aperture's radius. The eye is a right one seen by the camera, with the
disc on the right of the image; left eyes are mirrored afterwards.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from benchbed.phantoms import Array, Strokes

STEP = 0.022
MIN_RADIUS = 0.0062
MAX_STEPS = 3000
"""Limit for runaway trees; typical ones have a third of these steps."""


@dataclass(frozen=True)
class Anatomy:
    """Landmarks of the eye.

    Attributes:
        disc: Centre of the optic disc (x, y).
        disc_radius: Mean radius of the optic disc.
        macula: Centre of the macula (x, y).
    """

    disc: tuple[float, float]
    disc_radius: float
    macula: tuple[float, float]


@dataclass
class _Tip:
    """Growing end of a vessel."""

    x: float
    y: float
    heading: float
    radius: float
    bend: float
    guide: tuple[Array, float] | None
    until_branch: float


def grow_vessels(anatomy: Anatomy, rng: np.random.Generator) -> tuple[Strokes, Strokes]:
    """Grow the arteries and veins of an eye.

    Both have a superior and an inferior temporal arcade, which arch around the macula, and a
    superior and an inferior nasal vessel. Vessels taper, meander slightly, and split by Murray's
    law: the cubes of the branches' radii add up to the cube of the trunk's.

    Args:
        anatomy: Landmarks.
        rng: Random generator.

    Returns:
        Arteries and veins; veins are thicker.
    """
    arteries = _grow_system(anatomy, rng, trunk=0.0195, swing=0.0)
    veins = _grow_system(anatomy, rng, trunk=0.0250, swing=0.16)
    return arteries, veins


def _grow_system(anatomy: Anatomy, rng: np.random.Generator, trunk: float, swing: float) -> Strokes:
    tips: list[_Tip] = []
    for side in (-1.0, 1.0):
        tips.append(_make_arcade(anatomy, rng, side, trunk, swing))
        tips.append(_make_nasal(anatomy, rng, side, trunk * 0.72, swing))
    pieces: list[tuple[float, float, float, float, float]] = []
    while tips and len(pieces) < MAX_STEPS:
        _grow_vessel(tips.pop(0), tips, pieces, rng, anatomy)
    table = np.asarray(pieces)
    return Strokes(table[:, :2], table[:, 2:4], table[:, 4], np.ones(len(table)))


def _make_arcade(
    anatomy: Anatomy, rng: np.random.Generator, side: float, radius: float, swing: float
) -> _Tip:
    """Make a temporal arcade, which starts steeply at the disc and curves around the macula."""
    (x, y), (mx, my) = anatomy.disc, anatomy.macula
    wide = rng.uniform(0.52, 0.68) + swing * 0.45
    points = np.asarray(
        [
            (x, y),
            (x - 0.08 + rng.normal(0, 0.03), y + side * (0.42 + swing * 0.5)),
            (mx + 0.18 + rng.normal(0, 0.05), my + side * (wide + 0.12)),
            (mx - 0.55 + rng.normal(0, 0.08), my + side * wide * rng.uniform(0.55, 0.95)),
        ]
    )
    first = points[1] - points[0]
    heading = math.atan2(first[1], first[0])
    return _Tip(x, y, heading, radius, 0.0, (points, 0.0), rng.uniform(0.2, 0.36))


def _make_nasal(
    anatomy: Anatomy, rng: np.random.Generator, side: float, radius: float, swing: float
) -> _Tip:
    x, y = anatomy.disc
    heading = side * (rng.uniform(0.45, 0.95) + swing)
    return _Tip(x, y, heading, radius, -side * 0.25, None, rng.uniform(0.2, 0.34))


def _grow_vessel(
    tip: _Tip,
    tips: list[_Tip],
    pieces: list[tuple[float, float, float, float, float]],
    rng: np.random.Generator,
    anatomy: Anatomy,
) -> None:
    """Grow a vessel to its end, and append its branches to `tips`."""
    wander = 0.0
    while tip.radius > MIN_RADIUS and math.hypot(tip.x, tip.y) < 1.03 and len(pieces) < MAX_STEPS:
        wander = 0.88 * wander + rng.normal(0.0, 0.55)
        _update_heading(tip, wander, anatomy)
        x = tip.x + STEP * math.cos(tip.heading)
        y = tip.y + STEP * math.sin(tip.heading)
        pieces.append((tip.x, tip.y, x, y, tip.radius))
        tip.x, tip.y = x, y
        tip.radius *= 0.996 if tip.guide is not None else 0.990
        tip.until_branch -= STEP
        if tip.until_branch <= 0.0:
            tips.append(_split_branch(tip, rng))


def _update_heading(tip: _Tip, wander: float, anatomy: Anatomy) -> None:
    """Steer towards the guiding curve, or by the vessel's own bend; avoid the fovea."""
    if tip.guide is not None:
        points, done = tip.guide
        here, ahead = _compute_bezier(points, done), _compute_bezier(points, done + 0.02)
        done += STEP / math.dist(here, ahead) * 0.02
        tip.guide = (points, done) if done < 0.9 else None
        target = _compute_bezier(points, done + 0.1)
        direction = math.atan2(target[1] - tip.y, target[0] - tip.x)
        tip.heading += 0.4 * _wrap_angle(direction - tip.heading) + 2.2 * wander * STEP
        return
    tip.heading += (tip.bend + wander) * STEP
    fx, fy = tip.x - anatomy.macula[0], tip.y - anatomy.macula[1]
    near = math.hypot(fx, fy)
    if near < 0.22:
        away = math.atan2(fy, fx)
        tip.heading += 0.5 * (1 - near / 0.22) * _wrap_angle(away - tip.heading)
        tip.radius *= 0.93


def _split_branch(tip: _Tip, rng: np.random.Generator) -> _Tip:
    """Split off a branch by Murray's law; the trunk keeps the larger share."""
    share = rng.uniform(0.18, 0.48) if tip.guide is not None else rng.uniform(0.3, 0.5)
    side = 1.0 if rng.random() < 0.5 else -1.0
    angle = side * rng.uniform(0.5, 1.05)
    child = _Tip(
        tip.x,
        tip.y,
        tip.heading + angle,
        tip.radius * share ** (1 / 3),
        -side * rng.uniform(0.0, 1.3),
        None,
        rng.uniform(0.16, 0.42),
    )
    tip.radius *= (1 - share) ** (1 / 3)
    if tip.guide is None:
        tip.heading -= 0.35 * angle
    tip.until_branch = rng.uniform(0.2, 0.42)
    return child


def _compute_bezier(points: Array, t: float) -> tuple[float, float]:
    s = 1.0 - t
    weights = (s * s * s, 3 * s * s * t, 3 * s * t * t, t * t * t)
    x = sum(w * float(p[0]) for w, p in zip(weights, points, strict=True))
    y = sum(w * float(p[1]) for w, p in zip(weights, points, strict=True))
    return x, y


def _wrap_angle(angle: float) -> float:
    """Wrap an angle to [-pi, pi)."""
    return (angle + math.pi) % (2 * math.pi) - math.pi
