"""PGGAN at its last resolution (Karras et al. 2018)."""

from __future__ import annotations

import copy
import math
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .common import Step, gradient_penalty, iterate_batches, make_adam, update


class EqualLayer(nn.Module):
    """Convolution or linear layer with an equalised learning rate."""

    def __init__(self, *shape: int, gain: float = 2.0, bias: bool = True) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(shape))
        self.bias = nn.Parameter(torch.zeros(shape[0])) if bias else None
        self.scale = math.sqrt(gain / math.prod(shape[1:]))

    def forward(self, x: Tensor) -> Tensor:
        """Multiply or convolve with scaled weights."""
        weight = self.weight * self.scale
        if weight.ndim == 2:
            return F.linear(x, weight, self.bias)
        return F.conv2d(x, weight, self.bias, padding=weight.shape[-1] // 2)


class PixelNorm(nn.Module):
    """Normalisation of each pixel's features to a root mean square of 1."""

    def forward(self, x: Tensor) -> Tensor:
        """Normalise ``(B, C, ...)`` over C."""
        return x / torch.sqrt(torch.mean(x**2, dim=1, keepdim=True) + 1e-8)


def make_conv(before: int, after: int, *norm: nn.Module) -> list[nn.Module]:
    """Return the layers of a convolution of 3 by 3."""
    return [EqualLayer(after, before, 3, 3), nn.LeakyReLU(0.2), *norm]


def list_widths(size: int, base: int, most: int) -> list[int]:
    """Return the channels at 4, 8, ... `size` px."""
    return [min(base // 2**stage, most) for stage in range(1, size.bit_length() - 1)]


class Generator(nn.Module):
    """Generator of images from noise."""

    def __init__(self, size: int, channels: int, base: int, most: int, latent: int) -> None:
        super().__init__()
        widths, norm = list_widths(size, base, most), PixelNorm()
        self.dense = nn.Sequential(
            norm, EqualLayer(widths[0] * 16, latent, gain=2 / 16, bias=False)
        )
        self.bias = nn.Parameter(torch.zeros(1, widths[0], 1, 1))
        layers = [nn.LeakyReLU(0.2), norm, *make_conv(widths[0], widths[0], norm)]
        for before, after in pairwise(widths):
            layers.append(nn.Upsample(scale_factor=2, mode="nearest"))
            layers += [*make_conv(before, after, norm), *make_conv(after, after, norm)]
        self.body = nn.Sequential(*layers, EqualLayer(channels, widths[-1], 1, 1, gain=1.0))

    def forward(self, z: Tensor) -> Tensor:
        """Map ``(B, latent)`` to ``(B, channels, size, size)``."""
        image: Tensor = self.body(self.dense(z).view(len(z), -1, 4, 4) + self.bias)
        return image


class Discriminator(nn.Module):
    """Discriminator with the standard deviation of the batch."""

    def __init__(self, size: int, channels: int, base: int, most: int) -> None:
        super().__init__()
        widths = list_widths(size, base, most)[::-1]
        layers: list[nn.Module] = [EqualLayer(widths[0], channels, 1, 1), nn.LeakyReLU(0.2)]
        for before, after in pairwise(widths):
            layers += [*make_conv(before, before), *make_conv(before, after), nn.AvgPool2d(2)]
        self.body = nn.Sequential(*layers)
        last, hidden = widths[-1], min(base, most)
        dense = [EqualLayer(hidden, last * 16), nn.LeakyReLU(0.2), EqualLayer(1, hidden, gain=1.0)]
        self.head = nn.Sequential(*make_conv(last + 1, last), nn.Flatten(), *dense)

    def forward(self, image: Tensor) -> Tensor:
        """Map ``(B, channels, size, size)`` to ``(B,)``."""
        x = self.body(image)
        group = 4 if len(x) % 4 == 0 else len(x)
        parts = x.view(group, len(x) // group, *x.shape[1:])
        std = torch.sqrt(parts.var(0, unbiased=False) + 1e-8)
        std = std.mean((1, 2, 3)).repeat(group).view(-1, 1, 1, 1)
        scores: Tensor = self.head(torch.cat([x, std.expand(-1, 1, 4, 4)], 1))
        return scores.squeeze(1)


def make_step(images: Tensor, batch_size: int, device: torch.device, base: int, most: int) -> Step:
    """Return a step of one update of D, one of G and one of its EMA."""
    size, latent = images.shape[-1], 512
    g = Generator(size, images.shape[1], base, most, latent).to(device)
    d = Discriminator(size, images.shape[1], base, most).to(device)
    ema = copy.deepcopy(g).eval().requires_grad_(False)
    g_adam, d_adam = make_adam(g, 1e-3, (0.0, 0.99)), make_adam(d, 1e-3, (0.0, 0.99))
    data, log = iterate_batches([images], batch_size, device), []

    def step() -> None:
        (real,) = next(data)
        d.requires_grad_(True)
        fake = g(torch.randn(len(real), latent, device=device)).detach()
        on_real = d(real)
        d_loss = d(fake).mean() - on_real.mean() + 0.001 * (on_real**2).mean()
        d_loss = d_loss + 10 * gradient_penalty(d, real, fake)
        update(d_adam, d_loss)
        d.requires_grad_(False)
        g_loss = -d(g(torch.randn(len(real), latent, device=device))).mean()
        update(g_adam, g_loss)
        with torch.no_grad():
            for kept, new in zip(ema.parameters(), g.parameters(), strict=True):
                kept.mul_(0.999).add_(new, alpha=0.001)
        log.append((d_loss.item(), g_loss.item()))

    return step
