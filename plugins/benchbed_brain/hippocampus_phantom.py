"""Hippocampus phantom: the left or right hippocampus and its surroundings, in T1.

Matched to the training cases of the Medical Segmentation Decathlon, Task04_Hippocampus, with the
axes (z, y, x) pointing upwards, forwards and to the right: boxes of 28-44 x 44-57 x 31-42 mm (mean
36 x 50 x 36); two classes of about equal size with 1.1 to 2.5 cm^3 each (2.7 and 2.5 % of the
box), the anterior one on average 18 mm before, 7 mm below and 2 mm medial of the posterior one;
the whole about 39 mm long, 22 mm wide and 25 mm high. Relative to the 99th percentile of a box,
the hippocampus has 0.44 (standard deviation between cases 0.025) and the rest 0.58 with a standard
deviation of 0.26 and quartiles of 0.37, 0.58 and 0.79.
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
"""Volumes of fewer voxels per edge are supersampled."""

EDGE_SOFTNESS = 0.8
"""Width in mm of the transition between tissues."""

Knots = tuple[tuple[float, float, float, float], ...]

# In mm from the middle of the box, x towards the middle of the body; the last is the half width.
# fmt: off
BODY: Knots = ((0, 15, -10.5, 4.0), (-3, 11, -9.5, 7.1), (-5, 6, -6.5, 7.2), (-6, 0, -3.5, 6.6),
               (-6, -6, -0.5, 6.2), (-4, -12, 3.5, 5.4), (-0.5, -16, 6.5, 4.2), (2, -18, 9, 2.6))
UNCUS: Knots = ((-1, 13, -8, 5.5), (4, 13, -7, 4.4), (7.5, 12, -5.5, 2.6))
FIMBRIA: Knots = ((-2, 6, -2.5, 0.7), (-3, -4, 1.5, 0.8), (-1, -13, 7, 1.0), (4, -19, 11, 1.2))
FISSURE: Knots = ((12, 8, -1, 1.6), (4, 6, -2, 0.9), (0, 2, -1, 0.7))
ENTORHINAL: Knots = ((6, 18, -14, 6), (7, 8, -12, 5), (6, -4, -7, 4.5), (7, -14, -1, 4))
# fmt: on

FLATNESS = 1.9
"""Width of the hippocampus over its height."""

SIGNALS = {"fluid": 0.11, "grey": 0.36, "white": 0.72, "hippocampus": 0.40, "thalamus": 0.56,
           "amygdala": 0.41, "stem": 0.76, "vessel": 1.3}  # fmt: skip
"""Signals as shares of white."""


@dataclass(frozen=True)
class _Case:
    """Differences between a case and the standard anatomy.

    Attributes:
        box: Lengths of the image in x, y and z, in mm.
        side: 1 for the left hippocampus, -1 for the right one.
        turn: Rotation ``(3, 3)``.
        scale: Standard lengths over those of the case, in x, y and z.
        place: Offset from the middle of the image.
        shrunk: 0 for a full hippocampus, 1 for an atrophied one in a wide temporal horn.
        border: Position of the start of the anterior part on the y axis of the image.
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
        """Lengths of the frame: the smallest cube around the image."""
        longest = float(self.box.max())
        return longest, longest, longest


