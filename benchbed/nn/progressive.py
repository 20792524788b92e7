"""Generator and discriminator that grow from 4 x 4 px (Karras et al. 2018, arXiv:1710.10196)."""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from benchbed.nn.equalized import (
    RELU_GAIN,
    EqualizedConv2d,
    EqualizedLinear,
    minibatch_stddev,
    pixel_norm,
)
from benchbed.nn.losses import gradient_penalty, unwrap
from benchbed.nn.schedule import ProgressiveSchedule


class ProgressiveGenerator(nn.Module):
    """Generator from noise to images of any size up to `size` (Karras et al. 2018, table 2).

    Layers at 4 * 2^level px have min(base / 2^(level + 1), max_channels) channels. Every level from
    `start` on keeps its own projection to image channels, so it can be used at any time.

    Args:
        latent_dim: Length of the noise vector.
        size: Size of the last level in pixels, a power of two >= 4.
        channels: Channels of the image.
        base: Numerator of the number of channels.
        max_channels: Maximum channels of a layer.
        start: Lowest level in use.

    Raises:
        ValueError: `size` is no power of two >= 4, or `base` is too small for a layer.
    """

    def __init__(
        self,
        latent_dim: int = 512,
        size: int = 512,
        channels: int = 3,
        base: int = 8192,
        max_channels: int = 512,
        *,
        start: int = 0,
    ) -> None:
        super().__init__()
        widths = _compute_widths(size, base, max_channels)[1:]
        self.levels = len(widths)
        self.first = _InitialBlock(latent_dim, widths[0])
        self.blocks = nn.ModuleList(
            _UpBlock(widths[level - 1], widths[level]) for level in range(1, self.levels)
        )
        self.to_image = nn.ModuleList(
            EqualizedConv2d(width, channels, 1, gain=1.0) if level >= start else nn.Identity()
            for level, width in enumerate(widths)
        )

    def forward(self, z: Tensor, level: int, alpha: float = 1.0) -> Tensor:
        """Generate images from noise.

        Args:
            z: ``(B, latent_dim)``, N(0, 1); only its direction matters.
            level: 0 for 4 x 4 px; each level doubles the size.
            alpha: Weight in [0, 1] of the newest layers; the rest is the level below, upsampled.

        Returns:
            ``(B, channels, S, S)``, S = 4 * 2^level, about [-1, 1] but unbounded.
        """
        x = older = self.first(pixel_norm(z))
        for block in self.blocks[:level]:
            older, x = x, block(x)
        image: Tensor = self.to_image[level](x)
        if level == 0 or alpha >= 1.0:
            return image
        return torch.lerp(_resize_double(self.to_image[level - 1](older)), image, alpha)


class ProgressiveDiscriminator(nn.Module):
    """Discriminator of images of any size up to `size`, one logit each (Karras 2018, table 2).

    The mirror image of `ProgressiveGenerator`, with the minibatch standard deviation as an
    additional channel at 4 x 4 px; the arguments are the same.
    """

    def __init__(
        self,
        size: int = 512,
        channels: int = 3,
        base: int = 8192,
        max_channels: int = 512,
        *,
        start: int = 0,
    ) -> None:
        super().__init__()
        hidden, *widths = _compute_widths(size, base, max_channels)
        self.levels = len(widths)
        self.from_image = nn.ModuleList(
            EqualizedConv2d(channels, width, 1) if level >= start else nn.Identity()
            for level, width in enumerate(widths)
        )
        self.blocks = nn.ModuleList(
            _DownBlock(widths[level], widths[level - 1]) for level in range(1, self.levels)
        )
        self.last = _FinalBlock(widths[0], hidden)

    def forward(self, image: Tensor, level: int, alpha: float = 1.0) -> Tensor:
        """Score images.

        Args:
            image: ``(B, channels, S, S)``, S = 4 * 2^level.
            level: 0 for 4 x 4 px; each level doubles the size.
            alpha: Weight in [0, 1] of the newest layers.

        Returns:
            ``(B,)`` logits.
        """
        x = F.leaky_relu(self.from_image[level](image), 0.2)
        if level > 0:
            x = self.blocks[level - 1](x)
            if alpha < 1.0:
                older = self.from_image[level - 1](F.avg_pool2d(image, 2))
                x = torch.lerp(F.leaky_relu(older, 0.2), x, alpha)
        for block in reversed(self.blocks[: max(level - 1, 0)]):
            x = block(x)
        logits: Tensor = self.last(x)
        return logits


def progressive_penalty(
    critic: nn.Module, real: Tensor, fake: Tensor, level: int, alpha: float
) -> Tensor:
    """Penalise the gradient norms of a growing critic, as if images had the size of the last level.

    Karras et al.'s code repeats the pixels of images to that size, and the critic averages them
    again. If a side becomes n times as long, the gradient norm over the repeated pixels is 1 / n of
    that over the pixels here, so the code's penalty is (norm / n - 1)^2.

    Args:
        critic: A `ProgressiveDiscriminator`, wrapped by Fabric or not.
        real: ``(B, C, S, S)`` real images at the size of `level`.
        fake: Generated images, likewise.
        level: Current level.
        alpha: Weight in [0, 1] of the current level.

    Returns:
        A scalar >= 0.
    """
    levels = cast(ProgressiveDiscriminator, unwrap(critic)).levels
    scale = 2 ** (levels - 1 - level)
    penalty: Tensor = gradient_penalty(critic, real, fake, level, alpha, target=float(scale))
    return penalty / float(scale**2)


