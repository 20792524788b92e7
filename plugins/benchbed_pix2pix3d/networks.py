"""Generator and discriminator of pix2pix (Isola et al. 2017) for volumes that are no cubes."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from benchbed.nn import normal_init
from benchbed_pix2pix3d.shapes import PaddedFrame, Triple, compute_strides

DROPOUT_LAYERS = 3
"""Decoder layers, from the innermost outwards, that have dropout."""

STRIDED_LAYERS = 3
"""Layers of D with a stride: its patches have 70 voxels then."""

MIN_LENGTH = 4
"""Length at which D leaves an axis as it is: the layers that follow take two voxels away."""


def build_norm(channels: int) -> nn.InstanceNorm3d:
    """Batch normalisation of batches of one: each volume by itself, test time included."""
    return nn.InstanceNorm3d(channels, affine=True)


class DownConv(nn.Sequential):
    """A convolution of 4 x 4 x 4 with stride 2, or 1 along axes that keep their length."""

    def __init__(self, before: int, after: int, stride: Triple, *, bias: bool) -> None:
        # An even kernel with stride 1 keeps a length with one voxel before and two after.
        pads = [n for step in reversed(stride) for n in ((1, 1) if step == 2 else (1, 2))]
        super().__init__(
            nn.ConstantPad3d(cast(tuple[int, int, int, int, int, int], tuple(pads)), 0.0),
            nn.Conv3d(before, after, 4, stride, bias=bias),
        )


class UpConv(nn.Module):
    """The transposed convolution that leads back from `DownConv`."""

    def __init__(self, before: int, after: int, stride: Triple, *, bias: bool) -> None:
        super().__init__()
        self.stride = stride
        self.conv = nn.ConvTranspose3d(before, after, 4, stride, 1, bias=bias)

    def forward(self, x: Tensor) -> Tensor:
        """``(B, before, D, H, W)`` to ``(B, after, ...)``, each length times its stride."""
        lengths = zip(x.shape[2:], self.stride, strict=True)
        depth, height, width = (length * step for length, step in lengths)
        return cast(Tensor, self.conv(x))[..., :depth, :height, :width]


class PersistentDropout(nn.Dropout):
    """Dropout that stays on in evaluation mode: the noise of pix2pix."""

    def forward(self, x: Tensor) -> Tensor:
        """Drop values, whatever the mode."""
        return F.dropout(x, self.p, training=True)


class Generator(nn.Module):
    """U-Net generator of pix2pix (Isola et al. 2017, section 6.1.1) for volumes.

    Volumes are padded to powers of two. Every layer halves each axis that is still longer than
    one voxel, until one voxel is left: for 64 x 128 x 128 six layers with strides 2, 2, 2 and one
    with 1, 2, 2. Transposed convolutions lead back, each given the encoder's output of its size
    too. No normalisation in the first layer, in the innermost one, where it would leave nothing
    of a single voxel, and in the last.

    Args:
        empty: What each channel of the input has where there is nothing.
        out_channels: Channels of the output.
        spatial: ``(D, H, W)`` of both.
        features: Channels of the outermost layer, doubled with every layer, 8-fold at most.
        dropout: Probability of dropout in the three innermost decoder layers.
        lasting: Whether dropout stays on in evaluation mode.
    """

    def __init__(
        self,
        empty: Sequence[float],
        out_channels: int,
        spatial: Sequence[int],
        *,
        features: int,
        dropout: float = 0.5,
        lasting: bool = True,
    ) -> None:
        super().__init__()
        self.frame = PaddedFrame(spatial, empty)
        steps = compute_strides(self.frame.shape)
        innermost = len(steps) - 1
        widths = [features * min(2**level, 8) for level in range(len(steps))]
        self.downs = nn.ModuleList()
        for level, (before, after) in enumerate(pairwise([len(empty), *widths])):
            down = DownConv(before, after, steps[level], bias=False)
            bare = level in (0, innermost)
            self.downs.append(down if bare else nn.Sequential(down, build_norm(after)))
        drop = PersistentDropout if lasting else nn.Dropout
        self.ups = nn.ModuleList()
        for level in range(innermost, 0, -1):
            before, after = widths[level] * (1 if level == innermost else 2), widths[level - 1]
            drops = dropout > 0 and innermost - level < DROPOUT_LAYERS
            self.ups.append(
                nn.Sequential(
                    UpConv(before, after, steps[level], bias=False),
                    build_norm(after),
                    drop(dropout) if drops else nn.Identity(),
                )
            )
        self.last = UpConv(2 * widths[0], out_channels, steps[0], bias=True)
        normal_init(self)

    def forward(self, volume: Tensor) -> Tensor:
        """Translate a volume.

        Args:
            volume: ``(B, C, D, H, W)`` in [-1, 1].

        Returns:
            ``(B, out_channels, D, H, W)`` in [-1, 1] by tanh.
        """
        skips = [self.downs[0](self.frame.pad_volume(volume))]
        for down in self.downs[1:]:
            skips.append(down(F.leaky_relu(skips[-1], 0.2)))
        x = skips.pop()
        for up in self.ups:
            x = torch.cat([up(F.relu(x)), skips.pop()], 1)
        return torch.tanh(self.frame.crop_volume(self.last(F.relu(x))))


class Float32Conv3d(nn.Conv3d):
    """A convolution that a CPU computes in float32, under autocast too.

    On processors that multiply bfloat16 in AVX-512, torch 2.15 finds the gradient of the weights
    from memory that nobody wrote where the maps are as small as 3 voxels: now and then it is NaN.
    """

    def forward(self, volume: Tensor) -> Tensor:
        """``(B, C, D, H, W)`` in any precision to the same in the layer's channels."""
        if volume.device.type != "cpu":
            return super().forward(volume)
        with torch.autocast("cpu", enabled=False):
            return super().forward(volume.float())


