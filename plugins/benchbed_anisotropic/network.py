"""Anisotropic network of one view: WNet (Wang et al. 2017), as in the authors' code."""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

SLICE_MARGIN = 4
"""Input slices on each side of a slab that are not predicted: one for each fusion layer."""

SIZE_MULTIPLE = 4
"""Height and width are padded to a multiple of this: the plane is halved twice."""


def build_convolution(
    in_channels: int, out_channels: int, *, dilation: int = 1, stride: int = 1
) -> nn.Conv3d:
    """Return a convolution within slices, 1 x 3 x 3."""
    return nn.Conv3d(
        in_channels,
        out_channels,
        (1, 3, 3),
        (1, stride, stride),
        (0, dilation, dilation),
        (1, dilation, dilation),
        bias=False,
    )


def wrap_normalized(layer: nn.Module, channels: int) -> nn.Sequential:
    """Return a layer followed by batch normalisation and PReLU."""
    return nn.Sequential(layer, nn.BatchNorm3d(channels), nn.PReLU(channels))


class ResidualBlock(nn.Module):
    """Residual block: two convolutions within slices, each after normalisation and PReLU.

    Args:
        in_channels: Channels of the input. It is zero-padded to `out_channels` for the sum.
        out_channels: Channels of the output.
        dilation: Dilation of both convolutions.
    """

    def __init__(self, in_channels: int, out_channels: int, dilation: int = 1) -> None:
        super().__init__()
        self.missing = out_channels - in_channels
        self.body = nn.Sequential(
            nn.BatchNorm3d(in_channels),
            nn.PReLU(in_channels),
            build_convolution(in_channels, out_channels, dilation=dilation),
            nn.BatchNorm3d(out_channels),
            nn.PReLU(out_channels),
            build_convolution(out_channels, out_channels, dilation=dilation),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(B, in_channels, D, H, W)`` to ``(B, out_channels, D, H, W)``."""
        return F.pad(x, (0, 0, 0, 0, 0, 0, 0, self.missing)) + cast(Tensor, self.body(x))


def build_fusion(channels: int) -> nn.Sequential:
    """Return an unpadded 3 x 1 x 1 convolution across slices; it removes one slice at each end."""
    return wrap_normalized(nn.Conv3d(channels, channels, (3, 1, 1), bias=False), channels)


def build_downsampling(channels: int) -> nn.Sequential:
    """Return a convolution that halves the plane."""
    return wrap_normalized(build_convolution(channels, channels, stride=2), channels)


def build_upsampling(in_channels: int, out_channels: int) -> nn.Sequential:
    """Return a transposed convolution that doubles the plane."""
    layer = nn.ConvTranspose3d(
        in_channels, out_channels, (1, 3, 3), (1, 2, 2), (0, 1, 1), (0, 1, 1), bias=False
    )
    return wrap_normalized(layer, out_channels)


class AnisotropicNetwork(nn.Module):
    """WNet of one view, with a receptive field of nine slices.

    Args:
        in_channels: Channels of the volume.
        classes: Number of classes, including the background.
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
        """Segment a slab that has `SLICE_MARGIN` extra slices on each side.

        Args:
            slab: ``(B, in_channels, D + 8, H, W)`` in [-1, 1]. H and W are padded with -1 to
                multiples of 4, and the output is cropped.

        Returns:
            ``(B, classes, D, H, W)`` logits.
        """
        height, width = slab.shape[-2:]
        padding = (0, -width % SIZE_MULTIPLE, 0, -height % SIZE_MULTIPLE)
        first = self.first(F.pad(slab, padding, value=-1.0) if any(padding) else slab)
        second = self.second(first)
        # Each level loses slices to fusion: crop the shallower ones to the depth of the deepest.
        levels = (first[:, :, 2:-2], second[:, :, 1:-1], self.third(second))
        outputs = [head(level) for head, level in zip(self.heads, levels, strict=True)]
        return cast(Tensor, self.last(torch.cat(outputs, 1)))[..., :height, :width]
