"""Stage II: the networks that render and judge photographs of a mask (section 7)."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from benchbed.nn import normal_init

DROPOUT_LAYERS = 3
"""Decoder layers, from the innermost outwards, that have dropout."""

MIN_SIZE = 2
"""Pixels after the last convolution of stride 2, at every size: those of both codes at 512 px."""


@dataclass(frozen=True)
class StageTwoConfig:
    """What the two codes of stage II differ in.

    Attributes:
        down: Kernel of G's and D's convolutions.
        up: Kernel of G's transposed convolutions.
        has_one_pixel: Whether a further 2 x 2 layer leads to one pixel and another one back.
        has_last_norm: Whether the last layer of G is normalised.
        reads_mask_as_image: Whether masks are read as pictures in [-1, 1] with the photograph's
            channels, or as one channel in {0, 1}.
        discriminator_width: Channels of D's first layer, as a share of those of G's first.
        discriminator_strides: Strides of D's layers but the last; channels double from each to the
            next.
        discriminator_last_stride: Stride of D's last layer.
        l1_weight: Weight of the L1 distance.
        learning_rate: Step size.
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
"""``paper``: vess2ret, which section 7 names; ``authors``: the code that the authors published."""


class PhotoGenerator(nn.Module):
    """G: ``(B, mask channels, size, size)`` to ``(B, channels, size, size)`` in [-1, 1].

    An encoder down to 2 px (``paper``: 1 px), a decoder back that is given the encoder's output
    of its size too. Batch normalisation in every layer but the last (``authors``: there too).
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
            nn.Sequential(nn.Conv2d(before, after, tables.down, 2, 1), nn.BatchNorm2d(after))
            for before, after in pairwise([in_channels, *widths])
        )
        inner = widths[-1]
        ups: list[nn.ConvTranspose2d] = []
        if tables.has_one_pixel:
            self.downs.append(nn.Sequential(nn.Conv2d(inner, inner, 2), nn.BatchNorm2d(inner)))
            ups.append(nn.ConvTranspose2d(inner, inner, 2))
        for level in range(depth - 1, 0, -1):
            before = widths[level] if not ups else 2 * widths[level]
            ups.append(nn.ConvTranspose2d(before, widths[level - 1], tables.up, 2, padding))
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
        """The photograph of a mask."""
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
    """D: masks and photographs, ``(B, in_channels, H, W)``, to logits of patches ``(B, 1, h, w)``.

    A patch has 63 px (``paper``) or 70 px (``authors``). Neither code normalises.
    """

    def __init__(self, tables: StageTwoConfig, in_channels: int, features: int) -> None:
        first = round(features * tables.discriminator_width)
        widths = [in_channels, *[first * 2**n for n in range(len(tables.discriminator_strides))]]
        layers: list[nn.Module] = []
        for (before, after), stride in zip(
            pairwise(widths), tables.discriminator_strides, strict=True
        ):
            layers += [
                nn.Conv2d(before, after, tables.down, stride, 1),
                nn.LeakyReLU(0.2, inplace=True),
            ]
        layers.append(nn.Conv2d(widths[-1], 1, tables.down, tables.discriminator_last_stride, 1))
        super().__init__(*layers)
        normal_init(self)
