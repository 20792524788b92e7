"""Tumours of the brain phantom: position, shape and displacement of the brain."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from benchbed.phantoms import Array, Plane, Strokes
from benchbed_brain.anatomy import Brain, Outline

Kind = Literal["glioblastoma", "glioma", "meningioma", "metastasis"]

KINDS: tuple[Kind, ...] = ("glioblastoma", "glioma", "meningioma", "metastasis")
KIND_SHARES = (0.42, 0.18, 0.25, 0.15)
LOBE_FREQUENCIES = np.arange(2, 8)


@dataclass(frozen=True)
class Tumour:
    """Tumour; lengths are in units of half the brain's length.

    Attributes:
        kind: Type of tumour.
        centre: Centre (x, y).
        radius: Mean radius.
        lobes: Amplitudes and phases ``(6, 2)`` of the outline's waves, 2 to 7 per turn.
        rim: Share of the radius that enhances; 1 is all of it.
        oedema: Extent of the oedema beyond the outline, in radii.
    """

    kind: Kind
    centre: tuple[float, float]
    radius: float
    lobes: Array
    rim: float
    oedema: float

    def measure_depth(self, x: Plane, y: Plane) -> Plane:
        """Return the distance to the centre relative to the outline: below 1 inside, 1 on it."""
        dx, dy = x - self.centre[0], y - self.centre[1]
        angle = np.arctan2(dy, dx)
        edge = np.ones_like(angle)
        for wave, (height, phase) in zip(LOBE_FREQUENCIES, self.lobes, strict=True):
            edge += height * np.cos(wave * angle + phase)
        return np.asarray(np.hypot(dx, dy) / (self.radius * edge), np.float32)


def sample_tumours(outline: Outline, rng: np.random.Generator) -> list[Tumour]:
    """Sample the tumours of a patient: one, or up to three metastases."""
    kind: Kind = KINDS[int(rng.choice(len(KINDS), p=KIND_SHARES))]
    count = int(rng.integers(1, 4)) if kind == "metastasis" else 1
    return [_sample_tumour(kind, outline, rng) for _ in range(count)]


def _sample_tumour(kind: Kind, outline: Outline, rng: np.random.Generator) -> Tumour:
    smallest, largest = {
        "glioblastoma": (0.17, 0.34),
        "glioma": (0.16, 0.32),
        "meningioma": (0.16, 0.32),
        "metastasis": (0.06, 0.14),
    }[kind]
    radius = rng.uniform(smallest, largest)
    angle = rng.uniform(0.25, np.pi - 0.25) * rng.choice((-1.0, 1.0))
    edge = outline.compute_edge(np.asarray([angle]))[0]
    reach = float(np.hypot(*edge))
    # A meningioma is attached to the dura; the others are in the brain.
    inwards = 0.72 * radius if kind == "meningioma" else radius + rng.uniform(0.0, 0.45) * reach
    centre = edge * max(1 - inwards / reach, 0.25)
    rough = {"glioblastoma": 0.14, "glioma": 0.14, "meningioma": 0.05, "metastasis": 0.05}[kind]
    heights = rng.normal(0.0, rough, len(LOBE_FREQUENCIES)) * (2 / LOBE_FREQUENCIES) ** 1.3
    lobes = np.stack([heights, rng.uniform(0, 2 * np.pi, len(LOBE_FREQUENCIES))], axis=-1)
    return Tumour(
        kind=kind,
        centre=(float(centre[0]), float(centre[1])),
        radius=radius,
        lobes=lobes,
        rim=1.0 if kind in ("meningioma", "glioma") else rng.uniform(0.18, 0.45),
        oedema={
            "glioblastoma": rng.uniform(0.3, 1.1),
            "glioma": rng.uniform(0.0, 0.25),
            "meningioma": rng.uniform(0.0, 0.7),
            "metastasis": rng.uniform(0.8, 2.4),
        }[kind],
    )


def push_brain(slice_: Brain, growths: Sequence[Tumour]) -> Brain:
    """Displace the brain around the tumours.

    A point at distance d from the centre moves to the cube root of d^3 + (0.8 r)^3, with r the
    radius; less near the rigid skull.
    """

    def moved(points: Array) -> Array:
        reach = slice_.outline.measure_depth
        furthest = np.maximum(reach(points[:, 0], points[:, 1]), 0.98)
        for growth in growths:
            offset = points - growth.centre
            distance = np.hypot(offset[:, 0], offset[:, 1])
            room = np.clip(1 - reach(points[:, 0], points[:, 1]) ** 6, 0, 1)
            goal = np.cbrt(distance**3 + (0.8 * growth.radius) ** 3)
            shift = (goal - distance) * room * np.exp(-((distance / 0.9) ** 2))
            points = points + offset * (shift / np.maximum(distance, 1e-6))[:, None]
        beyond = reach(points[:, 0], points[:, 1]) / furthest
        return np.asarray(points / np.maximum(beyond, 1)[:, None], np.float64)

    def shifted(strokes: Strokes) -> Strokes:
        return replace(strokes, start=moved(strokes.start), end=moved(strokes.end))

    return replace(
        slice_,
        sulci=shifted(slice_.sulci),
        fissure=shifted(slice_.fissure),
        fluid=shifted(slice_.fluid),
        nuclei=shifted(slice_.nuclei),
    )
