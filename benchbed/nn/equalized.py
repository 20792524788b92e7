"""Equalised learning rate layers and the normalisation used with them (Karras et al. 2018)."""

from __future__ import annotations

import math
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

RELU_GAIN = math.sqrt(2.0)
"""He et al. 2015: preserves the variance through a rectifier."""

MIN_FOLDED_SIDE = 8
"""Smallest map side in pixels for which upsampling is folded into the next convolution."""

STDDEV_GROUP = 4
"""Images per group of the minibatch standard deviation."""


class EqualizedConv2d(nn.Module):
    """Size-preserving convolution whose weights are scaled at run time (section 4.1).

    Weights are stored as N(0, 1) and multiplied by gain / sqrt(fan in), so that Adam, whose step
    ignores the gradient's scale, moves all layers equally fast. Biases start at 0, unscaled.

    Args:
        in_channels: Channels of the input.
        out_channels: Channels of the output.
        kernel: Odd kernel size.
        gain: Gain of the following non-linearity.
    """

    def __init__(
        self, in_channels: int, out_channels: int, kernel: int, gain: float = RELU_GAIN
    ) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(out_channels, in_channels, kernel, kernel))
        self.bias = nn.Parameter(torch.zeros(out_channels))
        self.scale = gain / math.sqrt(in_channels * kernel**2)
        self.padding = kernel // 2

    def forward(self, x: Tensor) -> Tensor:
        """Convolve ``(B, in_channels, H, W)`` to ``(B, out_channels, H, W)``."""
        return F.conv2d(x, self.weight * self.scale, self.bias, padding=self.padding)

    def forward_upsampled(self, x: Tensor) -> Tensor:
        """Convolve `x` upsampled twofold by nearest neighbour, for kernel 3.

        Where it is faster, both are one transposed convolution of stride 2 with 4 x 4 taps, as in
        Karras et al.'s code: taps that fall on copies of one pixel are summed beforehand.

        Args:
            x: ``(B, in_channels, H, W)``.

        Returns:
            ``(B, out_channels, 2 H, 2 W)``.
        """
        if not _should_fold(x):
            return cast(Tensor, self(F.interpolate(x, scale_factor=2, mode="nearest")))
        taps = _merge_taps(_merge_taps(self.weight * self.scale, 2), 3).transpose(0, 1)
        return F.conv_transpose2d(x, taps, self.bias, stride=2, padding=1)


def _should_fold(x: Tensor) -> bool:
    """Return whether folding was measured to be faster: large maps in float32 on a CPU.

    For smaller maps, summing the taps takes longer than it saves. Under autocast to bfloat16 the
    transposed convolution is slower.
    """
    batch, channels, height, width = x.shape
    return (
        x.device.type == "cpu"
        and not torch.is_autocast_enabled("cpu")
        and min(height, width) >= MIN_FOLDED_SIDE
        and batch * height * width >= channels
    )


def _merge_taps(taps: Tensor, axis: int) -> Tensor:
    """Merge three taps to the four by which a pixel reaches its copies' neighbours."""
    before, middle, after = taps.unbind(axis)
    return torch.stack([after, middle + after, before + middle, before], axis)


class EqualizedLinear(nn.Module):
    """Linear layer whose weights are scaled at run time (section 4.1).

    Args:
        in_features: Length of the input.
        out_features: Length of the output.
        gain: Gain of the following non-linearity.
        bias: Whether to add a bias.
    """

    def __init__(
        self, in_features: int, out_features: int, gain: float = RELU_GAIN, bias: bool = True
    ) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(out_features, in_features))
        self.bias = nn.Parameter(torch.zeros(out_features)) if bias else None
        self.scale = gain / math.sqrt(in_features)

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(B, in_features)`` to ``(B, out_features)``."""
        return F.linear(x, self.weight * self.scale, self.bias)


def pixel_norm(x: Tensor, eps: float = 1e-8) -> Tensor:
    """Divide each pixel's feature vector by its root mean square (section 4.2)."""
    return cast(Tensor, _PixelNorm.apply(x, eps))


class _PixelNorm(torch.autograd.Function):
    """`pixel_norm` with an explicit derivative.

    Autograd's expands the mean to all channels and loses the channels-last order, which takes
    several times as long as the rest of the layer.
    """

    @staticmethod
    def forward(x: Tensor, eps: float) -> Tensor:
        """Normalise ``(B, C, ...)``."""
        return x * torch.rsqrt(x.square().mean(dim=1, keepdim=True) + eps)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, float], output: Tensor) -> None:
        """Save the input, from which `backward` is itself differentiable."""
        del output
        x, ctx.eps = inputs
        ctx.save_for_backward(x)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        """Compute r (g - y mean(g y)), with the output y = r x and the reciprocal root r."""
        (x,) = ctx.saved_tensors
        r = torch.rsqrt(x.square().mean(dim=1, keepdim=True) + ctx.eps)
        y = x * r
        return r * (grad - y * (grad * y).mean(dim=1, keepdim=True)), None


def minibatch_stddev(x: Tensor, eps: float = 1e-8) -> Tensor:
    """Append the standard deviation within a group of images as a channel (section 3).

    The standard deviation of every feature at every position over a group of 4 images, as in the
    authors' code, averaged to one number per group. A batch size not divisible by 4 makes one
    group, as in the paper.

    Args:
        x: ``(B, C, H, W)``.
        eps: Added to the variance.

    Returns:
        ``(B, C + 1, H, W)``.
    """
    batch, _, height, width = x.shape
    group = STDDEV_GROUP if batch % STDDEV_GROUP == 0 else batch
    # Images of a group are batch/group apart, so that each group mixes the whole batch.
    grouped = x.float().reshape(group, batch // group, *x.shape[1:])
    deviation = (grouped.var(dim=0, correction=0) + eps).sqrt().mean(dim=(1, 2, 3))
    channel = deviation.to(x.dtype).repeat(group).view(batch, 1, 1, 1).expand(-1, -1, height, width)
    return torch.cat([x, channel], dim=1)
