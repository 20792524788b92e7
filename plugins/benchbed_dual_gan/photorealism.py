"""Stage II: generator and discriminator of photographs, given a mask (section 7)."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from benchbed.nn import normal_init

DROPOUT_LAYERS = 3
"""Number of decoder layers with dropout, counted from the innermost."""

MIN_SIZE = 2
"""Pixels after the last convolution of stride 2, as in both codes at 512 px."""


@dataclass(frozen=True)
class StageTwoConfig:
    """Differences between the two published codes of stage II.

    Attributes:
        down: Kernel of the convolutions of G and D.
        up: Kernel of the transposed convolutions of G.
        has_one_pixel: Whether a further 2 x 2 layer leads to one pixel and another one back.
        has_last_norm: Whether the last layer of G is normalised.
        reads_mask_as_image: Whether masks are images in [-1, 1] with the channels of the
            photograph, or one channel in {0, 1}.
        discriminator_width: Channels of D's first layer relative to G's first.
        discriminator_strides: Strides of D's layers except the last; channels double each time.
        discriminator_last_stride: Stride of D's last layer.
        l1_weight: Weight of the L1 loss.
        learning_rate: Learning rate.
    """

    down: int
    up: int
    has_one_pixel: bool
    has_last_norm: bool
    reads_mask_as_image: bool
    discriminator_width: float
    discriminator_strides: tuple[int, ...]
    discriminator_last_stride: int
    l1_weight: float
    learning_rate: float


STAGE_TWO_CONFIGS = {
    "paper": StageTwoConfig(
        down=3,
        up=2,
        has_one_pixel=True,
        has_last_norm=False,
        reads_mask_as_image=False,
        discriminator_width=0.5,
        discriminator_strides=(2, 2, 2, 2),
        discriminator_last_stride=2,
        l1_weight=100.0,
        learning_rate=2e-4,
    ),
    "authors": StageTwoConfig(
        down=4,
        up=4,
        has_one_pixel=False,
        has_last_norm=True,
        reads_mask_as_image=True,
        discriminator_width=1.0,
        discriminator_strides=(2, 2, 2, 1),
        discriminator_last_stride=1,
        l1_weight=1.0,
        learning_rate=1e-3,
    ),
}
"""``paper``: vess2ret, cited in section 7; ``authors``: the code published by the authors."""


class PhotoGenerator(nn.Module):
    """Generator: ``(B, mask channels, size, size)`` to ``(B, channels, size, size)`` in [-1, 1].

    An encoder down to 2 px (``paper``: 1 px) and a decoder with skip connections. Batch
    normalisation in every layer except the last (``authors``: in all).
    """

    def __init__(
        self,
        tables: StageTwoConfig,
        in_channels: int,
        channels: int,
        *,
        size: int,
        features: int,
        dropout: float,
    ) -> None:
        super().__init__()
        depth = (size // MIN_SIZE).bit_length() - 1
        widths = [features * min(2**level, 8) for level in range(depth)]
        padding = (tables.up - 2) // 2
        self.downs = nn.ModuleList(
            nn.Sequential(nn.Conv2d(n_in, n_out, tables.down, 2, 1), nn.BatchNorm2d(n_out))
            for n_in, n_out in pairwise([in_channels, *widths])
        )
        inner = widths[-1]
        ups: list[nn.ConvTranspose2d] = []
        if tables.has_one_pixel:
            self.downs.append(nn.Sequential(nn.Conv2d(inner, inner, 2), nn.BatchNorm2d(inner)))
            ups.append(nn.ConvTranspose2d(inner, inner, 2))
        for level in range(depth - 1, 0, -1):
            n_in = widths[level] if not ups else 2 * widths[level]
            ups.append(nn.ConvTranspose2d(n_in, widths[level - 1], tables.up, 2, padding))
        self.ups = nn.ModuleList(
            nn.Sequential(
                up,
                nn.BatchNorm2d(up.out_channels),
                nn.Dropout(dropout) if number < DROPOUT_LAYERS else nn.Identity(),
            )
            for number, up in enumerate(ups)
        )
        self.last = nn.Sequential(
            nn.ConvTranspose2d(2 * features, channels, tables.up, 2, padding),
            nn.BatchNorm2d(channels) if tables.has_last_norm else nn.Identity(),
            nn.Tanh(),
        )
        normal_init(self)

    def forward(self, mask: Tensor) -> Tensor:
        """Return the photograph of a mask."""
        x, skips = mask, []
        for down in self.downs:
            skips.append(down(x))
            x = F.leaky_relu(skips[-1], 0.2)
        skips.pop()
        for up in self.ups:
            x = F.leaky_relu(torch.cat([up(x), skips.pop()], 1), 0.2)
        photo: Tensor = self.last(x)
        return photo


class PhotoDiscriminator(nn.Sequential):
    """Discriminator: masks and photographs ``(B, in_channels, H, W)`` to patch logits.

    The logits are ``(B, 1, h, w)`` of patches of 63 px (``paper``) or 70 px (``authors``).
    Neither code normalises.
    """

    def __init__(self, tables: StageTwoConfig, in_channels: int, features: int) -> None:
        first = round(features * tables.discriminator_width)
        widths = [in_channels, *[first * 2**n for n in range(len(tables.discriminator_strides))]]
        layers: list[nn.Module] = []
        for (n_in, n_out), stride in zip(
            pairwise(widths), tables.discriminator_strides, strict=True
        ):
            layers += [
                nn.Conv2d(n_in, n_out, tables.down, stride, 1),
                nn.LeakyReLU(0.2, inplace=True),
            ]
        layers.append(nn.Conv2d(widths[-1], 1, tables.down, tables.discriminator_last_stride, 1))
        super().__init__(*layers)
        normal_init(self)
