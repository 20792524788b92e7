"""The hippocampus phantom: the left or right hippocampus and what lies around it, in T1.

Matched to the training cases of the Medical Segmentation Decathlon, Task04_Hippocampus, laid in the
axes (z, y, x) growing upwards, forwards and to the right: boxes of 28-44 x 44-57 x 31-42 mm (mean
36 x 50 x 36), the two classes about equally large with 1.1 to 2.5 cm^3 each (2.7 and 2.5 % of the
box), the anterior one on average 18 mm before, 7 mm below and 2 mm medial of the posterior one, the
whole about 39 mm long, 22 mm wide and 25 mm high; and, over the 99th percentile of a box: the
hippocampus at 0.44 (standard deviation between cases 0.025), the rest at 0.58 with a standard
deviation of 0.26, its quartiles 0.37, 0.58 and 0.79.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from benchbed_brain.volume_fields import (
    Field,
    Point,
    Points,
    Raster,
    compute_inside,
    join_solids,
    make_raster,
    make_rotation,
    measure_ellipsoid,
    measure_tube,
    sample_noise,
)

SUPERSAMPLING_SIZE = 64
"""Voxels are looked at at several points where there are fewer than this along an edge."""

EDGE_SOFTNESS = 0.8
"""Width in mm over which one tissue goes over into another."""

Knots = tuple[tuple[float, float, float, float], ...]

# In mm from the box's middle, x towards the body's middle; the last number is the half width.
# fmt: off
BODY: Knots = ((0, 15, -10.5, 4.0), (-3, 11, -9.5, 7.1), (-5, 6, -6.5, 7.2), (-6, 0, -3.5, 6.6),
               (-6, -6, -0.5, 6.2), (-4, -12, 3.5, 5.4), (-0.5, -16, 6.5, 4.2), (2, -18, 9, 2.6))
UNCUS: Knots = ((-1, 13, -8, 5.5), (4, 13, -7, 4.4), (7.5, 12, -5.5, 2.6))
FIMBRIA: Knots = ((-2, 6, -2.5, 0.7), (-3, -4, 1.5, 0.8), (-1, -13, 7, 1.0), (4, -19, 11, 1.2))
FISSURE: Knots = ((12, 8, -1, 1.6), (4, 6, -2, 0.9), (0, 2, -1, 0.7))
ENTORHINAL: Knots = ((6, 18, -14, 6), (7, 8, -12, 5), (6, -4, -7, 4.5), (7, -14, -1, 4))
# fmt: on

FLATNESS = 1.9
"""The hippocampus is that much wider than it is high."""

SIGNALS = {"fluid": 0.11, "grey": 0.36, "white": 0.72, "hippocampus": 0.40, "thalamus": 0.56,
           "amygdala": 0.41, "stem": 0.76, "vessel": 1.3}  # fmt: skip
"""Shares of white."""


@dataclass(frozen=True)
class _Case:
    """How a case differs from the standard one.

    Attributes:
        box: Lengths of the picture along x, y and z in mm.
        side: 1 for the left hippocampus, -1 for the right one.
        turn: Rotation ``(3, 3)``.
        scale: The standard's lengths over its own, along x, y and z.
        place: By how much it lies off the picture's middle.
        shrunk: 0 is a full hippocampus, 1 a shrunken one in a wide temporal horn.
        border: Where the anterior part begins, along y in the picture.
    """

    box: npt.NDArray[np.float64]
    side: float
    turn: npt.NDArray[np.float64]
    scale: npt.NDArray[np.float64]
    place: npt.NDArray[np.float64]
    shrunk: float
    border: float

    @property
    def extent(self) -> Point:
        """Lengths of the frame: the smallest cube around the picture."""
        longest = float(self.box.max())
        return longest, longest, longest


def render(indices: Sequence[int], size: int, seed: int) -> dict[str, npt.NDArray[Any]]:
    """Hippocampi in their surroundings, each picture in the smallest cube around it.

    Args:
        indices: Numbers of the cases.
        size: Side S of the cube in voxels, 16 to 256.
        seed: Seed of the whole collection.

    Returns:
        ``image`` float32 ``(N, 1, S, S, S)`` in [-1, 1], -1 outside the picture; ``mask`` uint8
        ``(N, S, S, S)``: 1 the anterior part of the hippocampus, 2 the posterior one.

    Raises:
        ValueError: `size` is out of range.
    """
    if not 16 <= size <= 256:
        raise ValueError(f"size is {size} but must be from 16 to 256")
    cases = [_render_case(np.random.default_rng((seed, index)), size) for index in indices]
    return {
        "image": np.stack([image for image, _ in cases])[:, None],
        "mask": np.stack([mask for _, mask in cases]),
    }


def _sample_case(rng: np.random.Generator) -> _Case:
    side = 1.0 if rng.random() < 0.5 else -1.0
    # Real pictures are cut at whole millimetres around the hippocampus.
    box = np.clip(np.round(rng.normal((36, 50, 36), (2.2, 2.6, 2.8))), (31, 44, 28), (42, 57, 44))
    size = rng.normal(0.0, 0.03)
    return _Case(
        box=box,
        side=side,
        turn=make_rotation(rng.normal(0.0, 1.0, 3) * (0.10, 0.07, 0.07)),
        scale=np.exp(size + rng.normal(0.0, 0.03, 3)),
        place=rng.normal(0.0, 0.8, 3) * (1.0, 1.0, 1.3),
        shrunk=float(rng.beta(1.4, 2.2)),
        border=rng.normal(1.5, 1.2),
    )


def _render_case(rng: np.random.Generator, size: int) -> tuple[Field, npt.NDArray[np.uint8]]:
    case = _sample_case(rng)
    seen = _find_picture_voxels(case, size)
    view = make_raster(case.extent, (size, size, size), -(-SUPERSAMPLING_SIZE // size), seen)
    at = _transform_points(case, view, rng)
    body = _measure_hippocampus(case, at)
    light = _render_tissues(case, at, body, view, rng)
    light = view.reduce_mean(_apply_scanner(light, view, case, rng))
    grain = rng.uniform(0.02, 0.05) * min(1.0, size / 50)
    light += np.float32(grain) * rng.standard_normal(light.shape, dtype=np.float32)
    image = np.full((size, size, size), -1, np.float32)
    image[seen] = np.clip(2 * light - 1, -1, 1)
    mask = np.zeros((size, size, size), np.uint8)
    mask[seen] = _label_parts(case, view, body)
    return image, mask


def _find_picture_voxels(case: _Case, size: int) -> tuple[slice, slice, slice]:
    """The voxels of the cube whose middles lie in the picture, along z, y and x."""
    lengths = case.box[::-1] / case.box.max() * size
    first, last = (np.round((size + sign * lengths) / 2).astype(int) for sign in (-1, 1))
    z, y, x = (slice(int(a), int(b)) for a, b in zip(first, last, strict=True))
    return z, y, x


def _label_parts(case: _Case, view: Raster, body: Field) -> npt.NDArray[np.uint8]:
    """Anterior and posterior part: real annotators part them by a coronal plane."""
    covered = view.reduce_mean(compute_inside(body, EDGE_SOFTNESS)) > 0.5
    middle = view.reduce_mean(np.broadcast_to(view.points.y, body.shape))
    return np.where(covered, np.where(middle > case.border, 1, 2), 0).astype(np.uint8)


def _transform_points(case: _Case, view: Raster, rng: np.random.Generator) -> Points:
    """Places in the standard case, x towards the body's middle."""
    axes = zip(view.points.axes, case.place, strict=True)
    x, y, z = (axis - np.float32(offset) for axis, offset in axes)
    matrix = (case.scale[:, None] * case.turn).astype(np.float32)
    bends = [1.3 * sample_noise(rng, 18.0, view.points, case.extent) for _ in range(3)]
    turned = [row[0] * case.side * x + row[1] * y + row[2] * z for row in matrix]
    return Points(*(axis + bend for axis, bend in zip(turned, bends, strict=True)))


