"""Differentiable augmentation of what a discriminator sees (Zhao et al. 2020, arXiv:2006.10738)."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from benchbed.api.augmentation import Augmentation

BRIGHTNESS = 0.5
"""Brightness is shifted by a number in [-0.5, 0.5]."""

CONTRAST = 0.5
"""Contrast is scaled by a factor in [0.5, 1.5]; saturation by one in [0, 2]."""

SHIFT_SHARE = 0.125
"""Maximum shift, as a share of the side."""

HOLE_SHARE = 0.5
"""Side of the hole, as a share of the side of the image."""


@dataclass(frozen=True)
class DiffAugment(Augmentation):
    """DiffAugment with fixed policies, keys of `POLICY_FUNCTIONS`."""

    policies: tuple[str, ...]

    def apply(self, image: Tensor, colour_channels: int) -> Tensor:
        """Augment each image as `apply_diffaugment`."""
        return apply_diffaugment(image, self.policies, colour_channels)


def apply_diffaugment(image: Tensor, policies: Iterable[str], colour_channels: int) -> Tensor:
    """Augment images at random; the gradient flows through.

    Real and generated images must both be augmented, in the step of D and in that of G, so that G
    learns images without the changes.

    Args:
        image: ``(B, C, H, W)`` in [-1, 1].
        policies: Keys of `POLICY_FUNCTIONS`, applied in this order. ``"colour"`` changes
            brightness, saturation and contrast, ``"translation"`` moves all channels by up to an
            eighth of the side over black, ``"cutout"`` sets a square of a quarter of the image
            to 0.
        colour_channels: Number of channels, from the first, whose colour changes.

    Returns:
        The same shape; colours can leave [-1, 1]. Randomness comes from torch's global generator,
        for each image anew.
    """
    for policy in policies:
        image = POLICY_FUNCTIONS[policy](image, colour_channels)
    return image


def recolour(image: Tensor, colour_channels: int) -> Tensor:
    """Change brightness, saturation and contrast of the first channels of each image."""
    if colour_channels < image.shape[1]:
        colour, rest = image[:, :colour_channels], image[:, colour_channels:]
        return torch.cat([recolour(colour, colour_channels), rest], 1) if colour_channels else image
    image = image + (_draw(image) - 0.5) * 2 * BRIGHTNESS
    if image.shape[1] > 1:
        grey = image.mean(1, keepdim=True)
        image = (image - grey) * (2 * _draw(image)) + grey
    mean = image.mean((1, 2, 3), keepdim=True)
    return (image - mean) * (1 + (_draw(image) - 0.5) * 2 * CONTRAST) + mean


def translate(image: Tensor, _: int) -> Tensor:
    """Move each image by whole pixels; what enters is black, as the background of scans."""
    height, width = image.shape[-2:]
    reach = [int(SHIFT_SHARE * side + 0.5) for side in (height, width)]
    padded = F.pad(image, (reach[1], reach[1], reach[0], reach[0]), value=-1.0)
    offsets = [torch.randint(2 * r + 1, (len(image),), device=image.device) for r in reach]
    rows = offsets[0][:, None] + torch.arange(height, device=image.device)
    columns = offsets[1][:, None] + torch.arange(width, device=image.device)
    cases = torch.arange(len(image), device=image.device)[:, None, None]
    moved = padded.permute(0, 2, 3, 1)[cases, rows[:, :, None], columns[:, None, :]]
    return moved.permute(0, 3, 1, 2)


def cut_hole(image: Tensor, _: int) -> Tensor:
    """Set a square of each image to 0; its centre is anywhere, so it may reach over the border."""
    inside = [
        _find_hole(side, len(image), image.device) for side in (image.shape[2], image.shape[3])
    ]
    hole = inside[0][:, None, :, None] & inside[1][:, None, None, :]
    return image.masked_fill(hole, 0.0)


def _find_hole(side: int, count: int, device: torch.device) -> Tensor:
    """Return which rows or columns are in the hole, bool ``(count, side)``."""
    length = int(HOLE_SHARE * side + 0.5)
    start = torch.randint(side + 1, (count,), device=device) - length // 2
    places = torch.arange(side, device=device)
    return (places >= start[:, None]) & (places < start[:, None] + length)


def _draw(image: Tensor) -> Tensor:
    return torch.rand(len(image), 1, 1, 1, device=image.device, dtype=image.dtype)


POLICY_FUNCTIONS: dict[str, Callable[[Tensor, int], Tensor]] = {
    "colour": recolour,
    "translation": translate,
    "cutout": cut_hole,
}
