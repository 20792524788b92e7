"""Anatomy of the brain phantom: the brain's outline, and its structures as lines.

Lengths are in units of half the brain's length; the origin is the middle of the brain, x points
to the right of the image and y to the back of the head. Slices have the forehead up, as in
radiology.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from benchbed.phantoms import Array, Strokes

Level = Literal["thalamus", "bodies", "vertex"]
"""Height of the slice: through the thalami, the bodies of the ventricles, or above them."""

Line = tuple[tuple[float, float, float], ...]
"""Points x, y and half width of a stroke, on the right side."""

# Half widths are those of a young adult; each case scales them.
VENTRICLES: dict[Level, tuple[Line, ...]] = {
    "thalamus": (
        ((0.040, -0.17, 0.012), (0.055, -0.28, 0.026), (0.095, -0.38, 0.036), (0.15, -0.46, 0.012)),
        ((0.115, 0.20, 0.010), (0.17, 0.28, 0.024), (0.225, 0.38, 0.038), (0.235, 0.50, 0.012)),
    ),
    "bodies": (
        ((0.070, -0.44, 0.010), (0.060, -0.34, 0.030), (0.060, -0.18, 0.036), (0.075, 0.0, 0.034)),
        ((0.075, 0.0, 0.034), (0.115, 0.15, 0.036), (0.185, 0.29, 0.040), (0.225, 0.43, 0.010)),
    ),
    "vertex": (),
}
MIDLINE_CSF: dict[Level, tuple[Line, ...]] = {
    "thalamus": (
        ((0.0, -0.10, 0.010), (0.0, 0.10, 0.012)),
        ((-0.05, 0.235, 0.012), (0.0, 0.22, 0.018), (0.05, 0.235, 0.012)),
    ),
    "bodies": (),
    "vertex": (),
}
NUCLEI: dict[Level, tuple[Line, ...]] = {
    "thalamus": (
        ((0.150, -0.36, 0.038), (0.165, -0.26, 0.036), (0.16, -0.18, 0.020)),
        ((0.300, -0.25, 0.040), (0.310, -0.12, 0.055), (0.285, 0.04, 0.030)),
        ((0.085, -0.03, 0.055), (0.120, 0.07, 0.085), (0.15, 0.14, 0.060)),
    ),
    "bodies": (((0.135, -0.26, 0.024), (0.150, -0.08, 0.026), (0.175, 0.06, 0.018)),),
    "vertex": (),
}
SYLVIAN: dict[Level, tuple[Line, ...]] = {
    "thalamus": (
        ((0.80, -0.18, 0.022), (0.62, -0.15, 0.018), (0.47, -0.17, 0.014)),
        ((0.455, -0.33, 0.010), (0.43, -0.18, 0.012), (0.435, -0.02, 0.011), (0.48, 0.12, 0.009)),
    ),
    "bodies": (((0.80, -0.05, 0.016), (0.64, -0.02, 0.012), (0.53, 0.02, 0.009)),),
    "vertex": (),
}
# Start and end of the fissure between the hemispheres; the corpus callosum is in between.
FISSURE: dict[Level, tuple[tuple[float, float], ...]] = {
    "thalamus": ((-1.0, -0.56), (0.34, 1.0)),
    "bodies": ((-1.0, -0.52), (0.42, 1.0)),
    "vertex": ((-1.0, 1.0),),
}
SULCUS = 0.0085
STEP = 0.028


@dataclass(frozen=True)
class Outline:
    """Outline of the brain: an egg, blunter than an ellipse.

    Attributes:
        width: Half its width.
        egg: Extra width at the back compared with the front.
        bluntness: Exponent of the superellipse; 2 is an ellipse.
        lean: Difference between the two halves.
    """

    width: float
    egg: float
    bluntness: float
    lean: float

    def measure_depth(self, x: npt.NDArray[np.floating], y: npt.NDArray[np.floating]) -> Array:
        """Return 0 in the middle and 1 on the outline, nearly linear in between."""
        side = self.width * (1 + self.egg * y - 0.10 * y * y + self.lean * x)
        power = self.bluntness
        return np.asarray((np.abs(x / side) ** power + np.abs(y) ** power) ** (1 / power))

    def compute_edge(self, angle: Array) -> Array:
        """Return outline points ``(N, 2)``; an angle of 0 is the forehead, pi the back."""
        ray = np.stack([np.sin(angle), -np.cos(angle)], axis=-1)
        distance = np.ones_like(angle)
        for _ in range(6):
            distance = distance / self.measure_depth(ray[:, 0] * distance, ray[:, 1] * distance)
        return ray * distance[:, None]


@dataclass(frozen=True)
class Brain:
    """Slice of a brain, as lines.

    Attributes:
        outline: Outline of the brain.
        sulci: Clefts of the cortex, filled with fluid, with their own half widths.
        fissure: Cleft between the hemispheres.
        fluid: Ventricles and cisterns.
        nuclei: Deep grey matter.
        veins: Round vessels on the surface, starting with the sinus at the back.
    """

    outline: Outline
    sulci: Strokes
    fissure: Strokes
    fluid: Strokes
    nuclei: Strokes
    veins: Strokes


def sample_brain(level: Level, rng: np.random.Generator) -> Brain:
    """Sample a slice at `level`, with ventricles and sulci of any age."""
    outline = Outline(
        width=rng.uniform(0.76, 0.87),
        egg=rng.uniform(0.02, 0.10),
        bluntness=rng.uniform(2.2, 2.7),
        lean=rng.normal(0.0, 0.02),
    )
    age = rng.beta(1.3, 2.2)
    width = 0.75 + 1.1 * age
    fissure = _sample_fissure(level, width, rng)
    sulci = [_sample_outer_sulci(outline, side, width, rng) for side in (-1.0, 1.0)]
    sulci += [_sample_medial_sulci(level, side, width, rng) for side in (-1.0, 1.0)]
    sulci.append(_make_mirrored(SYLVIAN[level], 0.6 + 0.6 * width, rng))
    ventricles = _make_mirrored(VENTRICLES[level], rng.uniform(0.6, 1.0) + 1.0 * age, rng)
    midline = _make_strokes(
        [_interpolate_line(line) for line in MIDLINE_CSF[level]], 0.8 + 0.8 * age
    )
    return Brain(
        outline=outline,
        sulci=join_strokes(sulci),
        fissure=fissure,
        fluid=join_strokes([ventricles, midline]),
        nuclei=_make_mirrored(NUCLEI[level], rng.uniform(0.9, 1.1), rng),
        veins=_sample_veins(outline, rng),
    )


def join_strokes(parts: Sequence[Strokes]) -> Strokes:
    """Concatenate strokes."""
    fields = ("start", "end", "radius", "weight")
    return Strokes(*(np.concatenate([getattr(part, name) for part in parts]) for name in fields))


def _make_strokes(lines: Sequence[Array], scale: float = 1.0) -> Strokes:
    """Convert lines ``(N, 3)`` of x, y and half width to capsules."""
    pairs = [np.concatenate([line[:-1], line[1:]], axis=1) for line in lines]
    table = np.concatenate([*pairs, np.empty((0, 6))])
    radius = scale * (table[:, 2] + table[:, 5]) / 2
    return Strokes(table[:, :2], table[:, 3:5], radius, np.ones(len(table)))


def _make_sulci(lines: Sequence[Array], scale: float, rng: np.random.Generator) -> Strokes:
    """Make sulci; some are faint, as if the slice cut them at a slant."""
    strokes = _make_strokes(lines, scale)
    weights = [np.full(len(line) - 1, rng.uniform(0.2, 1.1)) for line in lines]
    return strokes.replace_style(weight=np.clip(np.concatenate(weights), 0, 1))


def _interpolate_line(line: Line, pieces: int = 5) -> Array:
    """Interpolate a line at more points, half width included."""
    knots = np.asarray(line)
    position = np.linspace(0, len(knots) - 1, pieces * (len(knots) - 1) + 1)
    columns = [np.interp(position, np.arange(len(knots)), column) for column in knots.T]
    return np.stack(columns, axis=-1)


def _make_mirrored(lines: Sequence[Line], scale: float, rng: np.random.Generator) -> Strokes:
    """Make lines on both sides, slightly different on each."""
    sides: list[Strokes] = []
    for side in (-1.0, 1.0):
        moved = [_interpolate_line(line) for line in lines]
        for line in moved:
            line[:, :2] += rng.normal(0.0, 0.008, 2)
            line[:, :2] += np.cumsum(rng.normal(0.0, 0.003, (len(line), 2)), axis=0)
            line[:, 0] *= side
        sides.append(_make_strokes(moved, scale * rng.uniform(0.88, 1.12)))
    return join_strokes(sides)


def _sample_fissure(level: Level, scale: float, rng: np.random.Generator) -> Strokes:
    lines: list[Array] = []
    for begin, end in FISSURE[level]:
        y = np.arange(begin, end + 1e-6, STEP)
        wander = np.cumsum(rng.normal(0.0, 0.0035, len(y)))
        x = (wander - np.linspace(wander[0], wander[-1], len(y))) * 0.8
        width = SULCUS * (0.75 + 0.45 * rng.random(len(y)))
        lines.append(np.stack([x, y, width], axis=-1))
    return _make_strokes(lines, scale)


def _sample_outer_sulci(
    outline: Outline, side: float, scale: float, rng: np.random.Generator
) -> Strokes:
    """Sample sulci from the surface: every second one shallow, the deep ones forked."""
    count = int(rng.integers(19, 25))
    angles = (np.arange(count) + 0.5 + rng.uniform(-0.3, 0.3, count)) / count * np.pi * side
    lines: list[Array] = []
    for number, start in enumerate(outline.compute_edge(angles)):
        depth = rng.uniform(0.16, 0.34) if number % 2 else rng.uniform(0.05, 0.20)
        inward = np.arctan2(-start[1], -start[0]) + rng.normal(0.0, 0.25)
        line = _sample_winding_line(start, inward, depth, rng)
        lines.append(line)
        if depth > 0.2 and rng.random() < 0.6:
            fork = int(rng.integers(len(line) // 3, len(line) - 1))
            turn = rng.choice((-1.0, 1.0)) * rng.uniform(0.5, 1.0)
            lines.append(
                _sample_winding_line(
                    line[fork, :2], inward + turn, rng.uniform(0.06, 0.14), rng, 0.8
                )
            )
    return _make_sulci(lines, scale, rng)


def _sample_medial_sulci(
    level: Level, side: float, scale: float, rng: np.random.Generator
) -> Strokes:
    """Sample sulci that branch from the fissure between the hemispheres."""
    lines: list[Array] = []
    for begin, end in FISSURE[level]:
        for y in np.arange(begin + rng.uniform(0.08, 0.2), end - 0.05, 0.19):
            start = np.asarray([0.0, y + rng.uniform(-0.07, 0.07)])
            heading = side * rng.normal(0.0, 0.6) + (0.0 if side > 0 else np.pi)
            lines.append(_sample_winding_line(start, heading, rng.uniform(0.04, 0.22), rng, 1.0))
    return _make_sulci(lines, scale, rng)


def _sample_winding_line(
    start: Array, heading: float, length: float, rng: np.random.Generator, width: float = 1.5
) -> Array:
    """Sample a winding line ``(N, 3)`` that is widest at its start."""
    steps = max(2, round(length / STEP))
    bend = rng.normal(0.0, 2.5) * STEP
    turns = heading + np.cumsum(bend + rng.normal(0.0, 0.16, steps))
    moves = STEP * np.stack([np.cos(turns), np.sin(turns)], axis=-1)
    points = np.concatenate([start[None], start + np.cumsum(moves, axis=0)])
    share = np.linspace(1, 0, len(points))
    half = SULCUS * (0.55 + (width - 0.55) * share**2) * rng.uniform(0.7, 1.3)
    return np.concatenate([points, half[:, None]], axis=1)


def _sample_veins(outline: Outline, rng: np.random.Generator) -> Strokes:
    """Sample the sagittal sinus at both ends of the midline, and veins over the convexity."""
    count = int(rng.integers(5, 14))
    angles = np.concatenate([[np.pi, 0.0], rng.uniform(-2.9, 2.9, count)])
    points = (
        outline.compute_edge(angles) * np.concatenate([[1.0, 1.0], np.full(count, 0.995)])[:, None]
    )
    radius = np.concatenate([[0.036, 0.020], rng.uniform(0.006, 0.014, count)])
    return Strokes(points, points, radius, np.ones(len(points)))