class Discriminator(nn.Module):
    """One logit for every patch of a volume and its condition (Isola et al. 2017, 6.1.2).

    Volumes are padded as in the generator. Three layers with stride 2, of which each halves the
    axes that are still longer than 4 voxels, then two with stride 1.

    Args:
        empty: What each channel of the condition, then of the volume, has where there is nothing.
        spatial: ``(D, H, W)``.
        features: Channels of the first layer, doubled with every layer, 8-fold at most.
    """

    def __init__(self, empty: Sequence[float], spatial: Sequence[int], features: int) -> None:
        super().__init__()
        self.frame = PaddedFrame(spatial, empty)
        first, *later = compute_strides(self.frame.shape, MIN_LENGTH, STRIDED_LAYERS)
        widths = [features * 2**level for level in range(STRIDED_LAYERS)]
        body: list[nn.Module] = [
            DownConv(len(empty), features, first, bias=True),
            nn.LeakyReLU(0.2, inplace=True),
        ]
        for (before, after), stride in zip(pairwise(widths), later, strict=True):
            body += [
                DownConv(before, after, stride, bias=False),
                build_norm(after),
                nn.LeakyReLU(0.2, inplace=True),
            ]
        wide = 2 * widths[-1]
        body += [
            Float32Conv3d(widths[-1], wide, 4, 1, 1, bias=False),
            build_norm(wide),
            nn.LeakyReLU(0.2, inplace=True),
            Float32Conv3d(wide, 1, 4, 1, 1),
        ]
        self.body = nn.Sequential(*body)
        normal_init(self)

    def forward(self, condition: Tensor, volume: Tensor) -> Tensor:
        """``(B, C1, D, H, W)`` and ``(B, C2, D, H, W)`` to logits ``(B, 1, d, h, w)``."""
        return cast(Tensor, self.body(self.frame.pad_volume(torch.cat([condition, volume], 1))))