def _measure_flat_tube(at: Points, knots: Knots) -> Field:
    """Distance to a tube that is wider than it is high."""
    flattened = tuple((x, y, z * FLATNESS, radius) for x, y, z, radius in knots)
    return measure_tube(Points(at.x, at.y, at.z * np.float32(FLATNESS)), flattened)


def _measure_hippocampus(case: _Case, at: Points) -> Field:
    whole = join_solids(_measure_flat_tube(at, BODY), _measure_flat_tube(at, UNCUS), 2.5)
    return whole + np.float32(0.9 * case.shrunk - 0.3)


def _render_tissues(
    case: _Case, at: Points, body: Field, view: Raster, rng: np.random.Generator
) -> Field:
    """The tissues, laid over one another from the outside in."""
    signals = {k: v * float(np.exp(rng.normal(0.0, 0.04))) for k, v in SIGNALS.items()}
    light = np.full(body.shape, signals["white"], np.float32)

    def lay(name: str, distance: Field, soft: float = EDGE_SOFTNESS) -> None:
        nonlocal light
        light += compute_inside(distance, soft) * (np.float32(signals[name]) - light)

    lay("thalamus", measure_ellipsoid(at, (7, -8, 19), (15, 19, 12)), 3.0)
    lay("thalamus", measure_ellipsoid(at, (-10, 14, 17), (5, 12, 8)), 2.0)
    wide = np.float32(1.2 + 2.2 * case.shrunk)
    below, sulcus = _measure_cortex(case, at, view, rng)
    lay("grey", np.maximum(below, sulcus - 3.4))
    lay("fluid", np.maximum(below, sulcus - 0.35 * wide))
    stem = measure_ellipsoid(at, (25, 8, -2), (12.5, 15, 24))
    lay("grey", _measure_flat_tube(at, ENTORHINAL), 1.2)
    lay("amygdala", measure_ellipsoid(at, (0, 22, -2), (13, 10, 8)), 1.5)
    # The brain stem in its cistern, from which a fissure leads to the hippocampus.
    lay("fluid", np.maximum(stem - wide - 2, at.z - 9))
    lay("stem", stem)
    lay("fluid", measure_tube(at, FISSURE) - 0.25 * wide)
    lay("fluid", measure_ellipsoid(at, (-3, -27, 15), (6 + 4 * case.shrunk, 10, 9)))
    lay("fluid", measure_ellipsoid(at, (14, -25, 12), (8, 8, 8)))
    # The temporal horn lies over it and beside it.
    horn = Points(at.x + np.float32(0.6), at.y, at.z - np.float32(0.9))
    lay("fluid", _measure_flat_tube(horn, BODY) + np.float32(0.9 - 0.8 * wide))
    light += compute_inside(body, EDGE_SOFTNESS) * (
        _apply_layers(signals["hippocampus"], body) - light
    )
    lay("white", measure_tube(at, FIMBRIA))
    if rng.random() < 0.6:
        height = rng.uniform(-8, 2)
        vessel = ((11, 18, height, 0.9), (8, 8, height + 2, 0.8), (10, -4, height + 5, 0.7))
        lay("vessel", measure_tube(at, vessel))
    return light


