"""Stage I: generator and discriminator of masks (section 6), and binarisation."""

from __future__ import annotations

from itertools import pairwise
from typing import Literal

import torch
from torch import Tensor, nn

from benchbed.nn import mask_above_otsu, normal_init

HALVING_COUNT = 4
"""Number of layers with stride 2 at every size, as in the authors' code at 64 and 512 px."""


def compute_widths(features: int) -> list[int]:
    """Return the channels from the outermost layer to the innermost."""
    return [features * 2**level for level in range(HALVING_COUNT)]


class MaskGenerator(nn.Sequential):
    """Generator: noise ``(B, latent_dim)`` to masks ``(B, channels, size, size)`` in [-1, 1].

    A linear layer to size / 16 px, then four transposed convolutions of 5 x 5 and stride 2.
    """

    def __init__(self, latent_dim: int, channels: int, size: int, features: int) -> None:
        wide, *narrower = compute_widths(features)[::-1]
        first = size // 2**HALVING_COUNT
        layers: list[nn.Module] = [
            nn.Linear(latent_dim, wide * first**2),
            nn.Unflatten(1, (wide, first, first)),
            nn.BatchNorm2d(wide),
            nn.ReLU(inplace=True),
        ]
        for in_channels, out_channels in pairwise([wide, *narrower]):
            layers += [
                nn.ConvTranspose2d(in_channels, out_channels, 5, 2, 2, output_padding=1),
                nn.BatchNorm2d(out_channels),
                nn.ReLU(inplace=True),
            ]
        last = nn.ConvTranspose2d(features, channels, 5, 2, 2, output_padding=1)
        super().__init__(*layers, last, nn.Tanh())
        normal_init(self)


class MaskDiscriminator(nn.Sequential):
    """Discriminator: masks ``(B, channels, size, size)`` to logits ``(B,)``.

    Four 5 x 5 layers and a linear one.
    """

    def __init__(self, channels: int, size: int, features: int) -> None:
        narrow, *wider = compute_widths(features)
        layers: list[nn.Module] = [
            nn.Conv2d(channels, narrow, 5, 2, 2),
            nn.LeakyReLU(0.2, inplace=True),
        ]
        for in_channels, out_channels in pairwise([narrow, *wider]):
            layers += [
                nn.Conv2d(in_channels, out_channels, 5, 2, 2),
                nn.BatchNorm2d(out_channels),
                nn.LeakyReLU(0.2, inplace=True),
            ]
        last = nn.Linear(wider[-1] * (size // 2**HALVING_COUNT) ** 2, 1)
        super().__init__(*layers, nn.Flatten(), last, nn.Flatten(0))
        normal_init(self)


def binarize(generated: Tensor, threshold: Literal["zero", "otsu"] = "zero") -> Tensor:
    """Binarise generated masks.

    Args:
        generated: ``(B, M, H, W)`` in [-1, 1].
        threshold: ``"zero"``, or ``"otsu"`` for Otsu's threshold of each mask (Otsu 1979).

    Returns:
        The same shape: 1 above the threshold, else -1.
    """
    above = generated > 0 if threshold == "zero" else mask_above_otsu(generated)
    return torch.where(above, 1.0, -1.0)
