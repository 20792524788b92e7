"""Stage II of the dual GAN: vess2ret's networks, in pix2pix's loop (Guibas et al. 2017)."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .data import dcgan_weights


class Generator(nn.Module):
    """U-Net with kernels of 3 down and 2 up, down to one pixel."""

    def __init__(self, before: int, after: int, size: int, features: int) -> None:
        super().__init__()
        depth = size.bit_length() - 2
        widths = [features * min(2**level, 8) for level in range(depth)]
        self.downs, self.ups = nn.ModuleList(), nn.ModuleList()
        for width in widths:
            self.downs.append(nn.Sequential(nn.Conv2d(before, width, 3, 2, 1), _norm(width)))
            before = width
        self.downs.append(nn.Sequential(nn.Conv2d(before, before, 2), _norm(before)))
        outs = [before, *reversed(widths[:-1])]
        for number, width in enumerate(outs):
            up = nn.ConvTranspose2d(before, width, 2, 2 if number else 1)
            drop = [nn.Dropout(0.5)] if number < 3 else []
            self.ups.append(nn.Sequential(up, _norm(width), *drop))
            before = 2 * width
        self.last = nn.ConvTranspose2d(before, after, 2, 2)
        self.apply(dcgan_weights)

    def forward(self, x: Tensor) -> Tensor:
        """Translate."""
        skips = []
        for down in self.downs:
            skips.append(down(x))
            x = F.leaky_relu(skips[-1], 0.2)
        skips.pop()
        for up in self.ups:
            x = F.leaky_relu(torch.cat([up(x), skips.pop()], 1), 0.2)
        return torch.tanh(self.last(x))


def discriminator(before: int, features: int) -> nn.Module:
    """One logit for every patch of 63 px."""
    layers: list[nn.Module] = []
    width = features
    for _ in range(4):
        layers += [nn.Conv2d(before, width, 3, 2, 1), nn.LeakyReLU(0.2, True)]
        before, width = width, 2 * width
    layers.append(nn.Conv2d(before, 1, 3, 2, 1))
    return nn.Sequential(*layers).apply(dcgan_weights)


def _norm(width: int) -> nn.Module:
    return nn.BatchNorm2d(width)
