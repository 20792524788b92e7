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

NARROWEST = 2
"""Pixels after the last convolution of stride 2, at every size: those of both codes at 512 px."""


@dataclass(frozen=True)
class Tables:
    """What the two codes of stage II differ in.

    Attributes:
        down: Kernel of G's and D's convolutions.
        up: Kernel of G's transposed convolutions.
        one_pixel: Whether a further 2 x 2 layer leads to one pixel and another one back.
        norm_last: Whether the last layer of G is normalised.
        mask_as_picture: Whether masks are read as pictures in [-1, 1] with the photograph's
            channels, or as one channel in {0, 1}.
        judge_width: Channels of D's first layer, as a share of those of G's first.
        judge_strides: Strides of D's layers but the last; channels double from each to the next.
        judge_last_stride: Stride of D's last layer.
        l1_weight: Weight of the L1 distance.
        learning_rate: Step size.
    """

    down: int
    up: int
    one_pixel: bool
    norm_last: bool
    mask_as_picture: bool
    judge_width: float
    judge_strides: tuple[int, ...]
    judge_last_stride: int
    l1_weight: float
    learning_rate: float


TABLES = {
    "paper": Tables(
        down=3,
        up=2,
        one_pixel=True,
        norm_last=False,
        mask_as_picture=False,
        judge_width=0.5,
        judge_strides=(2, 2, 2, 2),
        judge_last_stride=2,
        l1_weight=100.0,
        learning_rate=2e-4,
    ),
    "authors": Tables(
        down=4,
        up=4,
        one_pixel=False,
        norm_last=True,
        mask_as_picture=True,
        judge_width=1.0,
        judge_strides=(2, 2, 2, 1),
        judge_last_stride=1,
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
        tables: Tables,
        in_channels: int,
        channels: int,
        *,
        size: int,
        features: int,
        dropout: float,
    ) -> None:
        super().__init__()
        depth = (size // NARROWEST).bit_length() - 1
        widths = [features * min(2**level, 8) for level in range(depth)]
        padding = (tables.up - 2) // 2
        self.downs = nn.ModuleList(
            nn.Sequential(nn.Conv2d(before, after, tables.down, 2, 1), nn.BatchNorm2d(after))
            for before, after in pairwise([in_channels, *widths])
        )
        inner = widths[-1]
        ups: list[nn.ConvTranspose2d] = []
        if tables.one_pixel:
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
            nn.BatchNorm2d(channels) if tables.norm_last else nn.Identity(),
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

    def __init__(self, tables: Tables, in_channels: int, features: int) -> None:
        first = round(features * tables.judge_width)
        widths = [in_channels, *[first * 2**n for n in range(len(tables.judge_strides))]]
        layers: list[nn.Module] = []
        for (before, after), stride in zip(pairwise(widths), tables.judge_strides, strict=True):
            layers += [
                nn.Conv2d(before, after, tables.down, stride, 1),
                nn.LeakyReLU(0.2, inplace=True),
            ]
        layers.append(nn.Conv2d(widths[-1], 1, tables.down, tables.judge_last_stride, 1))
        super().__init__(*layers)
        normal_init(self)
