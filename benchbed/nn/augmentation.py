"""Random augmentation of training images together with their masks."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import cast

import torch
from torch import Tensor
from torchvision.transforms import v2
from torchvision.transforms.v2 import functional as T

from benchbed.api.types import Batch

COLOUR_JITTER = 0.2
"""Factors of brightness, contrast and saturation are in [1 - COLOUR_JITTER, 1 + COLOUR_JITTER]."""

FILL_VALUES = {"fov": 0.0}
"""Fill value beyond the border of a moved tensor; -1 (black, background) for all others."""

BINARY_FIELDS = ("mask", "fov")
"""Fields that are interpolated by nearest neighbour."""


def augment_batch(batch: Batch, crop: int = 0) -> Batch:
    """Rotate, mirror and recolour each case of a batch at random.

    Rotation by any angle, mirroring left to right with probability 0.5, and for images in 1 or 3
    channels a change of brightness, contrast and saturation. Mask, field of view and derived
    tensors are transformed with their image; masks and fields of view stay binary.

    Args:
        batch: Images ``(B, C, H, W)`` in [-1, 1] and their other tensors.
        crop: Side in pixels of one random square of all rotated tensors to return; only its pixels
            are rotated. 0, or a side not below the image's, returns all.

    Returns:
        A new batch with the same ranges. Randomness comes from torch's global CPU generator.
    """
    return rotate_batch(recolour_batch(batch), crop)


def recolour_batch(batch: Batch) -> Batch:
    """Recolour as in `augment_batch`; images with other than 1 or 3 channels are unchanged."""
    if batch.image.shape[1] not in (1, 3):
        return batch
    jitter = v2.ColorJitter(
        brightness=COLOUR_JITTER, contrast=COLOUR_JITTER, saturation=COLOUR_JITTER
    )
    images = torch.stack([jitter(image) for image in batch.image / 2 + 0.5]) * 2 - 1
    return replace(batch, image=images)


def rotate_batch(batch: Batch, crop: int = 0) -> Batch:
    """Rotate and mirror as in `augment_batch`, optionally cropping to a square."""
    angles = (torch.rand(len(batch)) * 360).tolist()
    mirrored = (torch.rand(len(batch)) < 0.5).tolist()
    square = _sample_square(batch, crop)

    def transform(name: str, tensor: Tensor) -> Tensor:
        if name == "label":
            return tensor
        is_binary = name in BINARY_FIELDS
        mode = T.InterpolationMode.NEAREST if is_binary else T.InterpolationMode.BILINEAR
        fill = FILL_VALUES.get(name, -1.0)
        turned = [
            _rotate_case(T.horizontal_flip(case) if mirror else case, angle, mode, fill, square)
            for case, angle, mirror in zip(tensor, angles, mirrored, strict=True)
        ]
        return torch.stack(turned)

    return batch.map_tensors(transform)


def crop_batch(batch: Batch, side: int) -> Batch:
    """Crop the same random square of all tensors in a batch.

    Args:
        batch: Images ``(B, C, H, W)`` and their other tensors.
        side: Side in pixels; 0, or a side not below the image's, changes nothing.
    """
    square = _sample_square(batch, side)
    if square is None:
        return batch
    top, left, side = square
    rows, columns = slice(top, top + side), slice(left, left + side)
    return batch.map_tensors(lambda name, t: t if name == "label" else t[..., rows, columns])


def _sample_square(batch: Batch, side: int) -> tuple[int, int, int] | None:
    """Sample top, left and side of a random square; None for the whole image."""
    height, width = batch.image.shape[-2:]
    if side == 0 or side >= min(height, width):
        return None
    top = int(torch.randint(height - side + 1, ()))
    return top, int(torch.randint(width - side + 1, ())), side


def _rotate_case(
    case: Tensor,
    angle: float,
    mode: T.InterpolationMode,
    fill: float,
    square: tuple[int, int, int] | None,
) -> Tensor:
    """Rotate one case about its centre, or a square of it.

    Rotation is expensive: for a square, only the pixels that can fall into it are rotated, about
    the point that becomes its centre, to the nearest pixel.
    """
    fills = [fill] * len(case)
    if square is None:
        return cast(Tensor, T.rotate(case, angle, mode, fill=fills))
    top, left, side = square
    down, right = (
        offset + (side - extent) / 2
        for offset, extent in zip((top, left), case.shape[1:], strict=True)
    )
    cosine, sine = math.cos(math.radians(angle)), math.sin(math.radians(angle))
    reach = math.ceil(side * math.sqrt(0.5)) + 1
    # Angles are counter-clockwise with y downwards, so the inverse is clockwise.
    row = round(case.shape[1] / 2 + cosine * down + sine * right) - reach
    column = round(case.shape[2] / 2 + cosine * right - sine * down) - reach
    # T.crop pads with zeros, so shift the fill value to zero meanwhile.
    window = T.crop(case - fill, row, column, 2 * reach, 2 * reach) + fill
    turned = T.rotate(window, angle, mode, fill=fills)
    return cast(Tensor, T.center_crop(turned, [side, side]))


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
        _augment_case(
            {n: t[position] for n, t in batch.iter_tensors() if n != "label"}, probability
        )
        for position in range(len(batch))
    ]
    return batch.map_tensors(
        lambda name, t: t if name == "label" else torch.stack([case[name] for case in cases])
    )


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
        mode=["nearest" if name in BINARY_FIELDS else "bilinear" for name in case],
        padding_mode="zeros",
    ).set_random_state(seed)
    outside = {name: FILL_VALUES.get(name, -1.0) for name in case}
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
