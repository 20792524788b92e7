"""MI-GAN's generator and discriminator (Iqbal & Ali 2018, figures 2 and 3)."""

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
"""Pixels under which nothing is halved: at 512 px G goes down to 8 and D to 16, as in figures."""


def count_halvings(size: int, most: int) -> int:
    """How often an image of `size` pixels is halved."""
    return min(most, size.bit_length() - MIN_SIZE.bit_length())


def build_norm(channels: int) -> nn.InstanceNorm2d:
    """Batch normalisation as the code uses it: over each image by itself, test time included."""
    return nn.InstanceNorm2d(channels, eps=1e-3, affine=True)


class Generator(nn.Module):
    """From a mask and noise to an image (figure 2).

    Convolutions of 4 x 4 with stride 2 halve the mask; the noise, fully connected and reshaped,
    is joined to the innermost features; transposed convolutions double them again, each given
    the encoder's output of its size too.

    Args:
        latent_dim: Length of the noise.
        mask_channels: Channels of the mask.
        channels: Channels of the image.
        size: Side in pixels, a power of two.
        features: Channels of the outermost layers, 8-fold at most further in.
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
            nn.Sequential(nn.Conv2d(before, after, 4, 2, 1, bias=False), build_norm(after))
            for before, after in pairwise(widths)
        )
        self.noise = nn.Linear(latent_dim, self.inner[0] * self.inner[1] * self.inner[2])
        self.ups = nn.ModuleList()
        before = self.inner[0] + widths[-1]
        for width in reversed(widths[:-1]):
            self.ups.append(
                nn.Sequential(
                    nn.ConvTranspose2d(before, width, 4, 2, 1, bias=False), build_norm(width)
                )
            )
            before = 2 * width
        self.last = nn.ConvTranspose2d(before, channels, 4, 2, 1)
        normal_init(self)

    def forward(self, mask: Tensor, noise: Tensor) -> Tensor:
        """Make an image for each mask.

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
            # Leaky in the two innermost layers alone, as in the code.
            active = F.leaky_relu(x, 0.2) if number < 2 else F.relu(x)
            x = torch.cat([up(active), skips.pop()], 1)
        return torch.tanh(self.last(F.relu(x)))


class Discriminator(nn.Module):
    """One logit for an image and its mask (figure 3).

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
        for before, after in pairwise(widths):
            body += [
                nn.Conv2d(before, after, 4, 2, 1, bias=False),
                build_norm(after),
                nn.LeakyReLU(0.2),
            ]
        inner = widths[-1] * (size >> depth) ** 2
        self.body = nn.Sequential(*body, nn.Flatten(), nn.Linear(inner, 1))
        normal_init(self)

    def forward(self, image: Tensor, mask: Tensor) -> Tensor:
        """``(B, C, S, S)`` and ``(B, M, S, S)`` to ``(B,)`` logits."""
        return cast(Tensor, self.body(torch.cat([image, mask], 1))).squeeze(1)
