"""The anisotropic network of one view (Wang et al. 2017): WNet, as in the authors' code."""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

SLICE_MARGIN = 4
"""Slices on either side of a slab that are seen and not predicted: one for each fuse layer."""

SIZE_MULTIPLE = 4
"""The plane is halved twice."""


def build_convolution(before: int, after: int, *, dilation: int = 1, stride: int = 1) -> nn.Conv3d:
    """A convolution within slices, 1 x 3 x 3."""
    return nn.Conv3d(
        before,
        after,
        (1, 3, 3),
        (1, stride, stride),
        (0, dilation, dilation),
        (1, dilation, dilation),
        bias=False,
    )


def wrap_normalized(layer: nn.Module, channels: int) -> nn.Sequential:
    """A layer with batch normalisation and PReLU behind it."""
    return nn.Sequential(layer, nn.BatchNorm3d(channels), nn.PReLU(channels))


class ResidualBlock(nn.Module):
    """Two convolutions within slices, each after normalisation and PReLU, added to the input.

    Args:
        before: Channels of the input; where they are fewer, it is added to the first ones.
        after: Channels of the output.
        dilation: Of both convolutions.
    """

    def __init__(self, before: int, after: int, dilation: int = 1) -> None:
        super().__init__()
        self.missing = after - before
        self.body = nn.Sequential(
            nn.BatchNorm3d(before),
            nn.PReLU(before),
            build_convolution(before, after, dilation=dilation),
            nn.BatchNorm3d(after),
            nn.PReLU(after),
            build_convolution(after, after, dilation=dilation),
        )

    def forward(self, x: Tensor) -> Tensor:
        """``(B, before, D, H, W)`` to ``(B, after, D, H, W)``."""
        return F.pad(x, (0, 0, 0, 0, 0, 0, 0, self.missing)) + cast(Tensor, self.body(x))


def build_fusion(channels: int) -> nn.Sequential:
    """A convolution across slices, 3 x 1 x 1 without padding: one slice is lost at either end."""
    return wrap_normalized(nn.Conv3d(channels, channels, (3, 1, 1), bias=False), channels)


def build_downsampling(channels: int) -> nn.Sequential:
    """A convolution that halves the plane."""
    return wrap_normalized(build_convolution(channels, channels, stride=2), channels)


def build_upsampling(before: int, after: int) -> nn.Sequential:
    """A transposed convolution that doubles the plane."""
    layer = nn.ConvTranspose3d(
        before, after, (1, 3, 3), (1, 2, 2), (0, 1, 1), (0, 1, 1), bias=False
    )
    return wrap_normalized(layer, after)


class AnisotropicNetwork(nn.Module):
    """WNet of one view: wide within slices, nine slices across.

    Args:
        in_channels: Channels of the volume.
        classes: Classes, with the background.
        features: Channels of every layer before the heads.
    """

    def __init__(self, in_channels: int, classes: int, features: int = 32) -> None:
        super().__init__()
        f = features
        self.first = nn.Sequential(
            ResidualBlock(in_channels, f),
            ResidualBlock(f, f),
            build_fusion(f),
            build_downsampling(f),
            ResidualBlock(f, f),
            ResidualBlock(f, f),
            build_fusion(f),
        )
        self.second = nn.Sequential(
            build_downsampling(f), *(ResidualBlock(f, f, d) for d in (1, 2, 3)), build_fusion(f)
        )
        self.third = nn.Sequential(*(ResidualBlock(f, f, d) for d in (3, 2, 1)), build_fusion(f))
        self.heads = nn.ModuleList(
            [
                build_upsampling(f, classes),
                nn.Sequential(
                    build_upsampling(f, 2 * classes), build_upsampling(2 * classes, 2 * classes)
                ),
                nn.Sequential(
                    build_upsampling(f, 4 * classes), build_upsampling(4 * classes, 4 * classes)
                ),
            ]
        )
        self.last = nn.Conv3d(7 * classes, classes, (1, 3, 3), padding=(0, 1, 1))
        for layer in self.modules():
            if isinstance(layer, nn.Conv3d | nn.ConvTranspose3d):
                nn.init.kaiming_normal_(layer.weight, a=0.25)

    def forward(self, slab: Tensor) -> Tensor:
        """Segment a slab, with `SLICE_MARGIN` slices on either side of what is wanted.

        Args:
            slab: ``(B, in_channels, D + 8, H, W)`` in [-1, 1]; where 4 does not divide H or W,
                it is continued by -1 and the output cut back.

        Returns:
            ``(B, classes, D, H, W)`` logits.
        """
        height, width = slab.shape[-2:]
        missing = (0, -width % SIZE_MULTIPLE, 0, -height % SIZE_MULTIPLE)
        first = self.first(F.pad(slab, missing, value=-1.0) if any(missing) else slab)
        second = self.second(first)
        # The deeper levels have lost more slices.
        levels = (first[:, :, 2:-2], second[:, :, 1:-1], self.third(second))
        drawn = [head(level) for head, level in zip(self.heads, levels, strict=True)]
        return cast(Tensor, self.last(torch.cat(drawn, 1)))[..., :height, :width]
