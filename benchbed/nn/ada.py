"""Adaptive discriminator augmentation, ADA (Karras et al. 2020, arXiv:2006.06676)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from benchbed.api.augmentation import Augmentation
from benchbed.api.distributed import DistributedContext

TARGET = 0.6
"""Target of r_t, the mean sign of D's scores of real images (section 3)."""

INTERVAL = 4
"""Steps between two adjustments of p (section 3)."""

FULL_IMAGES = 500_000
"""Images within which p can rise from 0 to 1 (section 3)."""

FULL_SHARE = 0.02
"""The same as a share of the budget, for runs shorter than the paper's 25,000 kimg."""

MAX_SAFE_PROBABILITY = 0.85
"""Above it, generated images can show the augmentation (section 2.2 of the paper: leaks)."""

MAX_SHIFT = 0.125
"""Maximum shift by whole pixels, as a share of the side."""

SCALE_STD = 0.2
"""Standard deviation of the binary logarithm of the scale."""

MAX_ANGLE = 15.0
"""Maximum rotation in degrees; the paper rotates by any angle, which no scanner does."""

SHIFT_STD = 0.125
"""Standard deviation of the shift by fractions of pixels, as a share of the side."""

BRIGHTNESS_STD = 0.2

CONTRAST_STD = 0.5
"""Standard deviation of the binary logarithm of the contrast."""


class AdaptiveAugmentation(Augmentation):
    """Mild transformations, each with a probability p that follows the overfitting of D.

    The mean sign r_t of D's scores of real images is 1 if D recognises all of them. Every
    `INTERVAL` steps, p rises if r_t is above `TARGET`, and falls otherwise, within [0, 1]. From 0
    to 1 it takes `FULL_SHARE` of the budget, at most `FULL_IMAGES` images. The paper starts with
    p = 0, as here.

    Attributes:
        probability: p.
        overfitting: r_t at the last adjustment; None before the first.
    """

    def __init__(self) -> None:
        self.probability = 0.0
        self.overfitting: float | None = None
        self._signs: list[Tensor] = []
        self._steps = 0
        self._adjusted_at = 0.0
        self._warned = False

    def apply(self, image: Tensor, colour_channels: int) -> Tensor:
        """Transform each image as `transform_mildly` with probability p."""
        return transform_mildly(image, self.probability, colour_channels)

    def observe(self, real: Tensor, fake: Tensor | None = None) -> None:
        """Store the mean sign of the scores of real images."""
        scores = real.detach().float()
        if fake is not None:
            scores = scores - (scores.mean() + fake.detach().float().mean()) / 2
        sign = scores.sign().double().mean()
        # Signs restored from a checkpoint are on the CPU.
        self._signs = [*(earlier.to(sign.device) for earlier in self._signs), sign]

    def begin_step(
        self, batch_size: int, progress: float, distributed: DistributedContext
    ) -> str | None:
        """Adjust p if it is due; return a warning when p is first above the safe range."""
        if self._steps == INTERVAL:
            if self._signs:
                self._adjust(batch_size, progress, distributed)
            self._signs, self._steps, self._adjusted_at = [], 0, progress
        self._steps += 1
        if self.probability <= MAX_SAFE_PROBABILITY or self._warned:
            return None
        self._warned = True
        return (
            f"The probability of augmentation is above {MAX_SAFE_PROBABILITY:g}, so samples may "
            "show augmented images. The discriminator overfits: use more training images."
        )

    def synchronize(self, distributed: DistributedContext) -> None:
        """Average the stored signs over all processes, which then have the same state."""
        distributed.reduce_mean(self._signs)

    def _adjust(self, batch_size: int, progress: float, distributed: DistributedContext) -> None:
        self.synchronize(distributed)
        self.overfitting = float(torch.stack(self._signs).mean())
        change = max(
            INTERVAL * batch_size / FULL_IMAGES, (progress - self._adjusted_at) / FULL_SHARE
        )
        direction = (self.overfitting > TARGET) - (self.overfitting < TARGET)
        self.probability = min(max(self.probability + direction * change, 0.0), 1.0)

    @property
    def values(self) -> dict[str, float]:
        """The probability p and, after the first adjustment, r_t."""
        values = {"augmentation_probability": self.probability}
        if self.overfitting is not None:
            values["overfitting"] = self.overfitting
        return values

    def get_state(self) -> dict[str, Any]:
        """Return p, r_t and the scores since the last adjustment."""
        return {
            "probability": self.probability,
            "overfitting": self.overfitting,
            "signs": [float(sign) for sign in self._signs],
            "steps": self._steps,
            "adjusted_at": self._adjusted_at,
            "warned": self._warned,
        }

    def restore_state(self, state: Mapping[str, Any]) -> None:
        """Restore what ``get_state`` returned."""
        self.probability, self.overfitting = state["probability"], state["overfitting"]
        self._signs = [torch.tensor(sign, dtype=torch.float64) for sign in state["signs"]]
        self._steps, self._adjusted_at = state["steps"], state["adjusted_at"]
        self._warned = state["warned"]


