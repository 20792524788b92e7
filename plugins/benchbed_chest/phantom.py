"""Chest phantom: procedural radiographs of normal and pneumonic chests.

A patient depends only on its index and the seed; the size in pixels only sets the resolution.
Tissues in the beam add up to the attenuation, which the detector shows as brightness.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from benchbed.phantoms import Plane, Strokes, blur, draw, fill, grid, noise, spot
from benchbed_chest.phantom_anatomy import Anatomy, Pose, sample_anatomy

Pixels = npt.NDArray[np.uint8]

PNEUMONIA_SHARE = 0.6
"""Share of patients with pneumonia."""


def render(indices: Sequence[int], size: int, seed: int) -> dict[str, npt.NDArray[np.generic]]:
    """Render chest radiographs and their labels.

    Args:
        indices: Indices of the cases.
        size: Side in pixels, 16 to 1024.
        seed: Seed of the dataset.

    Returns:
        ``image`` uint8 ``(N, size, size, 1)``; ``label`` int64 ``(N,)``, 0 normal, 1 pneumonia.

    Raises:
        ValueError: `size` is out of range.
    """
    if not 16 <= size <= 1024:
        raise ValueError(f"size is {size} but must be from 16 to 1024")
    cases = [_render_patient(index, size, seed) for index in indices]
    return {
        "image": np.stack([image for image, _ in cases])[..., None],
        "label": np.asarray([label for _, label in cases], dtype=np.int64),
    }


def _render_patient(index: int, size: int, seed: int) -> tuple[Pixels, int]:
    rng = np.random.default_rng((seed, index))
    has_pneumonia = bool(rng.random() < PNEUMONIA_SHARE)
    pose = Pose(
        turn=rng.normal(0.0, 0.035),
        scale=(rng.uniform(0.98, 1.20), rng.uniform(1.0, 1.22)),
        shift=(rng.normal(0.0, 0.04), rng.normal(0.06, 0.06)),
    )
    anatomy = sample_anatomy(rng, pose)
    lungs = np.maximum(*(fill(lung, size, soft=0.010) for lung in anatomy.lungs))
    beam = _draw_soft_tissue(anatomy, lungs, rng, size)
    beam += _draw_bones(anatomy, rng, size)
    beam += lungs * _draw_vessels(anatomy, rng, size)
    if has_pneumonia:
        beam += lungs * _draw_pneumonia(anatomy, rng, size)
    return _apply_exposure(beam, rng, size), int(has_pneumonia)


def _draw_soft_tissue(anatomy: Anatomy, lungs: Plane, rng: np.random.Generator, size: int) -> Plane:
    """Draw skin, muscle, mediastinum, heart and abdomen; subtract the air in the lungs."""
    body = fill(anatomy.body, size, soft=0.008)
    # Rounded flanks: the beam's path through the body is short at its edge.
    thick = body * (0.16 + 0.84 * blur(body, 0.13))
    beam = rng.uniform(0.58, 0.70) * thick * (1 + 0.06 * noise(rng, 5, size))
    across, _ = grid(size)
    middle = float(anatomy.hila[:, 0].mean())
    spine = np.exp(-(((across - middle) / 0.14) ** 2)) * body
    heart = rng.uniform(0.44, 0.60) * fill(anatomy.heart, size, soft=0.016)
    abdomen = fill(anatomy.abdomen, size, soft=0.010)
    # The dome's edge is sharp; the body behind it gets thicker downwards and inwards.
    bulk = rng.uniform(0.55, 0.85) * abdomen * (0.30 + 0.70 * blur(abdomen, 0.17)) * thick
    beam = beam + 0.24 * spine + np.maximum(heart, bulk * (1 + 0.07 * noise(rng, 5, size)))
    if rng.random() < 0.4:
        beam = beam - abdomen * _draw_stomach(anatomy, rng, size)
    beam = beam - 0.16 * blur(draw(anatomy.windpipe, size), 0.012) * body
    aerated = rng.uniform(0.40, 0.46) * lungs * (1 + 0.08 * noise(rng, 4, size))
    return np.asarray(np.maximum(beam - aerated, 0.0), np.float32)


def _draw_stomach(anatomy: Anatomy, rng: np.random.Generator, size: int) -> Plane:
    """Draw gas below the left dome."""
    x, y = anatomy.heart.max(0)
    gas = [
        spot(x + rng.normal(0.0, 0.06), y + rng.uniform(0.16, 0.28), rng.uniform(0.03, 0.06), size)
        for _ in range(3)
    ]
    return np.asarray(0.5 * np.max(gas, axis=0), np.float32)


def _draw_bones(anatomy: Anatomy, rng: np.random.Generator, size: int) -> Plane:
    """Draw ribs, clavicles, spine and shoulders; cortical bone makes their edges brightest."""
    dense = rng.uniform(0.85, 1.2)
    ribs = 0.34 * _draw_tube(anatomy.ribs, size)
    clavicles = 0.30 * _draw_tube(anatomy.clavicles, size)
    spine = 0.22 * blur(_draw_tube(anatomy.vertebrae, size), 0.006)
    arms = 0.32 * blur(draw(anatomy.arms, size), 0.014)
    blades = 0.15 * blur(draw(anatomy.blades, size), 0.020)
    return np.asarray(dense * (ribs + clavicles + spine + arms + blades), np.float32)


def _draw_tube(bones: Strokes, size: int) -> Plane:
    """Draw bone with a dense rim and paler marrow."""
    marrow = draw(bones.replace_style(radius=0.62, weight=0.35 * bones.weight), size)
    return np.asarray(blur(draw(bones, size) - marrow, 0.004), np.float32)


def _draw_vessels(anatomy: Anatomy, rng: np.random.Generator, size: int) -> Plane:
    strength = rng.uniform(0.09, 0.15)
    roots = np.sum([spot(x, y, 0.055, size) for x, y in anatomy.hila], axis=0)
    tree = blur(draw(anatomy.vessels, size), 0.004)
    return np.asarray(strength * tree + 0.10 * roots, np.float32)


def _draw_pneumonia(anatomy: Anatomy, rng: np.random.Generator, size: int) -> Plane:
    """Draw blurred consolidations, or a haze of streaks and patches over both lungs."""
    patchy = 1 + 0.30 * noise(rng, 9, size) + 0.18 * noise(rng, 24, size)
    haze = np.zeros((size, size), np.float32)
    lobar = rng.random() < 0.6
    sides = rng.permutation(2)[: 1 if lobar and rng.random() < 0.7 else 2]
    for side in sides:
        outline = anatomy.lungs[side]
        low, high = outline.min(0), outline.max(0)
        for _ in range(rng.integers(1, 3) if lobar else 4):
            x, y = low + (high - low) * rng.uniform((0.25, 0.25), (0.75, 0.85))
            width = rng.uniform(0.13, 0.32) if lobar else rng.uniform(0.08, 0.18)
            haze = np.maximum(haze, rng.uniform(0.6, 1.0) * spot(x, y, width, size))
    strength = rng.uniform(0.50, 0.75) if lobar else rng.uniform(0.32, 0.50)
    return np.asarray(strength * haze * np.clip(patchy, 0.2, None), np.float32)


def _apply_exposure(beam: Plane, rng: np.random.Generator, size: int) -> Pixels:
    """Apply scatter, exposure and grain, and often add a lead side marker."""
    scattered = 0.9 * beam + 0.1 * blur(beam, 0.12)
    gain = rng.uniform(0.8, 1.4)
    light = (1 - np.exp(-gain * np.maximum(scattered, 0.0))) / (1 - np.exp(-2.1 * gain))
    light = light ** rng.uniform(1.05, 1.45)
    fog = rng.uniform(0.0, 0.06)
    light = fog + (1 - fog) * light + 0.008 * noise(rng, 180, size)
    if rng.random() < 0.6:
        light = np.maximum(light, draw(_draw_marker(rng), size))
    return np.asarray(np.round(np.clip(light, 0.0, 1.0) * 255), np.uint8)


def _draw_marker(rng: np.random.Generator) -> Strokes:
    """Draw the letter R next to the patient's right shoulder or flank."""
    corner = np.asarray([rng.uniform(-0.95, -0.82), rng.uniform(-0.85, -0.15)])
    height = rng.uniform(0.05, 0.08)
    letter = [(0, 1), (0, 0), (0.42, 0), (0.58, 0.13), (0.58, 0.37), (0.42, 0.5), (0, 0.5)]
    line = corner + height * np.asarray([*letter, (0.25, 0.5), (0.62, 1.0)])
    return Strokes(line[:-1], line[1:], np.full(8, 0.10 * height), np.full(8, 0.97))
