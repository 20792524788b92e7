"""Generator and discriminator of pix2pix (Isola et al. 2017) for non-cubic volumes."""

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
"""Number of decoder layers with dropout, counted from the innermost."""

STRIDED_LAYERS = 3
"""Number of strided layers of D, which give patches of 70 voxels."""

MIN_LENGTH = 4
"""D halves axes longer than this; the layers that follow remove two voxels."""


def build_norm(channels: int) -> nn.InstanceNorm3d:
    """Return normalisation of each volume separately, at test time too."""
    return nn.InstanceNorm3d(channels, affine=True)


class DownConv(nn.Sequential):
    """Convolution of 4 x 4 x 4 with stride 2, or 1 on axes that keep their length."""

    def __init__(self, in_channels: int, out_channels: int, stride: Triple, *, bias: bool) -> None:
        # An even kernel with stride 1 keeps the length with one voxel before and two after.
        pads = [n for step in reversed(stride) for n in ((1, 1) if step == 2 else (1, 2))]
        super().__init__(
            nn.ConstantPad3d(cast(tuple[int, int, int, int, int, int], tuple(pads)), 0.0),
            nn.Conv3d(in_channels, out_channels, 4, stride, bias=bias),
        )


class UpConv(nn.Module):
    """Transposed convolution that reverses `DownConv`."""

    def __init__(self, in_channels: int, out_channels: int, stride: Triple, *, bias: bool) -> None:
        super().__init__()
        self.stride = stride
        self.conv = nn.ConvTranspose3d(in_channels, out_channels, 4, stride, 1, bias=bias)

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(B, in_channels, D, H, W)`` to ``(B, out_channels, ...)``, scaled by the stride."""
        lengths = zip(x.shape[2:], self.stride, strict=True)
        depth, height, width = (length * step for length, step in lengths)
        return cast(Tensor, self.conv(x))[..., :depth, :height, :width]


class PersistentDropout(nn.Dropout):
    """Dropout that stays active in evaluation mode: the noise of pix2pix."""

    def forward(self, x: Tensor) -> Tensor:
        """Apply dropout in both modes."""
        return F.dropout(x, self.p, training=True)


class Generator(nn.Module):
    """U-Net generator of pix2pix (Isola et al. 2017, section 6.1.1) for volumes.

    Volumes are padded to powers of two. Every layer halves each axis longer than one voxel, down
    to one voxel: for 64 x 128 x 128 six layers with strides 2, 2, 2 and one with 1, 2, 2.
    Transposed convolutions with skip connections lead back. The first, the innermost (a single
    voxel) and the last layer are not normalised.

    Args:
        empty: Background value of each input channel.
        out_channels: Channels of the output.
        spatial: ``(D, H, W)`` of both.
        features: Channels of the outermost layer, doubled with every layer, at most 8-fold.
        dropout: Dropout probability of the three innermost decoder layers.
        lasting: Whether dropout stays active in evaluation mode.
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
        for level, (n_in, n_out) in enumerate(pairwise([len(empty), *widths])):
            down = DownConv(n_in, n_out, steps[level], bias=False)
            bare = level in (0, innermost)
            self.downs.append(down if bare else nn.Sequential(down, build_norm(n_out)))
        drop = PersistentDropout if lasting else nn.Dropout
        self.ups = nn.ModuleList()
        for level in range(innermost, 0, -1):
            n_in, n_out = widths[level] * (1 if level == innermost else 2), widths[level - 1]
            drops = dropout > 0 and innermost - level < DROPOUT_LAYERS
            self.ups.append(
                nn.Sequential(
                    UpConv(n_in, n_out, steps[level], bias=False),
                    build_norm(n_out),
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
    """Convolution that a CPU computes in float32, even under autocast.

    On processors with bfloat16 in AVX-512, torch 2.15 computes the weight gradient from
    uninitialised memory for maps as small as 3 voxels, which is sometimes NaN.
    """

    def forward(self, volume: Tensor) -> Tensor:
        """Apply the convolution to ``(B, C, D, H, W)`` in any precision."""
        if volume.device.type != "cpu":
            return super().forward(volume)
        with torch.autocast("cpu", enabled=False):
            return super().forward(volume.float())


class Discriminator(nn.Module):
    """Discriminator: one logit per patch of a volume and its condition (Isola et al. 2017, 6.1.2).

    Volumes are padded as in the generator. Three layers with stride 2 halve the axes longer than
    4 voxels, then two follow with stride 1.

    Args:
        empty: Background value of each channel of the condition, then of the volume.
        spatial: ``(D, H, W)``.
        features: Channels of the first layer, doubled with every layer, at most 8-fold.
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
        for (in_channels, out_channels), stride in zip(pairwise(widths), later, strict=True):
            body += [
                DownConv(in_channels, out_channels, stride, bias=False),
                build_norm(out_channels),
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
        """Map ``(B, C1, D, H, W)`` and ``(B, C2, D, H, W)`` to logits ``(B, 1, d, h, w)``."""
        return cast(Tensor, self.body(self.frame.pad_volume(torch.cat([condition, volume], 1))))
