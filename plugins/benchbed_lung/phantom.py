"""Lung phantom: procedural CT slices with masks of the lungs, or with nodules and labels.

A slice depends only on its index and the seed, and is rendered in Hounsfield units; the size in
pixels only sets the resolution.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from benchbed.phantoms import Array, Plane, Strokes, blur, curve, draw, fill, grid, noise
from benchbed_lung.phantom_anatomy import Anatomy, sample_anatomy

Pixels = npt.NDArray[np.uint8]

WINDOW = (-1000.0, 400.0)
"""Hounsfield units of black and white, as for real slices."""

AIR, LUNG, FAT, MUSCLE, BLOOD, MARROW, CORTEX, FOAM = -1000, -840, -95, 55, 45, 220, 620, -780

NORMAL, BENIGN, MALIGNANT = range(3)
CLASS_SHARES = (0.38, 0.11, 0.51)
"""Shares of normal, benign and malignant slices, as in the real dataset."""


def render(indices: Sequence[int], size: int, seed: int) -> dict[str, npt.NDArray[np.generic]]:
    """Render CT slices of the chest and masks of the lungs.

    Args:
        indices: Indices of the cases.
        size: Side in pixels, 16 to 1024.
        seed: Seed of the dataset.

    Returns:
        ``image`` uint8 ``(N, size, size, 1)``, window -1000 to 400 HU; ``mask`` uint8
        ``(N, size, size)`` in {0, 1}, both lungs with their vessels.

    Raises:
        ValueError: `size` is out of range.
    """
    cases = [_render_slice(index, size, seed, NORMAL) for index in _check_arguments(indices, size)]
    return {
        "image": np.stack([_apply_window(hounsfield) for hounsfield, _ in cases])[..., None],
        "mask": np.stack([(lungs > 0.5).astype(np.uint8) for _, lungs in cases]),
    }


def render_nodules(
    indices: Sequence[int], size: int, seed: int
) -> dict[str, npt.NDArray[np.generic]]:
    """Render CT slices of the chest with and without nodules, and their labels.

    Args:
        indices: Indices of the cases.
        size: Side in pixels, 16 to 1024.
        seed: Seed of the dataset.

    Returns:
        ``image`` as from `render`; ``label`` int64 ``(N,)``: 0 normal, 1 benign (a small round
        nodule with a smooth edge), 2 malignant (a large one, lobed and with spicules).

    Raises:
        ValueError: `size` is out of range.
    """
    chosen = _check_arguments(indices, size)
    kinds = [int(np.random.default_rng((seed, k, 1)).choice(3, p=CLASS_SHARES)) for k in chosen]
    cases = [_render_slice(k, size, seed, kind) for k, kind in zip(chosen, kinds, strict=True)]
    return {
        "image": np.stack([_apply_window(hounsfield) for hounsfield, _ in cases])[..., None],
        "label": np.asarray(kinds, dtype=np.int64),
    }


def _check_arguments(indices: Sequence[int], size: int) -> Sequence[int]:
    if not 16 <= size <= 1024:
        raise ValueError(f"size is {size} but must be from 16 to 1024")
    return indices


def _apply_window(hounsfield: Plane) -> Pixels:
    low, high = WINDOW
    share = np.clip((hounsfield - low) / (high - low), 0.0, 1.0)
    return np.asarray(np.round(share * 255), np.uint8)


def _render_slice(index: int, size: int, seed: int, kind: int) -> tuple[Plane, Plane]:
    """Render a slice in Hounsfield units, and the share of lung of each pixel."""
    rng = np.random.default_rng((seed, index))
    anatomy = sample_anatomy(rng)
    lungs = np.maximum(*(fill(lung, size) for lung in anatomy.lungs))
    field = _draw_wall(anatomy, rng, size)
    field = _draw_mediastinum(field, anatomy, rng, size)
    field = _draw_lungs(field, lungs, anatomy, rng, size)
    if kind != NORMAL:
        # A separate generator, so that everything else is as without the nodule.
        nodule, density = _draw_nodule(anatomy, kind, np.random.default_rng((seed, index, 2)), size)
        field = _blend_over(field, lungs * nodule, density)
    field = _draw_bones(field, anatomy, rng, size)
    field = _draw_airways(field, anatomy, size)
    return _apply_scanner(field, rng, size), lungs


def _blend_over(field: Plane, cover: Plane, value: Plane | float) -> Plane:
    """Blend a value over the image."""
    return np.asarray(field + cover * (value - field), np.float32)


def _draw_wall(anatomy: Anatomy, rng: np.random.Generator, size: int) -> Plane:
    """Draw air, table, skin, fat, and muscle streaked with fat."""
    field = np.full((size, size), float(AIR), np.float32)
    table = fill(anatomy.table, size)
    field = _blend_over(field, table, FOAM)
    shell = np.clip(table - fill(anatomy.table, size, soft=0.014) + 0.25, 0.0, 0.5) * 2 * table
    field = _blend_over(field, shell, rng.uniform(-350.0, 0.0))
    body = fill(anatomy.skin, size)
    inner = fill(anatomy.muscle, size)
    skin = body * np.clip(2.2 * (0.85 - blur(body, 0.012)), 0.0, 1.0)
    field = _blend_over(field, body, FAT)
    field = _blend_over(field, skin, 20.0)
    streaks = np.clip(0.62 + 0.55 * noise(rng, 14, size), 0.0, 1.0)
    return _blend_over(field, inner * (0.35 + 0.65 * streaks), MUSCLE)


def _draw_mediastinum(field: Plane, anatomy: Anatomy, rng: np.random.Generator, size: int) -> Plane:
    """Draw fat between the lungs, the heart, and blood with or without contrast agent."""
    contrast = rng.uniform(90.0, 260.0) if rng.random() < 0.5 else 0.0
    field = _blend_over(field, fill(anatomy.cavity, size), FAT + 25.0)
    field = _blend_over(field, fill(anatomy.heart, size, soft=0.006), BLOOD + 0.25 * contrast)
    for x, y, radius in anatomy.pools:
        field = _blend_over(field, _draw_disc(x, y, radius, size, 0.008), BLOOD + contrast)
    return field


def _draw_disc(x: float, y: float, radius: float, size: int, soft: float = 0.0) -> Plane:
    """Draw a disc with an edge of one pixel plus `soft`."""
    across, down = grid(size)
    edge = 2.0 / size + soft
    reach = np.hypot(across - x, down - y)
    return np.asarray(np.clip(0.5 + (radius - reach) / edge, 0.0, 1.0), np.float32)


def _draw_lungs(
    field: Plane, lungs: Plane, anatomy: Anatomy, rng: np.random.Generator, size: int
) -> Plane:
    """Draw aerated tissue, denser towards the back, with vessels and bronchi."""
    _, down = grid(size)
    density = LUNG + rng.normal(0.0, 25.0) + rng.uniform(20.0, 110.0) * down
    texture = 22.0 * noise(rng, 60, size) + 16.0 * noise(rng, 10, size)
    field = _blend_over(field, lungs, density + texture)
    field = _blend_over(field, lungs * draw(anatomy.vessels, size), float(BLOOD))
    walls = anatomy.bronchi.replace_style(radius=1.7, weight=anatomy.bronchi.weight * 0.6)
    field = _blend_over(field, lungs * draw(walls, size), -150.0)
    return _blend_over(field, lungs * draw(anatomy.bronchi, size), float(AIR) + 20.0)


def _draw_nodule(
    anatomy: Anatomy, kind: int, rng: np.random.Generator, size: int
) -> tuple[Plane, float]:
    """Draw the mask of a nodule, and sample its density."""
    outline = anatomy.lungs[rng.integers(2)]
    edge = outline[rng.integers(len(outline))]
    centre = edge + (outline.mean(0) - edge) * rng.uniform(0.25, 0.8)
    angles = np.arange(12) / 12 * 2 * np.pi
    around = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    if kind == BENIGN:
        radius = rng.uniform(0.028, 0.055)
        shape = curve(around * radius * (1 + rng.normal(0.0, 0.03, (12, 1))) + centre)
        return fill(shape, size), rng.uniform(20.0, 300.0)
    radius = rng.uniform(0.075, 0.16)
    shape = curve(around * radius * (1 + rng.normal(0.0, 0.15, (12, 1))) + centre)
    tumour, rays = fill(shape, size, soft=0.006), draw(_sample_spicules(centre, radius, rng), size)
    return np.maximum(tumour, rays), rng.uniform(15.0, 70.0)


def _sample_spicules(centre: Array, radius: float, rng: np.random.Generator) -> Strokes:
    """Sample fine lines that radiate from a tumour."""
    count = int(rng.integers(14, 26))
    angles = rng.uniform(0.0, 2 * np.pi, count)
    rays = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    start = centre + 0.8 * radius * rays
    end = centre + radius * rng.uniform(1.2, 1.9, (count, 1)) * rays
    return Strokes(start, end, rng.uniform(0.003, 0.006, count), np.full(count, 0.8))


def _draw_bones(field: Plane, anatomy: Anatomy, rng: np.random.Generator, size: int) -> Plane:
    """Draw dense bone with marrow inside; the spinal canal is a hole in the arch."""
    dense = rng.uniform(0.75, 1.2)
    for bones in (anatomy.ribs, anatomy.sternum, anatomy.arch):
        field = _blend_over(field, draw(bones, size), CORTEX * dense)
        field = _blend_over(
            field, draw(bones.replace_style(radius=0.55, weight=0.8), size), MARROW * dense
        )
    vertebra = fill(anatomy.vertebra, size)
    rim = vertebra * np.clip(2.5 * (0.9 - blur(vertebra, 0.010)), 0.0, 1.0)
    spongy = MARROW * dense * (1 + 0.12 * noise(rng, 50, size))
    field = _blend_over(field, vertebra, spongy)
    field = _blend_over(field, rim, CORTEX * dense)
    return _blend_over(field, _draw_disc(*anatomy.canal, size), 25.0)


def _draw_airways(field: Plane, anatomy: Anatomy, size: int) -> Plane:
    for x, y, radius in anatomy.airways:
        field = _blend_over(field, _draw_disc(x, y, radius + 0.010, size), 30.0)
        field = _blend_over(field, _draw_disc(x, y, radius, size), float(AIR) + 15.0)
    return field


def _apply_scanner(field: Plane, rng: np.random.Generator, size: int) -> Plane:
    """Apply the scanner's resolution and noise."""
    grain = rng.uniform(14.0, 45.0)
    return np.asarray(blur(field, 0.003) + grain * noise(rng, 200, size), np.float32)
