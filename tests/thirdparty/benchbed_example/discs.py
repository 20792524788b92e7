"""Phantom of bright discs on a dark background."""

from collections.abc import Sequence

import numpy as np


def render(indices: Sequence[int], size: int, seed: int) -> dict[str, np.ndarray]:
    """Render discs of random position, radius and brightness; the mask is the disc."""
    grid = (np.arange(size) + 0.5) / size
    images, masks = [], []
    for index in indices:
        rng = np.random.default_rng((seed, index))
        row, column, radius, level = rng.uniform((0.35, 0.35, 0.15, 0.5), (0.65, 0.65, 0.3, 1.0))
        distance = np.hypot(grid[:, None] - row, grid[None] - column)
        shade = np.clip((radius - distance) * size + 0.5, 0, 1) * level
        images.append(np.round(shade * 255).astype(np.uint8)[..., None])
        masks.append((distance < radius).astype(np.uint8))
    return {"image": np.stack(images), "mask": np.stack(masks)}