def render(indices: Sequence[int], size: int, seed: int) -> dict[str, npt.NDArray[Any]]:
    """Render hippocampi with their surroundings, each in the smallest cube around its image.

    Args:
        indices: Indices of the cases.
        size: Side S of the cube in voxels, 16 to 256.
        seed: Seed of the dataset.

    Returns:
        ``image`` float32 ``(N, 1, S, S, S)`` in [-1, 1], -1 outside the image; ``mask`` uint8
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
    # Real images are cropped at whole millimetres around the hippocampus.
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
    region = _find_picture_voxels(case, size)
    view = make_raster(case.extent, (size, size, size), -(-SUPERSAMPLING_SIZE // size), region)
    points = _transform_points(case, view, rng)
    body = _measure_hippocampus(case, points)
    light = _render_tissues(case, points, body, view, rng)
    light = view.reduce_mean(_apply_scanner(light, view, case, rng))
    grain = rng.uniform(0.02, 0.05) * min(1.0, size / 50)
    light += np.float32(grain) * rng.standard_normal(light.shape, dtype=np.float32)
    image = np.full((size, size, size), -1, np.float32)
    image[region] = np.clip(2 * light - 1, -1, 1)
    mask = np.zeros((size, size, size), np.uint8)
    mask[region] = _label_parts(case, view, body)
    return image, mask


def _find_picture_voxels(case: _Case, size: int) -> tuple[slice, slice, slice]:
    """Return the voxels of the cube that belong to the image, in z, y and x."""
    lengths = case.box[::-1] / case.box.max() * size
    first, last = (np.round((size + sign * lengths) / 2).astype(int) for sign in (-1, 1))
    z, y, x = (slice(int(a), int(b)) for a, b in zip(first, last, strict=True))
    return z, y, x


def _label_parts(case: _Case, view: Raster, body: Field) -> npt.NDArray[np.uint8]:
    """Label the anterior and the posterior part, divided by a coronal plane as by annotators."""
    covered = view.reduce_mean(compute_inside(body, EDGE_SOFTNESS)) > 0.5
    middle = view.reduce_mean(np.broadcast_to(view.points.y, body.shape))
    return np.where(covered, np.where(middle > case.border, 1, 2), 0).astype(np.uint8)


def _transform_points(case: _Case, view: Raster, rng: np.random.Generator) -> Points:
    """Transform points to the standard anatomy, x towards the middle of the body."""
    axes = zip(view.points.axes, case.place, strict=True)
    x, y, z = (axis - np.float32(offset) for axis, offset in axes)
    matrix = (case.scale[:, None] * case.turn).astype(np.float32)
    bends = [1.3 * sample_noise(rng, 18.0, view.points, case.extent) for _ in range(3)]
    turned = [row[0] * case.side * x + row[1] * y + row[2] * z for row in matrix]
    return Points(*(axis + bend for axis, bend in zip(turned, bends, strict=True)))


def _measure_flat_tube(points: Points, knots: Knots) -> Field:
    """Return the distance to a tube that is wider than high."""
    flattened = tuple((x, y, z * FLATNESS, radius) for x, y, z, radius in knots)
    return measure_tube(Points(points.x, points.y, points.z * np.float32(FLATNESS)), flattened)


def _measure_hippocampus(case: _Case, points: Points) -> Field:
    whole = join_solids(_measure_flat_tube(points, BODY), _measure_flat_tube(points, UNCUS), 2.5)
    return whole + np.float32(0.9 * case.shrunk - 0.3)


def _render_tissues(
    case: _Case, points: Points, body: Field, view: Raster, rng: np.random.Generator
) -> Field:
    """Render the tissues, blended over one another from the outside in."""
    signals = {k: v * float(np.exp(rng.normal(0.0, 0.04))) for k, v in SIGNALS.items()}
    light = np.full(body.shape, signals["white"], np.float32)

    def lay(name: str, distance: Field, soft: float = EDGE_SOFTNESS) -> None:
        nonlocal light
        light += compute_inside(distance, soft) * (np.float32(signals[name]) - light)

    lay("thalamus", measure_ellipsoid(points, (7, -8, 19), (15, 19, 12)), 3.0)
    lay("thalamus", measure_ellipsoid(points, (-10, 14, 17), (5, 12, 8)), 2.0)
    width = np.float32(1.2 + 2.2 * case.shrunk)
    below, sulcus = _measure_cortex(case, points, view, rng)
    lay("grey", np.maximum(below, sulcus - 3.4))
    lay("fluid", np.maximum(below, sulcus - 0.35 * width))
    stem = measure_ellipsoid(points, (25, 8, -2), (12.5, 15, 24))
    lay("grey", _measure_flat_tube(points, ENTORHINAL), 1.2)
    lay("amygdala", measure_ellipsoid(points, (0, 22, -2), (13, 10, 8)), 1.5)
    # The brain stem in its cistern, with a fissure from there to the hippocampus.
    lay("fluid", np.maximum(stem - width - 2, points.z - 9))
    lay("stem", stem)
    lay("fluid", measure_tube(points, FISSURE) - 0.25 * width)
    lay("fluid", measure_ellipsoid(points, (-3, -27, 15), (6 + 4 * case.shrunk, 10, 9)))
    lay("fluid", measure_ellipsoid(points, (14, -25, 12), (8, 8, 8)))
    # The temporal horn is above and lateral to the hippocampus.
    horn = Points(points.x + np.float32(0.6), points.y, points.z - np.float32(0.9))
    lay("fluid", _measure_flat_tube(horn, BODY) + np.float32(0.9 - 0.8 * width))
    light += compute_inside(body, EDGE_SOFTNESS) * (
        _apply_layers(signals["hippocampus"], body) - light
    )
    lay("white", measure_tube(points, FIMBRIA))
    if rng.random() < 0.6:
        height = rng.uniform(-8, 2)
        vessel = ((11, 18, height, 0.9), (8, 8, height + 2, 0.8), (10, -4, height + 5, 0.7))
        lay("vessel", measure_tube(points, vessel))
    return light


def _apply_layers(signal: float, body: Field) -> Field:
    """Brighten the inside slightly: the hippocampus is a rolled-up sheet."""
    return np.asarray(signal * (1 + 0.04 * np.cos(1.6 * body)), np.float32)


def _measure_cortex(
    case: _Case, points: Points, view: Raster, rng: np.random.Generator
) -> tuple[Field, Field]:
    """Return the height above the lower gyri and the distance to the sulci between them."""
    height = points.z + 9.0 + np.float32(0.45) * points.y
    wavy = 1.2 * sample_noise(rng, 12.0, view.points, case.extent)
    folds = sample_noise(rng, 6.0, view.points, case.extent)
    sulci = np.abs(folds + np.float32(0.08) * (height + 5)) * np.float32(2.6)
    return np.asarray(height + wavy, np.float32), sulci


def _apply_scanner(light: Field, view: Raster, case: _Case, rng: np.random.Generator) -> Field:
    """Apply the scanner's blur, the coil's uneven sensitivity and tissue texture."""
    blurred = ndimage.gaussian_filter(light, rng.uniform(0.4, 0.65) / view.spacing)
    uneven = 1 + 0.09 * sample_noise(rng, 30.0, view.points, case.extent)
    uneven += 0.06 * sample_noise(rng, 2.5, view.points, case.extent)
    return np.asarray(blurred * uneven, np.float32)
