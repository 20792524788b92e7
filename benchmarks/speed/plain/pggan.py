"""PGGAN at its last resolution (Karras et al. 2018)."""

from __future__ import annotations

import copy
import math
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim import Adam

from .data import Step, batches, requires_grad
from .wgan_gp import gradient_penalty


class EqualConv2d(nn.Module):
    """Convolution with an equalised learning rate."""

    def __init__(
        self, before: int, after: int, kernel: int, padding: int, gain: float = 2.0
    ) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(after, before, kernel, kernel))
        self.bias = nn.Parameter(torch.zeros(after))
        self.scale = math.sqrt(gain / (before * kernel**2))
        self.padding = padding

    def forward(self, x: Tensor) -> Tensor:
        """Scaled weights, plain convolution."""
        return F.conv2d(x, self.weight * self.scale, self.bias, padding=self.padding)


class EqualLinear(nn.Module):
    """Linear layer with an equalised learning rate."""

    def __init__(self, before: int, after: int, gain: float = 2.0, bias: bool = True) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(after, before))
        self.bias = nn.Parameter(torch.zeros(after)) if bias else None
        self.scale = math.sqrt(gain / before)

    def forward(self, x: Tensor) -> Tensor:
        """Scaled weights, plain product."""
        return F.linear(x, self.weight * self.scale, self.bias)


class PixelNorm(nn.Module):
    """Each pixel's features to a root mean square of 1."""

    def forward(self, x: Tensor) -> Tensor:
        """``(B, C, ...)``."""
        return x / torch.sqrt(torch.mean(x**2, dim=1, keepdim=True) + 1e-8)


def widths(size: int, base: int, most: int) -> list[int]:
    """Channels at 4, 8, ... `size` px."""
    return [min(base // 2**stage, most) for stage in range(1, size.bit_length() - 1)]


class Generator(nn.Module):
    """Noise to images."""

    def __init__(self, size: int, channels: int, base: int, most: int, latent: int) -> None:
        super().__init__()
        first, *rest = widths(size, base, most)
        self.norm = PixelNorm()
        self.dense = EqualLinear(latent, first * 16, gain=2 / 16, bias=False)
        self.bias = nn.Parameter(torch.zeros(1, first, 1, 1))
        layers: list[nn.Module] = [
            nn.LeakyReLU(0.2), PixelNorm(),
            EqualConv2d(first, first, 3, 1), nn.LeakyReLU(0.2), PixelNorm(),
        ]  # fmt: skip
        before = first
        for after in rest:
            layers += [
                nn.Upsample(scale_factor=2, mode="nearest"),
                EqualConv2d(before, after, 3, 1), nn.LeakyReLU(0.2), PixelNorm(),
                EqualConv2d(after, after, 3, 1), nn.LeakyReLU(0.2), PixelNorm(),
            ]  # fmt: skip
            before = after
        self.body = nn.Sequential(*layers)
        self.to_image = EqualConv2d(before, channels, 1, 0, gain=1.0)

    def forward(self, z: Tensor) -> Tensor:
        """``(B, latent)`` to ``(B, channels, size, size)``."""
        x = self.dense(self.norm(z))
        x = x.view(len(z), -1, 4, 4) + self.bias
        image: Tensor = self.to_image(self.body(x))
        return image


class Discriminator(nn.Module):
    """Images to scores."""

    def __init__(self, size: int, channels: int, base: int, most: int) -> None:
        super().__init__()
        stages = widths(size, base, most)[::-1]
        layers: list[nn.Module] = [EqualConv2d(channels, stages[0], 1, 0), nn.LeakyReLU(0.2)]
        for before, after in pairwise(stages):
            layers += [
                EqualConv2d(before, before, 3, 1), nn.LeakyReLU(0.2),
                EqualConv2d(before, after, 3, 1), nn.LeakyReLU(0.2),
                nn.AvgPool2d(2),
            ]  # fmt: skip
        self.body = nn.Sequential(*layers)
        last, hidden = stages[-1], min(base, most)
        self.conv = EqualConv2d(last + 1, last, 3, 1)
        self.dense = EqualLinear(last * 16, hidden)
        self.score = EqualLinear(hidden, 1, gain=1.0)

    def forward(self, image: Tensor) -> Tensor:
        """``(B, channels, size, size)`` to ``(B,)``."""
        x = self.body(image)
        group = 4 if len(x) % 4 == 0 else len(x)
        parts = x.view(group, len(x) // group, *x.shape[1:])
        std = torch.sqrt(parts.var(0, unbiased=False) + 1e-8)
        std = std.mean((1, 2, 3)).repeat(group).view(-1, 1, 1, 1)
        x = torch.cat([x, std.expand(-1, 1, 4, 4)], 1)
        x = F.leaky_relu(self.conv(x), 0.2)
        x = F.leaky_relu(self.dense(x.flatten(1)), 0.2)
        scores: Tensor = self.score(x)
        return scores.squeeze(1)


def trainer(
    images: Tensor,
    batch_size: int,
    device: torch.device,
    base: int = 8192,
    most: int = 512,
) -> Step:
    """One update of D, one of G and one of its average a step."""
    size, latent = images.shape[-1], 512
    g = Generator(size, images.shape[1], base, most, latent).to(device)
    d = Discriminator(size, images.shape[1], base, most).to(device)
    average = copy.deepcopy(g).eval()
    requires_grad(average, False)
    g_adam = Adam(g.parameters(), lr=1e-3, betas=(0.0, 0.99))
    d_adam = Adam(d.parameters(), lr=1e-3, betas=(0.0, 0.99))
    data, log = batches([images], batch_size, device), []

    def step() -> None:
        (real,) = next(data)
        requires_grad(d, True)
        d.zero_grad()
        fake = g(torch.randn(len(real), latent, device=device)).detach()
        on_real = d(real)
        d_loss = d(fake).mean() - on_real.mean() + 0.001 * (on_real**2).mean()
        d_loss = d_loss + 10 * gradient_penalty(d, real, fake)
        d_loss.backward()
        d_adam.step()
        requires_grad(d, False)
        g.zero_grad()
        g_loss = -d(g(torch.randn(len(real), latent, device=device))).mean()
        g_loss.backward()
        g_adam.step()
        with torch.no_grad():
            for kept, new in zip(average.parameters(), g.parameters(), strict=True):
                kept.mul_(0.999).add_(new, alpha=0.001)
        log.append((d_loss.item(), g_loss.item()))

    return step