def _apply_layers(signal: float, body: Field) -> Field:
    """The hippocampus is a rolled up sheet: a little brighter within."""
    return np.asarray(signal * (1 + 0.04 * np.cos(1.6 * body)), np.float32)


def _measure_cortex(
    case: _Case, at: Points, view: Raster, rng: np.random.Generator
) -> tuple[Field, Field]:
    """How far above the lower gyri places lie, and how far from the sulci between these."""
    height = at.z + 9.0 + np.float32(0.45) * at.y
    wavy = 1.2 * sample_noise(rng, 12.0, view.points, case.extent)
    folds = sample_noise(rng, 6.0, view.points, case.extent)
    aside = np.abs(folds + np.float32(0.08) * (height + 5)) * np.float32(2.6)
    return np.asarray(height + wavy, np.float32), aside


def _apply_scanner(light: Field, view: Raster, case: _Case, rng: np.random.Generator) -> Field:
    """The scanner's blur, the coil's uneven reach and tissue that is never even."""
    blurred = ndimage.gaussian_filter(light, rng.uniform(0.4, 0.65) / view.spacing)
    uneven = 1 + 0.09 * sample_noise(rng, 30.0, view.points, case.extent)
    uneven += 0.06 * sample_noise(rng, 2.5, view.points, case.extent)
    return np.asarray(blurred * uneven, np.float32)
