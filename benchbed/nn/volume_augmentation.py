"""Random augmentation of training volumes together with their masks."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from benchbed.api.types import Batch

REFERENCE_SIZE = 128
"""In-plane size in pixels to which the lengths below refer; they scale with the volume."""

MAX_ANGLE = 10.0
"""Maximum rotation about each axis, in degrees."""

MAX_SHIFT = 8.0
"""Maximum translation along each axis, in voxels."""

MIN_CROP = 0.9
"""Minimum side of the crop that is enlarged to the whole, as a share of it."""

ELASTIC_SIGMA = 4.0
"""Standard deviation of the Gaussian that smooths elastic displacements, in voxels."""

ELASTIC_AMPLITUDE = 6.0
"""Three standard deviations of an elastic displacement along each axis, in voxels."""

VOLUME_FILL_VALUES = {"fov": 0.0}
"""Fill value beyond the border; -1 (background) for all others."""

NEAREST_FIELDS = ("mask", "fov")


def augment_volumes(batch: Batch, probability: float = 0.5) -> Batch:
    """Rotate, translate, crop and deform each volume of a batch at random.

    Each of the four is applied to a case independently with the same probability. All are one
    change of coordinates, so a volume is interpolated once: linearly, or by nearest neighbour for
    masks and fields of view. Mask, field of view and derived tensors are transformed with their
    image.

    Args:
        batch: Images ``(B, C, D, H, W)`` in [-1, 1] and their other tensors.
        probability: Probability of each of rotation, translation, crop and elastic deformation.

    Returns:
        A new batch with the same shapes and ranges. Randomness comes from torch's global CPU
        generator.
    """
    cases = [
        _augment_case({n: t[position] for n, t in batch.iter_tensors() if n != "label"}, probability)
        for position in range(len(batch))
    ]
    parts = {name: torch.stack([case[name] for case in cases]) for name in cases[0]}
    extra = {name: parts.pop(name) for name in batch.extra}
    return replace(batch, **parts, extra=extra)


def _augment_case(case: dict[str, Tensor], probability: float) -> dict[str, Tensor]:
    """Transform the tensors ``(C, D, H, W)`` of one case together."""
    # Slow to import, and few methods need it.
    from monai.transforms.spatial.dictionary import Rand3DElasticd

    rotated, moved, cropped, deformed = (torch.rand(4) < probability).tolist()
    cut, seed = float(torch.rand(())), int(torch.randint(2**31, ()))
    if not (rotated or moved or cropped or deformed):
        return case
    spatial = case["image"].shape[1:]
    unit = spatial[-1] / REFERENCE_SIZE
    removed = (1 - MIN_CROP) * cut if cropped else 0.0
    sigma = ELASTIC_SIGMA * unit
    magnitude = _compute_magnitude(sigma, ELASTIC_AMPLITUDE * unit) if deformed else 0.0
    change = Rand3DElasticd(
        keys=list(case),
        sigma_range=(sigma, sigma),
        magnitude_range=(magnitude, magnitude),
        prob=1.0,
        rotate_range=[math.radians(MAX_ANGLE) if rotated else 0.0] * 3,
        translate_range=_compute_reach(spatial, MAX_SHIFT * unit if moved else 0.0, removed),
        scale_range=[(-removed, -removed)] * 3,
        mode=["nearest" if name in NEAREST_FIELDS else "bilinear" for name in case],
        padding_mode="zeros",
    ).set_random_state(seed)
    outside = {name: VOLUME_FILL_VALUES.get(name, -1.0) for name in case}
    # The transform pads with zeros, so shift the fill value to zero meanwhile.
    transformed = change({name: tensor - outside[name] for name, tensor in case.items()})
    # Clamped, since interpolation weights add up to 1 only up to rounding.
    return {n: (transformed[n].as_tensor() + outside[n]).clamp(-1.0, 1.0) for n in case}


def _compute_reach(spatial: Sequence[int], shift: float, lost: float) -> list[float]:
    """Return how far the centre may move along each axis, by translation and within the crop."""
    return [shift + length * lost / 2 for length in spatial]


def _compute_magnitude(sigma: float, amplitude: float) -> float:
    """Return the factor of smoothed noise, uniform in [-1, 1], for a given amplitude.

    Smoothing by a Gaussian in three dimensions divides the variance, 1/3, by (2 sqrt(pi) sigma)^3.
    """
    return amplitude / 3 * math.sqrt(3.0 * (2 * math.sqrt(math.pi) * sigma) ** 3)
