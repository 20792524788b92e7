"""Generator and discriminator of MI-GAN (Iqbal & Ali 2018, figures 2 and 3)."""

from __future__ import annotations

from itertools import pairwise
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from benchbed.nn import normal_init

GENERATOR_HALVINGS = 6
DISCRIMINATOR_HALVINGS = 5
MIN_SIZE = 4
"""Minimum size in pixels after halving. At 512 px G reaches 8 and D 16, as in the figures."""


def count_halvings(size: int, maximum: int) -> int:
    """Return how often an image of `size` pixels is halved."""
    return min(maximum, size.bit_length() - MIN_SIZE.bit_length())


def build_norm(channels: int) -> nn.InstanceNorm2d:
    """Return normalisation of each image separately, at test time too, as in the public code."""
    return nn.InstanceNorm2d(channels, eps=1e-3, affine=True)


class Generator(nn.Module):
    """Generator: mask and noise to an image (figure 2).

    Convolutions of 4 x 4 with stride 2 halve the mask; the noise, projected and reshaped, is
    concatenated to the innermost features; transposed convolutions with skip connections
    upsample them.

    Args:
        latent_dim: Length of the noise.
        mask_channels: Channels of the mask.
        channels: Channels of the image.
        size: Side in pixels, a power of two.
        features: Channels of the outermost layers; at most 8-fold further in.
    """

    def __init__(
        self, latent_dim: int, mask_channels: int, channels: int, size: int, features: int
    ) -> None:
        super().__init__()
        depth = count_halvings(size, GENERATOR_HALVINGS)
        widths = [features * min(2**level, 8) for level in range(depth)]
        self.inner = (4 * features, size >> depth, size >> depth)
        self.first = nn.Conv2d(mask_channels, widths[0], 4, 2, 1)
        self.downs = nn.ModuleList(
            nn.Sequential(nn.Conv2d(n_in, n_out, 4, 2, 1, bias=False), build_norm(n_out))
            for n_in, n_out in pairwise(widths)
        )
        self.noise = nn.Linear(latent_dim, self.inner[0] * self.inner[1] * self.inner[2])
        self.ups = nn.ModuleList()
        n_in = self.inner[0] + widths[-1]
        for width in reversed(widths[:-1]):
            self.ups.append(
                nn.Sequential(
                    nn.ConvTranspose2d(n_in, width, 4, 2, 1, bias=False), build_norm(width)
                )
            )
            n_in = 2 * width
        self.last = nn.ConvTranspose2d(n_in, channels, 4, 2, 1)
        normal_init(self)

    def forward(self, mask: Tensor, noise: Tensor) -> Tensor:
        """Generate an image for each mask.

        Args:
            mask: ``(B, mask_channels, S, S)`` in {-1, 1}.
            noise: ``(B, latent_dim)``.

        Returns:
            ``(B, channels, S, S)`` in [-1, 1].
        """
        skips = [self.first(mask)]
        for down in self.downs:
            skips.append(down(F.leaky_relu(skips[-1], 0.2)))
        code = F.leaky_relu(self.noise(noise), 0.2).view(-1, *self.inner)
        x = torch.cat([code, skips.pop()], 1)
        for number, up in enumerate(self.ups):
            # Leaky ReLU only in the two innermost layers, as in the code.
            active = F.leaky_relu(x, 0.2) if number < 2 else F.relu(x)
            x = torch.cat([up(active), skips.pop()], 1)
        return torch.tanh(self.last(F.relu(x)))


class Discriminator(nn.Module):
    """Discriminator: one logit for an image and its mask (figure 3).

    Args:
        in_channels: Channels of the image and the mask together.
        size: Side in pixels, a power of two.
        features: Channels of the first layer, doubled with every halving.
    """

    def __init__(self, in_channels: int, size: int, features: int) -> None:
        super().__init__()
        depth = count_halvings(size, DISCRIMINATOR_HALVINGS)
        widths = [features * 2**level for level in range(depth)]
        body: list[nn.Module] = [nn.Conv2d(in_channels, features, 4, 2, 1), nn.LeakyReLU(0.2)]
        for n_in, n_out in pairwise(widths):
            body += [
                nn.Conv2d(n_in, n_out, 4, 2, 1, bias=False),
                build_norm(n_out),
                nn.LeakyReLU(0.2),
            ]
        inner = widths[-1] * (size >> depth) ** 2
        self.body = nn.Sequential(*body, nn.Flatten(), nn.Linear(inner, 1))
        normal_init(self)

    def forward(self, image: Tensor, mask: Tensor) -> Tensor:
        """Map images ``(B, C, S, S)`` and masks ``(B, M, S, S)`` to logits ``(B,)``."""
        return cast(Tensor, self.body(torch.cat([image, mask], 1))).squeeze(1)