def blend_reals(image: Tensor, level: int, alpha: float, levels: int) -> Tensor:
    """Blend real images as a growing discriminator sees them (Karras et al. 2018, figure 2).

    Args:
        image: ``(B, C, S, S)`` at the size of the last level.
        level: Current level.
        alpha: Weight in [0, 1] of the current level; the rest is the level below, upsampled.
        levels: Number of levels.

    Returns:
        ``(B, C, s, s)``, s = S / 2^(levels - 1 - level), area mean.
    """
    if level < levels - 1:
        image = F.avg_pool2d(image, 2 ** (levels - 1 - level))
    if level == 0 or alpha >= 1.0:
        return image
    return torch.lerp(_resize_double(F.avg_pool2d(image, 2)), image, alpha)


class _InitialBlock(nn.Module):
    def __init__(self, latent_dim: int, width: int) -> None:
        super().__init__()
        # A smaller gain, as in the authors' code: the dense layer acts as a 4 x 4 convolution.
        self.dense = EqualizedLinear(latent_dim, width * 16, gain=RELU_GAIN / 4, bias=False)
        self.bias = nn.Parameter(torch.zeros(width))
        self.conv = EqualizedConv2d(width, width, 3)

    def forward(self, z: Tensor) -> Tensor:
        x = self.dense(z).view(len(z), -1, 4, 4) + self.bias.view(-1, 1, 1)
        x = pixel_norm(F.leaky_relu(x, 0.2))
        return pixel_norm(F.leaky_relu(self.conv(x), 0.2))


class _UpBlock(nn.Module):
    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.conv0 = EqualizedConv2d(in_channels, out_channels, 3)
        self.conv1 = EqualizedConv2d(out_channels, out_channels, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = pixel_norm(F.leaky_relu(self.conv0.forward_upsampled(x), 0.2))
        return pixel_norm(F.leaky_relu(self.conv1(x), 0.2))


class _DownBlock(nn.Module):
    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.conv0 = EqualizedConv2d(in_channels, in_channels, 3)
        self.conv1 = EqualizedConv2d(in_channels, out_channels, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = F.leaky_relu(self.conv0(x), 0.2)
        return F.avg_pool2d(F.leaky_relu(self.conv1(x), 0.2), 2)


class _FinalBlock(nn.Module):
    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.conv = EqualizedConv2d(width + 1, width, 3)
        self.dense = EqualizedLinear(width * 16, hidden)
        self.score = EqualizedLinear(hidden, 1, gain=1.0)

    def forward(self, x: Tensor) -> Tensor:
        x = F.leaky_relu(self.conv(minibatch_stddev(x)), 0.2)
        x = F.leaky_relu(self.dense(x.flatten(1)), 0.2)
        logits: Tensor = self.score(x)
        return logits.squeeze(1)


def _compute_widths(size: int, base: int, max_channels: int) -> list[int]:
    """List channels at 2, 4, 8, ... `size` px; those at 2 px are of the last hidden layer."""
    if size < 4 or size.bit_count() != 1:
        raise ValueError(f"size is {size} but must be a power of two >= 4")
    widths = [min(base // 2**stage, max_channels) for stage in range(size.bit_length() - 1)]
    if widths[-1] < 1:
        raise ValueError(f"base is {base} but must be at least {size // 2} for {size} px")
    return widths


def _resize_double(x: Tensor) -> Tensor:
    return F.interpolate(x, scale_factor=2, mode="nearest")


class GrowthState(nn.Module):
    """Current level and fade-in; saved with the method, so that sampling uses them too.

    Args:
        schedule: Level and fade-in as a function of the share of the budget spent.
    """

    place: Tensor

    def __init__(self, schedule: ProgressiveSchedule) -> None:
        super().__init__()
        self.schedule = schedule
        self.register_buffer("place", torch.tensor([-1.0, 1.0], dtype=torch.float64))

    @property
    def level_count(self) -> int:
        """Number of levels."""
        return self.schedule.levels

    @property
    def level(self) -> int:
        """Current level; before the first step, the level at which training starts."""
        return max(self.schedule.start_level, int(self.place[0]))

    @property
    def alpha(self) -> float:
        """Weight of the current level's new layers."""
        return float(self.place[1])

    def advance(self, progress: float) -> bool:
        """Move to the state at a given progress.

        Args:
            progress: Share of the budget spent, in [0, 1].

        Returns:
            Whether a phase begins: new layers start to fade in, or have faded in. Karras et al.'s
            code resets the optimiser moments there.
        """
        previous = (float(self.place[0]), self.alpha < 1.0)
        level, alpha = self.schedule.get_level(progress)
        self.place[0], self.place[1] = level, alpha
        return previous != (float(level), alpha < 1.0)