def transform_mildly(image: Tensor, probability: float, colour_channels: int) -> Tensor:
    """Shift, scale, rotate and recolour each image at random; the gradient flows through.

    The paper's pipeline without what makes another anatomy or modality of a scan: flips, rotations
    by more than `MAX_ANGLE`, unequal scales, inverted brightness, and hues. All movements are one
    affine map. It is resampled bilinearly, with reflection beyond the border; the paper also
    doubles the resolution in between.

    Args:
        image: ``(B, C, S, S)`` in [-1, 1].
        probability: Probability of each of the six transformations, in [0, 1]; 0 is the identity.
        colour_channels: Number of channels, from the first, whose colour changes.

    Returns:
        The same shape; colours can leave [-1, 1]. Randomness comes from torch's global generator.
    """
    if probability == 0:
        return image
    maps, are_moved = draw_affine_maps(image, probability)
    grid = F.affine_grid(maps, list(image.shape), align_corners=False)
    moved = F.grid_sample(image, grid, padding_mode="reflection", align_corners=False)
    # Images that do not move stay bit-equal; resampling would round them.
    image = torch.where(are_moved[:, None, None, None], moved, image)
    return recolour_mildly(image, probability, colour_channels)


def draw_affine_maps(image: Tensor, probability: float) -> tuple[Tensor, Tensor]:
    """Draw an affine map for each image, from positions in the result to positions in the image.

    Returns:
        Maps ``(B, 2, 3)`` in units of half a side, and which images are moved, bool ``(B,)``.
    """
    side = image.shape[-1]
    applied = [_draw_applied(image, probability) for _ in range(4)]
    whole = (_uniform(image, 2) * MAX_SHIFT * side).round() / side * applied[0][:, None]
    scale = torch.exp2(_normal(image) * SCALE_STD * applied[1])
    angle = _uniform(image, 1)[:, 0] * math.radians(MAX_ANGLE) * applied[2]
    fraction = _normal(image, 2) * SHIFT_STD * applied[3][:, None]
    cosine, sine = scale * angle.cos(), scale * angle.sin()
    linear = torch.stack([cosine, -sine, sine, cosine], 1).view(-1, 2, 2)
    # A share of the side is 2 shares of half a side.
    shift = 2 * (whole[:, :, None] + linear @ fraction[:, :, None])
    return torch.cat([linear, shift], 2), torch.stack(applied).any(0)


def recolour_mildly(image: Tensor, probability: float, colour_channels: int) -> Tensor:
    """Change brightness and contrast of the first channels of each image, with a probability."""
    brighter, contrasted = (_draw_applied(image, probability) for _ in range(2))
    shift = _normal(image) * BRIGHTNESS_STD * brighter
    factor = torch.exp2(_normal(image) * CONTRAST_STD * contrasted)
    colour, rest = image[:, :colour_channels], image[:, colour_channels:]
    colour = (colour + shift[:, None, None, None]) * factor[:, None, None, None]
    return torch.cat([colour, rest], 1) if rest.shape[1] else colour


def _draw_applied(image: Tensor, probability: float) -> Tensor:
    """Return which images a transformation is applied to, bool ``(B,)``."""
    return torch.rand(len(image), device=image.device) < probability


def _uniform(image: Tensor, count: int) -> Tensor:
    """Return numbers in [-1, 1), ``(B, count)``."""
    numbers = torch.rand(len(image), count, device=image.device, dtype=image.dtype)
    return numbers * 2 - 1


def _normal(image: Tensor, *shape: int) -> Tensor:
    """Return standard normal numbers, ``(B, *shape)``."""
    return torch.randn(len(image), *shape, device=image.device, dtype=image.dtype)
