"""The networks of lsgan: strided and transposed convolutions, after Radford et al. (2016)."""

from itertools import pairwise

from benchbed.nn import normal_init
from torch import nn


def widths(size: int, features: int) -> list[int]:
    """Return channels at 4, 8, ... px up to half of `size`, doubling away from the image."""
    doublings = range(size.bit_length() - 4, -1, -1)
    return [features * 2 ** min(doubling, 3) for doubling in doublings]


class Generator(nn.Sequential):
    """Noise ``(B, latent_dim)`` to images ``(B, channels, size, size)`` in [-1, 1]."""

    def __init__(self, latent_dim: int, channels: int, size: int, features: int) -> None:
        counts = widths(size, features)
        layers: list[nn.Module] = [
            nn.Unflatten(1, (latent_dim, 1, 1)),
            nn.ConvTranspose2d(latent_dim, counts[0], 4, bias=False),
            nn.BatchNorm2d(counts[0]),
            nn.ReLU(),
        ]
        for wide, narrow in pairwise(counts):
            layers += [
                nn.ConvTranspose2d(wide, narrow, 4, 2, 1, bias=False),
                nn.BatchNorm2d(narrow),
                nn.ReLU(),
            ]
        layers += [nn.ConvTranspose2d(counts[-1], channels, 4, 2, 1), nn.Tanh()]
        super().__init__(*layers)
        normal_init(self)


class Discriminator(nn.Sequential):
    """Images ``(B, channels, size, size)`` to unbounded scores ``(B,)``."""

    def __init__(self, channels: int, size: int, features: int) -> None:
        counts = widths(size, features)[::-1]
        layers: list[nn.Module] = [nn.Conv2d(channels, counts[0], 4, 2, 1), nn.LeakyReLU(0.2)]
        for narrow, wide in pairwise(counts):
            layers += [
                nn.Conv2d(narrow, wide, 4, 2, 1, bias=False),
                nn.BatchNorm2d(wide),
                nn.LeakyReLU(0.2),
            ]
        layers += [nn.Conv2d(counts[-1], 1, 4), nn.Flatten(0)]
        super().__init__(*layers)
        normal_init(self)
