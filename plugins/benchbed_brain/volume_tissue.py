"""Tissues of a subject's brain: the standard brain deformed and folded, with a tumour."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from benchbed_brain.volume_anatomy import Anatomy, build_standard_brain
from benchbed_brain.volume_fields import (
    Field,
    Lattice,
    Point,
    Points,
    Raster,
    compute_inside,
    make_raster,
    sample_noise,
)
from benchbed_brain.volume_subject import FRAME_LENGTHS, Head
from benchbed_brain.volume_tumour import compute_tumour_shares

Shape = tuple[int, int, int]

SUPERSAMPLING_SIZE = 96
"""Volumes of fewer voxels per edge are supersampled."""

EDGE_SOFTNESS = 2.0
"""Width in mm of the transition between tissues, that of a scanner's blur."""

CORTEX_THICKNESS = 2.7
"""Thickness of the cortex in mm."""

GYRUS = 25.0
"""Wavelength of the folds in mm: two clefts and two gyri."""

FOLIA = 9.0
"""Wavelength in the cerebellum in mm, coarser than real folia, which 2 mm voxels do not show."""

_CHUNK_POINTS = 8192

_FOLD_STEP = 4.5
_FOLD_LOWEST: Point = (-84.0, -120.0, -60.0)
_FOLD_NODES = (38, 48, 33)


@dataclass(frozen=True)
class Brain:
    """Tissue shares of each voxel, float32 ``(D, H, W)`` in [0, 1]; all 0 outside the brain.

    Attributes:
        fluid: Cerebrospinal fluid.
        grey: Grey matter.
        white: White matter.
        core: Necrosis and non-enhancing tumour.
        oedema: Oedema.
        rim: Enhancing tumour.
    """

    fluid: Field
    grey: Field
    white: Field
    core: Field
    oedema: Field
    rim: Field


