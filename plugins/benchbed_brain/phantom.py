"""Brain phantom: procedural axial slices of heads, with or without a tumour.

A head depends only on its index and the seed; the size in pixels only sets the resolution.
Lengths are those of :mod:`benchbed_brain.anatomy`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
import numpy.typing as npt

from benchbed.phantoms import Plane, blur, grid, noise
from benchbed_brain.anatomy import Level, sample_brain
from benchbed_brain.tissue import OUTER_TABLE, Head, render_tissue
from benchbed_brain.tumour import push_brain, sample_tumours

Pixels = npt.NDArray[np.uint8]
Labels = npt.NDArray[np.int64]
Weighting = Literal["T1", "T1c", "T2", "FLAIR"]

SUPERSAMPLING_SIZE = 128
"""Smaller images are rendered at a multiple of their size, at least this, and averaged."""

LEVELS: tuple[Level, ...] = ("thalamus", "bodies", "vertex")
WEIGHTINGS: tuple[Weighting, ...] = ("T1", "T1c", "T2", "FLAIR")

# Shares of white. Tumours have core, rim, solid and oedema; glioma is non-enhancing tumour.
# fmt: off
SIGNALS: dict[Weighting, dict[str, float]] = {
    "T1":    {"fluid": 0.09, "grey": 0.40, "white": 0.60, "fat": 0.98, "bone": 0.05,
              "marrow": 0.50, "vein": 0.20, "dura": 0.30, "core": 0.20, "rim": 0.44,
              "solid": 0.40, "glioma": 0.32, "oedema": 0.38},
    "T1c":   {"fluid": 0.09, "grey": 0.34, "white": 0.44, "fat": 0.95, "bone": 0.05,
              "marrow": 0.42, "vein": 0.88, "dura": 0.62, "core": 0.16, "rim": 0.95,
              "solid": 0.86, "glioma": 0.26, "oedema": 0.30},
    "T2":    {"fluid": 0.98, "grey": 0.45, "white": 0.28, "fat": 0.60, "bone": 0.02,
              "marrow": 0.30, "vein": 0.06, "dura": 0.20, "core": 0.90, "rim": 0.42,
              "solid": 0.60, "glioma": 0.82, "oedema": 0.80},
    "FLAIR": {"fluid": 0.08, "grey": 0.47, "white": 0.37, "fat": 0.85, "bone": 0.03,
              "marrow": 0.30, "vein": 0.15, "dura": 0.35, "core": 0.42, "rim": 0.74,
              "solid": 0.70, "glioma": 0.86, "oedema": 0.90},
}
# fmt: on


def render(indices: Sequence[int], size: int, seed: int) -> dict[str, Pixels | Labels]:
    """Render slices of heads, labelled by whether there is a tumour.

    Args:
        indices: Indices of the cases.
        size: Side in pixels, 16 to 1024.
        seed: Seed of the dataset.

    Returns:
        ``image`` uint8 ``(N, size, size, 1)``; ``label`` int64 ``(N,)``, 1 for a tumour.

    Raises:
        ValueError: `size` is out of range.
    """
    if not 16 <= size <= 1024:
        raise ValueError(f"size is {size} but must be from 16 to 1024")
    cases = [_render_case(index, size, seed) for index in indices]
    return {
        "image": np.stack([image for image, _ in cases])[..., None],
        "label": np.asarray([label for _, label in cases], dtype=np.int64),
    }


def _render_case(index: int, size: int, seed: int) -> tuple[Pixels, int]:
    rng = np.random.default_rng((seed, index))
    head = _sample_head(rng)
    factor = -(-SUPERSAMPLING_SIZE // size)
    light = _apply_scanner(render_tissue(head, rng, size * factor), head, rng)
    averaged = light.reshape(size, factor, size, factor).mean(axis=(1, 3))
    return np.round(np.clip(averaged, 0, 1) * 255).astype(np.uint8), int(bool(head.growths))


def _sample_head(rng: np.random.Generator) -> Head:
    has_tumour = rng.random() < 0.6
    level: Level = LEVELS[int(rng.choice(3, p=(0.45, 0.33, 0.22)))]
    # Tumours are mostly imaged with contrast agent, healthy heads without.
    probabilities = (0.12, 0.46, 0.24, 0.18) if has_tumour else (0.26, 0.10, 0.36, 0.28)
    weighting = WEIGHTINGS[int(rng.choice(4, p=probabilities))]
    slice_ = sample_brain(level, rng)
    growths = tuple(sample_tumours(slice_.outline, rng)) if has_tumour else ()
    scalp = rng.uniform(0.035, 0.085)
    height = rng.uniform(0.86, 1.01) if rng.random() < 0.72 else rng.uniform(0.62, 0.86)
    narrow = rng.random() < 0.55
    return Head(
        brain=push_brain(slice_, growths),
        growths=growths,
        signals=_sample_signals(weighting, rng),
        scale=height / (1 + OUTER_TABLE + scalp),
        angle=rng.normal(0.0, 0.07),
        place=(rng.normal(0.0, 0.02), rng.normal(0.0, 0.015)),
        scalp=scalp,
        muscle=rng.uniform(0.02, 0.07) if level == "thalamus" else 0.0,
        field=rng.uniform(0.80, 0.95) if narrow else 1.0,
    )


def _sample_signals(weighting: Weighting, rng: np.random.Generator) -> dict[str, float]:
    """Sample tissue signals with random deviations and grey-white contrast."""
    signals = {
        name: value * float(np.exp(rng.normal(0.0, 0.06)))
        for name, value in SIGNALS[weighting].items()
    }
    similarity = rng.uniform(0.0, 0.35)
    mean = (signals["grey"] + signals["white"]) / 2
    for name in ("grey", "white"):
        signals[name] += similarity * (mean - signals[name])
    return signals


def _apply_scanner(light: Plane, head: Head, rng: np.random.Generator) -> Plane:
    """Apply the coil's uneven sensitivity, blur, noise and the display window."""
    size = len(light)
    across, down = grid(size)
    falloff = rng.uniform(-0.10, 0.28) * (across**2 + down**2)
    lean = rng.normal(0.0, 0.10) * across + rng.normal(0.0, 0.10) * down
    light = blur(
        light * (1 + falloff + lean + 0.05 * noise(rng, 2, size)), rng.uniform(0.003, 0.007)
    )
    strength = rng.uniform(0.008, 0.030)
    real, imaginary = (strength * noise(rng, 150, size) for _ in range(2))
    magnitude = np.hypot(light + real, imaginary)
    # Share of each pixel column inside the borders of the image.
    inside = np.clip(0.5 + (head.field - abs(across)) * size / 2, 0, 1)
    shown = rng.uniform(0.85, 1.12) * np.maximum(magnitude, 0) ** rng.uniform(0.85, 1.25)
    return np.asarray(shown * inside, np.float32)
