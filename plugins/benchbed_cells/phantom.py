"""Cell phantom: procedural phase-contrast images of one smooth-muscle cell each.

A cell depends only on its index and the seed, and is rendered as the optical path it adds.
The size in pixels only sets the resolution.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from benchbed.phantoms import Plane, blur, draw, fill, grid, noise
from benchbed_cells.cell import Cell, sample_cell

Pixels = npt.NDArray[np.uint8]


def render(indices: Sequence[int], size: int, seed: int) -> dict[str, npt.NDArray[np.generic]]:
    """Render phase-contrast images of cells and their masks.

    Args:
        indices: Indices of the cases.
        size: Side in pixels, 16 to 1024.
        seed: Seed of the dataset.

    Returns:
        ``image`` uint8 ``(N, size, size, 1)``; ``mask`` uint8 ``(N, size, size)`` in {0, 1}:
        the cell without the threads at its tips.

    Raises:
        ValueError: `size` is out of range.
    """
    if not 16 <= size <= 1024:
        raise ValueError(f"size is {size} but must be from 16 to 1024")
    cases = [_render_case(index, size, seed) for index in indices]
    return {
        "image": np.stack([image for image, _ in cases])[..., None],
        "mask": np.stack([mask for _, mask in cases]),
    }


def _render_case(index: int, size: int, seed: int) -> tuple[Pixels, Pixels]:
    rng = np.random.default_rng((seed, index))
    cell = sample_cell(rng)
    body = fill(cell.outline, size)
    path = _compute_path(cell, body, rng, size)
    return _apply_phase_contrast(path, rng, size), (body > 0.5).astype(np.uint8)


def _compute_path(cell: Cell, body: Plane, rng: np.random.Generator, size: int) -> Plane:
    """Return the optical path that each point adds."""
    # Thick in the middle, thin in processes and towards the edge.
    height = blur(body, 0.08) ** 2
    texture = 1 + 0.07 * noise(rng, 40, size) + 0.09 * noise(rng, 90, size)
    nucleus = fill(cell.nucleus, size, soft=0.004)
    centre = cell.nucleus.mean(0)
    inner = fill(centre + 0.84 * (cell.nucleus - centre), size)
    plasma = (0.42 + 0.80 * height) * texture + 0.20 * draw(cell.fibres, size)
    plasma += blur(0.70 * draw(cell.granules, size) - 0.60 * draw(cell.vesicles, size), 0.004)
    # The nucleus is clear: a thin rim, dark nucleoli, no granules.
    rim = blur(nucleus - inner, 0.006)
    core = 0.30 + 0.60 * height + 0.85 * rim
    core += 0.80 * blur(draw(cell.nucleoli, size), 0.005)
    inside = body * (plasma + nucleus * (core - plasma))
    outside = 0.22 * draw(cell.threads, size) + 0.9 * draw(cell.debris, size)
    return np.asarray(np.maximum(inside, outside), np.float32)


def _apply_phase_contrast(path: Plane, rng: np.random.Generator, size: int) -> Pixels:
    """Simulate the microscope: dark where the path exceeds its surroundings, with a halo.

    The phase ring also transmits light that the specimen bent a little. This subtracts a wide
    surround and causes the halo and the paler middle of large areas.
    """
    across, down = grid(size)
    slope = rng.normal(0.0, 0.045, 2)
    light = rng.uniform(0.46, 0.58) + slope[0] * across + slope[1] * down
    light = light + 0.018 * noise(rng, 3, size) - 0.05 * (across**2 + down**2)
    contrast = rng.uniform(0.30, 0.44)
    wide, narrow = blur(path, rng.uniform(0.035, 0.055)), blur(path, 0.014)
    light = light + contrast * (1.60 * (wide - path) + 0.95 * (narrow - path) - 0.08 * path)
    light = light + 0.012 * noise(rng, 110, size) + 0.014 * noise(rng, 220, size)
    return np.asarray(np.round(np.clip(light, 0.0, 1.0) * 255), np.uint8)
