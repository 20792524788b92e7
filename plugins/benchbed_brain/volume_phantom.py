"""Volume phantom of the brain: heads with a tumour in four sequences, and healthy ones.

A head depends only on its index and the seed; the size in voxels only sets the resolution.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from benchbed_brain.volume_fields import Field, Points, make_raster, sample_noise
from benchbed_brain.volume_subject import FRAME_LENGTHS, sample_head
from benchbed_brain.volume_tissue import Brain, build_brain
from benchbed_brain.volume_tumour import Tumour

Arrays = dict[str, npt.NDArray[Any]]
Weighting = Literal["T1", "T1c", "T2", "FLAIR"]

DEPTH_RATIO = 54 / 128
"""Number of slices over the in-plane size."""

SEQUENCES: tuple[Weighting, ...] = ("T1", "T1c", "T2", "FLAIR")

# Shares of white after scaling to percentiles of the brain. Non-enhancing tumour is `solid`; a
# core within a rim is necrotic.
# fmt: off
SIGNALS: dict[Weighting, dict[str, float]] = {
    "T1":    {"fluid": 0.12, "grey": 0.50, "white": 0.78, "core": 0.24, "oedema": 0.42,
              "rim": 0.46, "solid": 0.34},
    "T1c":   {"fluid": 0.09, "grey": 0.33, "white": 0.47, "core": 0.17, "oedema": 0.28,
              "rim": 0.92, "solid": 0.23},
    "T2":    {"fluid": 0.93, "grey": 0.38, "white": 0.26, "core": 0.76, "oedema": 0.63,
              "rim": 0.46, "solid": 0.70},
    "FLAIR": {"fluid": 0.09, "grey": 0.58, "white": 0.44, "core": 0.45, "oedema": 0.86,
              "rim": 0.72, "solid": 0.80},
}
# fmt: on


def render_tumour(indices: Sequence[int], size: int, seed: int) -> Arrays:
    """Render brains with a tumour, in the sequences T1, T1c, T2 and FLAIR.

    Args:
        indices: Indices of the cases.
        size: In-plane size S in voxels, 16 to 256; there are D = round(54 / 128 S) slices.
        seed: Seed of the dataset.

    Returns:
        ``image`` float32 ``(N, 4, D, S, S)`` in [-1, 1], -1 outside the brain; ``mask`` uint8
        ``(N, D, S, S)``: 1 necrosis and non-enhancing core, 2 oedema, 3 enhancing rim.

    Raises:
        ValueError: `size` is out of range.
    """
    arrays = render_tumour_and_tissue(indices, size, seed)
    return {"image": arrays["image"], "mask": arrays["mask"]}


def render_tumour_and_tissue(indices: Sequence[int], size: int, seed: int) -> Arrays:
    """Render the brains of `render_tumour` with an additional map of the tissues.

    Returns:
        As `render_tumour`, and ``tissue`` uint8 ``(N, D, S, S)``: 1 fluid, 2 grey matter, 3 white
        matter, 0 outside the brain and in the tumour.

    Raises:
        ValueError: `size` is out of range.
    """
    cases: list[Arrays] = []
    for index in _check_arguments(indices, size):
        rng = np.random.default_rng((seed, index))
        subject = sample_head(rng, sick=True)
        shares = build_brain(subject, _get_shape(size), rng)
        scanner = _make_scanner(shares, subject.growth, size, rng)
        image = np.stack([scanner.render_sequence(sequence, rng) for sequence in SEQUENCES])
        tumour, tissue = _select_codes(shares)
        cases.append({"image": image, "mask": tumour, "tissue": tissue})
    return {name: np.stack([case[name] for case in cases]) for name in cases[0]}


def render_tissue(indices: Sequence[int], size: int, seed: int) -> Arrays:
    """Render healthy brains of all ages in T1, and their tissues.

    Args:
        indices: Indices of the cases.
        size: In-plane size S in voxels, 16 to 256; there are D = round(54 / 128 S) slices.
        seed: Seed of the dataset.

    Returns:
        ``image`` float32 ``(N, 1, D, S, S)`` in [-1, 1], -1 outside the brain; ``mask`` uint8
        ``(N, D, S, S)``: 1 fluid, 2 grey matter, 3 white matter.

    Raises:
        ValueError: `size` is out of range.
    """
    cases: list[Arrays] = []
    for index in _check_arguments(indices, size):
        rng = np.random.default_rng((seed, index))
        shares = build_brain(sample_head(rng, sick=False), _get_shape(size), rng)
        image = _make_scanner(shares, None, size, rng).render_sequence("T1", rng)[None]
        cases.append({"image": image, "mask": _select_codes(shares)[1]})
    return {name: np.stack([case[name] for case in cases]) for name in cases[0]}


def _check_arguments(indices: Sequence[int], size: int) -> Sequence[int]:
    if not 16 <= size <= 256:
        raise ValueError(f"size is {size} but must be from 16 to 256")
    return indices


def _get_shape(size: int) -> tuple[int, int, int]:
    return (round(DEPTH_RATIO * size), size, size)


def _select_codes(shares: Brain) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8]]:
    """Select the tumour part and the tissue that fill most of each voxel."""
    tissue = np.stack([shares.fluid, shares.grey, shares.white])
    tumour = np.stack([shares.core, shares.oedema, shares.rim])
    tumour_share, tissue_share = tumour.sum(axis=0), tissue.sum(axis=0)
    inside = tumour_share + tissue_share > 0.5
    is_tumour = inside & (tumour_share > tissue_share)
    return (
        np.asarray(np.where(is_tumour, tumour.argmax(axis=0) + 1, 0), np.uint8),
        np.asarray(np.where(inside & ~is_tumour, tissue.argmax(axis=0) + 1, 0), np.uint8),
    )


@dataclass(frozen=True)
class _Scanner:
    """Properties common to all sequences of a case.

    Attributes:
        shares: Tissue shares of the brain.
        texture: Spatial variation of each tissue, by name.
        enhancing: Whether the tumour has a rim, and so a necrotic core.
        size: In-plane size in voxels.
        speckle: Random generator of the noise; each size draws a different number of values.
    """

    shares: Brain
    texture: dict[str, Field]
    enhancing: bool
    size: int
    speckle: np.random.Generator

    def render_sequence(self, sequence: Weighting, rng: np.random.Generator) -> Field:
        """Render one sequence: signals, coil sensitivity and noise; -1 outside the brain."""
        signals = {
            name: value * float(np.exp(rng.normal(0.0, 0.05)))
            for name, value in SIGNALS[sequence].items()
        }
        signals["core"] = signals["core" if self.enhancing else "solid"]
        light = np.zeros(_get_shape(self.size), np.float32)
        for name, texture in self.texture.items():
            light += np.float32(signals[name]) * texture
        light *= 1 + 0.05 * sample_noise(rng, 110.0, _make_points(self.size), FRAME_LENGTHS)
        # As in a 1 mm scan averaged to this size.
        strength = rng.uniform(0.008, 0.022) * min(1.0, (self.size / 128) ** 1.5)
        light += np.float32(strength) * self.speckle.standard_normal(light.shape, np.float32)
        covered = sum(vars(self.shares).values()) > 0.5
        return np.asarray(np.clip(2 * light * covered - 1, -1, 1), np.float32)


def _make_points(size: int) -> Points:
    return make_raster(FRAME_LENGTHS, _get_shape(size), 1).points


def _make_scanner(
    shares: Brain, growth: Tumour | None, size: int, rng: np.random.Generator
) -> _Scanner:
    fine = 1 + 0.025 * sample_noise(rng, 9.0, _make_points(size), FRAME_LENGTHS)
    coarse = 1 + 0.10 * sample_noise(rng, 13.0, _make_points(size), FRAME_LENGTHS)
    texture = {
        name: share * (coarse if name in ("core", "oedema", "rim") else fine)
        for name, share in vars(shares).items()
    }
    enhancing = growth is not None and growth.rim > 0
    return _Scanner(shares, texture, enhancing, size, rng.spawn(1)[0])