def build_brain(subject: Head, shape: Shape, rng: np.random.Generator) -> Brain:
    """Build the brain of a subject.

    Args:
        subject: The subject.
        shape: Voxels ``(D, S, S)`` of the frame.
        rng: Random generator of deformation and folds.
    """
    box = _find_box(subject, shape)
    view = make_raster(FRAME_LENGTHS, shape, -(-SUPERSAMPLING_SIZE // shape[2]), box)
    bends = np.stack(
        [subject.bend * sample_noise(rng, 60.0, view.points, FRAME_LENGTHS) for _ in range(3)]
    )
    ragged = np.stack(
        [sample_noise(rng, grain, view.points, FRAME_LENGTHS) for grain in (17.0, 12.0)]
    )
    folds = _sample_folds(rng)
    near = np.nonzero(_find_near(subject, view, bends))
    fine = np.zeros((6, *bends.shape[1:]), np.float32)
    # Chunks that fit the processor's cache are twice as fast as all points at once.
    for start in range(0, len(near[0]), _CHUNK_POINTS):
        k, j, i = (axis[start : start + _CHUNK_POINTS] for axis in near)
        points = _apply_bends(subject, view.points.select_points((k, j, i)), bends[:, k, j, i])
        depth = -_build_hull().interpolate_at(points.right_half)[0]
        within = depth > -EDGE_SOFTNESS
        k, j, i, depth = k[within], j[within], i[within], depth[within]
        points = Points(*(axis[within] for axis in points.axes))
        fine[:, k, j, i] = _compute_shares(subject, points, depth, folds, ragged[:, k, j, i])
    whole = np.zeros((6, *shape), np.float32)
    whole[:, *box] = view.reduce_mean(fine)
    return Brain(*whole)


def _compute_shares(
    subject: Head, points: Points, depth: Field, folds: Lattice, ragged: Field
) -> Field:
    """Compute the ``(6, N)`` shares of a `Brain` at flat points, given their depth in the hull."""
    cover = compute_inside(-depth, EDGE_SOFTNESS)
    healthy = points
    if subject.growth is not None:
        healthy = subject.growth.push_points(points, np.clip(depth / 22, 0, 1))
    fluid, grey = _compute_tissues(subject, healthy, folds, ragged)
    tissue = np.stack([fluid, grey, 1 - fluid - grey])
    if subject.growth is None:
        return np.concatenate([cover * tissue, np.zeros_like(tissue)])
    tumour = compute_tumour_shares(subject.growth, points, ragged, (fluid, grey), EDGE_SOFTNESS)
    return np.concatenate([cover * (1 - tumour.sum(axis=0)) * tissue, cover * tumour])


def _find_box(subject: Head, shape: Shape) -> tuple[slice, slice, slice]:
    """Return the voxels around the brain, with all slices."""
    pixel = FRAME_LENGTHS[0] / shape[2]
    edges = []
    for axis, (low, high) in ((1, (-116.0, 84.0)), (0, (-83.0, 83.0))):
        ends = (np.asarray([low, high]) / subject.scale[axis] + subject.place[axis]) / pixel
        first, last = ends + shape[2] / 2
        edges.append(slice(max(0, int(np.floor(first))), min(shape[2], int(np.ceil(last)))))
    return slice(0, shape[0]), edges[0], edges[1]


@lru_cache(maxsize=1)
def _build_hull() -> Lattice:
    """Build the hull of the standard brain."""
    whole = build_standard_brain()
    return Lattice(whole.values[..., :1].copy(), whole.origin, whole.step)


def _apply_bends(subject: Head, points: Points, bends: Field) -> Points:
    """Transform flat points to standard coordinates, given their deformation."""
    straight = subject.to_standard(points)
    return Points(*(axis + bend for axis, bend in zip(straight.axes, bends, strict=True)))


def _find_near(subject: Head, view: Raster, bends: Field) -> npt.NDArray[np.bool_]:
    """Find the points in voxels that the brain reaches into."""
    f = view.points_per_edge
    middles = Points(*(axis.reshape(-1, f).mean(axis=1) for axis in view.points.axes))
    z, y, x = np.meshgrid(middles.z, middles.y, middles.x, indexing="ij")
    flat = Points(x.ravel(), y.ravel(), z.ravel())
    points = _apply_bends(subject, flat, view.reduce_mean(bends).reshape(3, -1))
    # Half the diagonal of a voxel; distances in the standard brain are up to a tenth longer.
    reach = 0.95 * f * view.spacing
    near = (_build_hull().interpolate_at(points.right_half)[0] < reach).reshape(x.shape)
    for axis in range(3):
        near = near.repeat(f, axis=axis)
    return np.asarray(near)


def _sample_folds(rng: np.random.Generator) -> Lattice:
    """Sample noise of one wavelength; the cortex folds inwards where it is 0."""
    knots = rng.standard_normal(_FOLD_NODES[::-1], dtype=np.float32)
    # The difference of two blurs is a band-pass around the wavelength.
    width = GYRUS / (2 * np.pi) / _FOLD_STEP
    fine, coarse = (ndimage.gaussian_filter(knots, width * k, mode="wrap") for k in (0.85, 1.35))
    band = fine - coarse
    slow = ndimage.gaussian_filter(knots, 16.0 / _FOLD_STEP, mode="wrap")
    fields = np.stack([band / band.std(), slow / slow.std()], axis=-1)
    return Lattice(fields, _FOLD_LOWEST, _FOLD_STEP)


def _compute_tissues(
    subject: Head, points: Points, folds: Lattice, ragged: Field
) -> tuple[Field, Field]:
    """Compute the shares of fluid and of grey matter at flat points; the rest is white."""
    half = points.right_half
    parts = Anatomy(*build_standard_brain().interpolate_at(half))
    depth = -parts.cerebrum
    band, slow = folds.interpolate_at(_project_outwards(points, parts, ragged))
    # A cleft is widest at the surface and nearly closed in the depth.
    open_ = np.float32(0.3) + np.exp(-np.maximum(depth, 0) / np.float32(6))
    width = np.float32(0.15 + 0.9 * subject.age) * open_
    sulci = _measure_sulci(band, slow, depth) + 10 * _measure_halfway(parts, depth)
    surface = np.minimum(sulci, _measure_cleft(half, slow)) - width
    surface = np.minimum(surface, depth - np.float32(0.3 + 0.8 * subject.age))
    fluid = compute_inside(surface, EDGE_SOFTNESS)
    grey = compute_inside(surface - np.float32(CORTEX_THICKNESS), EDGE_SOFTNESS) - fluid
    low = np.flatnonzero(parts.cerebellum < EDGE_SOFTNESS)
    leaf, furrow = _compute_folia(half, parts.cerebellum, low)
    cover = compute_inside(parts.cerebellum[low], EDGE_SOFTNESS)
    fluid[low] += cover * (furrow - fluid[low])
    grey[low] += cover * (leaf - grey[low])
    for part, share in ((parts.stem, 0.2), (parts.bridges, 0.0)):
        cover = compute_inside(part, EDGE_SOFTNESS)
        fluid -= cover * fluid
        grey += cover * (np.float32(share) - grey)
    nuclei = compute_inside(parts.nuclei, 2.5) * (1 - fluid)
    grey = np.maximum(grey, 0.75 * nuclei)
    cavities = np.minimum(
        parts.ventricles - np.float32(subject.ventricles),
        parts.cisterns - np.float32(0.35 * subject.ventricles),
    )
    fluid = np.maximum(fluid, compute_inside(cavities, EDGE_SOFTNESS))
    return fluid, np.minimum(grey, 1 - fluid)


def _project_outwards(points: Points, parts: Anatomy, ragged: Field) -> Points:
    """Project points to about the nearest point of the cortex, where clefts start."""
    side = np.where(points.x < 0, np.float32(-0.85), np.float32(0.85))
    winding = np.float32(2.0) * ragged
    return Points(
        points.x + side * parts.right + winding[0],
        points.y + np.float32(0.85) * parts.forward + winding[1],
        points.z + np.float32(0.85) * parts.up - winding[0],
    )


def _measure_halfway(parts: Anatomy, depth: Field) -> Field:
    """Return 1 where two parts of the surface are equally near: clefts are undefined there."""
    way = np.sqrt(parts.right**2 + parts.forward**2 + parts.up**2)
    return np.asarray(np.clip(4 - 5 * way / np.maximum(depth, 1), 0, 1) * (depth > 8))


def _measure_cleft(half: Points, slow: Field) -> Field:
    """Return the distance to the Sylvian fissure: a lateral slit and the space over the insula."""
    rise = half.z + 8 + np.float32(0.5) * (half.y - 15) + np.float32(0.3) * (half.x - 50)
    rise = rise / np.float32(1.16) + 2 * slow
    beyond = np.maximum(39 - half.x, 0) + np.maximum(np.abs(half.y + 9) - 31, 0)
    wall = half.x - 39 + (half.y / 14) ** 2
    past = np.maximum(np.abs(half.z - 3) - 12, 0) + np.maximum(np.abs(half.y) - 21, 0)
    return np.asarray(np.minimum(np.hypot(rise, beyond), np.hypot(wall, past)))


def _measure_sulci(band: Field, slow: Field, depth: Field) -> Field:
    """Return the distance to the sulci, some deep and some shallow, with rounded lips."""
    distance = np.abs(band) * np.float32(GYRUS / (2 * np.pi))
    deepest = np.maximum(18 + 5 * slow, 6)
    lips = np.exp(-np.maximum(depth, 0) / np.float32(3))
    return np.asarray(np.hypot(distance, np.maximum(depth - deepest, 0)) - lips)


def _compute_folia(half: Points, distance: Field, low: npt.NDArray[np.intp]) -> tuple[Field, Field]:
    """Compute the shares of grey matter and of fluid in the cerebellum: folia on a white tree."""
    right, back, up = half.x[low], -(half.y[low] + 40), half.z[low] + 34
    angle = np.arctan2(up, back) + right * np.float32(0.012)
    waves = np.cos(angle * np.float32(2 * np.pi * 30 / FOLIA) + np.hypot(up, back) / 20)
    depth = -distance[low]
    white = np.clip((depth - 6 - 4 * waves) / 4, 0, 1)
    furrow = np.clip(2 * waves - 1, 0, 1) * np.clip((10 - depth) / 6, 0, 1)
    furrow = np.float32(0.45) * np.maximum(furrow, np.clip(1 - depth, 0, 1))
    return np.asarray(0.9 - 0.85 * white - furrow * 0.9), np.asarray(furrow)
