"""Tissues of a head slice, blended over one another from the inside out."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from benchbed.phantoms import Plane, Strokes, blur, draw, grid, noise
from benchbed_brain.anatomy import Brain
from benchbed_brain.tumour import Tumour

Lengths = npt.NDArray[np.floating[Any]]

CORTEX = 0.040
"""Thickness of the cortex."""

# Outer ends of the layers of the head, as heights above the brain's surface.
FLUID, INNER_TABLE, MARROW, OUTER_TABLE = 0.015, 0.030, 0.058, 0.074


@dataclass(frozen=True)
class Head:
    """Head in the scanner.

    Attributes:
        brain: Brain.
        growths: Tumours.
        signals: Signal of each tissue.
        scale: Half the brain's length over half the frame's width.
        angle: Rotation of the head in radians.
        place: Middle of the head in the frame, whose half width is 1.
        scalp: Mean thickness of the scalp.
        muscle: Extra thickness of the scalp at the temples.
        field: Half width of the image in the frame; black outside.
    """

    brain: Brain
    growths: tuple[Tumour, ...]
    signals: dict[str, float]
    scale: float
    angle: float
    place: tuple[float, float]
    scalp: float
    muscle: float
    field: float


@dataclass(frozen=True)
class _View:
    """Head in frame coordinates.

    Attributes:
        head: The head.
        size: Side of the frame in pixels.
        x: Position of each pixel in the head, to the right, ``(size, size)``.
        y: The same, towards the back.
        above: Height of each pixel above the brain's surface.
        pixel: Width of a pixel.
    """

    head: Head
    size: int
    x: Plane
    y: Plane
    above: Plane
    pixel: float

    def draw_opacity(self, strokes: Strokes, wider: float = 0.0) -> Plane:
        """Return the opacity of strokes of the head, each half width grown by `wider`."""
        head = self.head
        c, s = np.cos(head.angle), np.sin(head.angle)
        turn = head.scale * np.asarray([[c, s], [-s, c]])
        start, end = (points @ turn + head.place for points in (strokes.start, strokes.end))
        radius = (strokes.radius + wider) * head.scale
        return draw(replace(strokes, start=start, end=end, radius=radius), self.size)

    def mask_below(self, height: Lengths, soft: float = 0.0) -> Plane:
        """Return 1 where a length is negative and 0 where positive, soft over at least a pixel."""
        return np.asarray(np.clip(0.5 - height / max(self.pixel, soft), 0, 1), np.float32)


def _make_view(head: Head, size: int) -> _View:
    across, down = grid(size)
    dx, dy = (across - head.place[0]) / head.scale, (down - head.place[1]) / head.scale
    c, s = np.float32(np.cos(head.angle)), np.float32(np.sin(head.angle))
    x, y = dx * c + dy * s, dy * c - dx * s
    # On a ray from the middle, the outline is where the depth is 1.
    depth = np.maximum(head.brain.outline.measure_depth(x, y), 1e-3)
    above = np.asarray(np.hypot(x, y) * (1 - 1 / depth), np.float32)
    return _View(head, size, x, y, above, 2 / (size * head.scale))


def render_tissue(head: Head, rng: np.random.Generator, size: int) -> Plane:
    """Render a head without the scanner's imperfections.

    Args:
        head: The head.
        rng: Random generator of the texture.
        size: Side of the frame in pixels.

    Returns:
        ``(size, size)`` shares of white, 0 and up.
    """
    view = _make_view(head, size)
    lines = head.brain
    grey = np.maximum.reduce(
        [
            view.draw_opacity(lines.sulci, CORTEX),
            view.draw_opacity(lines.fissure, CORTEX),
            view.mask_below(-CORTEX - view.above),
            0.85 * blur(view.draw_opacity(lines.nuclei), 0.012),
        ]
    )
    fluid = np.maximum.reduce(
        [view.draw_opacity(p) for p in (lines.sulci, lines.fissure, lines.fluid)]
    )
    uneven = 1 + 0.035 * noise(rng, 9, size) + 0.02 * noise(rng, 34, size)
    light = np.full((size, size), head.signals["white"], np.float32)
    light = _blend_tissue(light, head.signals["grey"], grey) * uneven
    oedema, depths = _compute_oedema(view, rng)
    # Oedema follows the white matter, and swelling closes the clefts.
    light = _blend_tissue(light, head.signals["oedema"], oedema * (0.90 - 0.65 * grey))
    light = _blend_tissue(light, head.signals["fluid"], fluid * (1 - 0.6 * oedema))
    light = _add_tumours(light, view, depths, rng)
    light = _blend_tissue(
        light,
        head.signals["dura"],
        0.7 * view.draw_opacity(lines.fissure.replace_style(radius=0.4)),
    )
    return _add_head_layers(light, view, rng)


def _blend_tissue(light: Plane, signal: float | Plane, cover: Plane) -> Plane:
    """Blend a tissue over the image."""
    return np.asarray(light + cover * (signal - light), np.float32)


def _compute_oedema(view: _View, rng: np.random.Generator) -> tuple[Plane, list[Plane]]:
    """Return the share of oedema and the depth in each tumour (see `Tumour.measure_depth`)."""
    oedema = np.zeros((view.size, view.size), np.float32)
    depths: list[Plane] = []
    if not view.head.growths:
        return oedema, depths
    lobed = 1 + 0.40 * noise(rng, 7, view.size) + 0.18 * noise(rng, 16, view.size)
    for growth in view.head.growths:
        depth = growth.measure_depth(view.x, view.y)
        depths.append(depth)
        if growth.oedema > 0.05:
            beyond = (depth - 1 - growth.oedema * lobed) * growth.radius
            oedema = np.maximum(oedema, view.mask_below(beyond, 0.10))
    return oedema, depths


def _add_tumours(light: Plane, view: _View, depths: list[Plane], rng: np.random.Generator) -> Plane:
    """Add the tumours: a core within a ragged rim, or a single tissue."""
    if not depths:
        return light
    signals, size = view.head.signals, view.size
    speckle = 1 + 0.12 * noise(rng, 26, size)
    ragged = 0.10 * noise(rng, 12, size) + 0.09 * noise(rng, 30, size)
    for growth, smooth in zip(view.head.growths, depths, strict=True):
        if growth.kind == "meningioma":
            body = view.mask_below((smooth - 1) * growth.radius, 0.015)
            light = _blend_tissue(light, signals["solid"] * speckle, body)
            continue
        depth = smooth + 0.7 * ragged
        if growth.kind == "glioma":
            body = view.mask_below((depth - 1) * growth.radius, 0.09)
            light = _blend_tissue(light, signals["glioma"] * speckle, body)
            continue
        # Where the ragged field is high, the rim is thick or reaches into the core.
        core = view.mask_below((depth + 0.9 * ragged - 1 + growth.rim) * growth.radius, 0.03)
        inside = _blend_tissue(signals["rim"] * speckle**2, signals["core"], core)
        light = _blend_tissue(light, inside, view.mask_below((depth - 1) * growth.radius, 0.015))
    return light


def _add_head_layers(light: Plane, view: _View, rng: np.random.Generator) -> Plane:
    """Add fluid, veins, the skull's two tables with marrow between them, scalp and air."""
    head, above, size = view.head, view.above, view.size
    signals = head.signals
    thickness = 1 + 0.20 * noise(rng, 3, size) + 0.06 * noise(rng, 9, size)
    temple = head.muscle * np.exp(-(((view.y + 0.25) / 0.28) ** 2)) * np.minimum(abs(view.x), 1)
    light = _blend_tissue(light, signals["fluid"], view.mask_below(-above))
    light = _blend_tissue(light, signals["vein"], view.draw_opacity(head.brain.veins))
    light = _blend_tissue(light, signals["dura"], 0.6 * view.mask_below(0.8 * FLUID - above))
    light = _blend_tissue(light, signals["bone"], view.mask_below(FLUID - above))
    between = abs(above - (INNER_TABLE + MARROW) / 2) - (MARROW - INNER_TABLE) / 2
    light = _blend_tissue(
        light,
        signals["marrow"],
        view.mask_below(between, 0.03) * np.clip(2.2 * thickness - 1.6, 0, 1),
    )
    muscle = 0.45 * signals["fat"]
    light = _blend_tissue(light, muscle, view.mask_below(OUTER_TABLE - above))
    fat = 0.88 + 0.10 * noise(rng, 40, size)
    light = _blend_tissue(
        light, signals["fat"], fat * view.mask_below(OUTER_TABLE + temple - above)
    )
    skin = OUTER_TABLE + temple + head.scalp * thickness
    return light * view.mask_below(above - skin, 0.012)
