"""Shape of a cultured smooth-muscle cell: a spindle or a star, and its contents.

The frame spans -1 to 1, x to the right and y down.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from benchbed.phantoms import Array, Strokes, curve

ARMS, SHARES = (2, 3, 4), (0.58, 0.28, 0.14)
"""Number of processes of a cell and its probabilities; two make a spindle."""


@dataclass(frozen=True)
class Arm:
    """Process of the cell, from its middle to its tip.

    Attributes:
        angle: Direction in radians.
        reach: Distance of the tip.
        bend: Sideways displacement of the tip.
        width: Half its width midway.
        tip: Half its width near the tip; a wide tip is a lamella that creeps forward.
    """

    angle: float
    reach: float
    bend: float
    width: float
    tip: float

    def get_point(self, share: float, offset: float) -> Array:
        """Return the point at a share of the reach and a sideways offset."""
        direction = np.asarray([np.cos(self.angle), np.sin(self.angle)])
        normal = np.asarray([-direction[1], direction[0]])
        return np.asarray(share * self.reach * direction + (offset + self.bend * share**2) * normal)


@dataclass(frozen=True)
class Cell:
    """Parts of a cell to draw.

    Attributes:
        outline: Membrane, closed, ``(N, 2)``.
        fibres: Bundles of actin from process to process.
        threads: Retraction fibres that hold the tips to the glass.
        nucleus: Nucleus, closed, ``(N, 2)``.
        nucleoli: Bodies in the nucleus.
        granules: Mitochondria and other dense bodies around it.
        vesicles: Clear bodies around it.
        debris: Particles around the cell.
    """

    outline: Array
    fibres: Strokes
    threads: Strokes
    nucleus: Array
    nucleoli: Strokes
    granules: Strokes
    vesicles: Strokes
    debris: Strokes


def sample_cell(rng: np.random.Generator) -> Cell:
    """Sample a cell.

    Args:
        rng: Random generator.
    """
    waist = rng.uniform(0.14, 0.25)
    arms = _sample_arms(rng, waist)
    outline, middle = _move_outline(_make_outline(arms, waist, rng), rng)
    centre = middle + rng.normal(0.0, 0.02, 2)
    long = min(rng.uniform(0.085, 0.115), 0.75 * waist)
    nucleus = _make_oval(centre, arms[0].angle, long, long * rng.uniform(0.58, 0.78))
    return Cell(
        outline=outline,
        fibres=_sample_fibres(arms, waist, middle, rng),
        threads=_sample_threads(arms, middle, rng),
        nucleus=nucleus,
        nucleoli=_sample_dots(
            rng, centre, count=int(rng.integers(1, 4)), spread=0.022, radius=(0.013, 0.019)
        ),
        granules=_sample_dots(
            rng,
            centre,
            count=int(rng.integers(60, 140)),
            spread=waist,
            radius=(0.004, 0.009),
            hollow=0.9,
        ),
        vesicles=_sample_dots(
            rng,
            centre,
            count=int(rng.integers(10, 40)),
            spread=0.9 * waist,
            radius=(0.005, 0.010),
            hollow=0.9,
        ),
        debris=_sample_dots(
            rng, np.zeros(2), count=int(rng.integers(0, 7)), spread=0.7, radius=(0.008, 0.024)
        ),
    )


def _sample_arms(rng: np.random.Generator, waist: float) -> list[Arm]:
    count = int(rng.choice(ARMS, p=SHARES))
    start = rng.uniform(0.0, 2 * np.pi)
    reach = (0.62, 0.98) if count == 2 else (0.45, 0.88)
    return [
        Arm(
            angle=start + 2 * np.pi * k / count + rng.normal(0.0, 0.22 if count > 2 else 0.10),
            reach=rng.uniform(*reach),
            bend=rng.normal(0.0, 0.11),
            width=waist * rng.uniform(0.36, 0.62),
            tip=waist
            * (rng.uniform(0.18, 0.36) if rng.random() < 0.25 else rng.uniform(0.05, 0.12)),
        )
        for k in range(count)
    ]


def _make_outline(arms: list[Arm], waist: float, rng: np.random.Generator) -> Array:
    """Make the membrane, which curves inwards between the processes."""
    knots: list[Array] = []
    for k, arm in enumerate(arms):
        previous = arms[k - 1].angle - (2 * np.pi if k == 0 else 0.0)
        middle = (previous + arm.angle) / 2
        # The wider the angle between two processes, the less the membrane curves inwards.
        depth = waist * (0.85 + 0.15 * (arm.angle - previous)) * rng.uniform(0.8, 1.15)
        knots.append(np.asarray([np.cos(middle), np.sin(middle)]) * depth)
        knots += [
            arm.get_point(0.50, -arm.width),
            arm.get_point(0.88, -arm.tip),
            arm.get_point(1.0, 0.0),
        ]
        knots += [arm.get_point(0.88, arm.tip), arm.get_point(0.50, arm.width)]
    return curve(np.asarray(knots) + rng.normal(0.0, 0.007, (len(knots), 2)), steps=10)


def _move_outline(outline: Array, rng: np.random.Generator) -> tuple[Array, Array]:
    """Move the outline randomly within the frame; return it and its middle."""
    low, high = -0.94 - outline.min(0), 0.94 - outline.max(0)
    middle = np.clip(rng.normal(0.0, 0.12, 2), np.minimum(low, high), np.maximum(low, high))
    return outline + middle, middle


def _make_oval(centre: Array, angle: float, long: float, short: float) -> Array:
    angles = np.linspace(0.0, 2 * np.pi, 48, endpoint=False)
    x, y = long * np.cos(angles), short * np.sin(angles)
    cosine, sine = np.cos(angle), np.sin(angle)
    return np.asarray(centre + np.stack([cosine * x - sine * y, sine * x + cosine * y], axis=1))


def _sample_fibres(
    arms: list[Arm], waist: float, middle: Array, rng: np.random.Generator
) -> Strokes:
    lines: list[Array] = []
    for k, arm in enumerate(arms[: max(1, len(arms) - 1)]):
        other = arms[(k + max(1, len(arms) // 2)) % len(arms)]
        for _ in range(9):
            offset = rng.uniform(-0.85, 0.85)
            knots = [
                arm.get_point(rng.uniform(0.75, 0.95), offset * arm.tip),
                arm.get_point(0.50, offset * arm.width),
                arm.get_point(0.0, 0.9 * offset * waist),
                other.get_point(0.50, -offset * other.width),
                other.get_point(rng.uniform(0.75, 0.95), -offset * other.tip),
            ]
            lines.append(curve(np.asarray(knots), closed=False, steps=5) + middle)
    weight = np.repeat(rng.uniform(0.3, 1.0, len(lines)), len(lines[0]) - 1)
    return _make_strokes(lines, 0.0055).replace_style(weight=weight)


def _sample_threads(arms: list[Arm], middle: Array, rng: np.random.Generator) -> Strokes:
    """Sample one to three threads at every tip, in its direction."""
    ends = [
        (
            arm.get_point(0.95, 0.0),
            arm.get_point(1.0 + rng.uniform(0.05, 0.22), rng.normal(0.0, 0.03)),
        )
        for arm in arms
        for _ in range(rng.integers(1, 4))
    ]
    return _make_strokes([np.stack(pair) + middle for pair in ends], 0.005)


def _make_strokes(lines: list[Array], radius: float) -> Strokes:
    start = np.concatenate([line[:-1] for line in lines])
    end = np.concatenate([line[1:] for line in lines])
    return Strokes(start, end, np.full(len(start), radius), np.ones(len(start)))


def _sample_dots(
    rng: np.random.Generator,
    centre: Array,
    *,
    count: int,
    spread: float,
    radius: tuple[float, float],
    hollow: float = 0.0,
) -> Strokes:
    """Sample round bodies around a point, excluding a share `hollow` of the spread."""
    distance = spread * (hollow + np.abs(rng.normal(0.0, 1.0 - 0.5 * hollow, count)))
    angle = rng.uniform(0.0, 2 * np.pi, count)
    position = centre + distance[:, None] * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    return Strokes(position, position, rng.uniform(*radius, count), rng.uniform(0.4, 1.0, count))
