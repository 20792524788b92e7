"""Networks of FastGAN (Liu et al. 2021, section 3)."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.parametrizations import spectral_norm

SMALLEST = 4
"""Side of the generator's first map in pixels."""

EXCITATION_RATIO = 16
"""A map excites the one of this many times its side: 4 px that of 64 px, 8 px that of 128 px."""

HEAD_SIZE = 8
"""Side of the discriminator's last map in pixels."""

MAX_DECODED_SIZE = 128
"""Largest side of the images that the decoders restore: half of 256 px, as in the authors' code."""


def list_sides(first: int, last: int) -> list[int]:
    """Return the sides from `first` to `last`, doubling."""
    return [first * 2**power for power in range((last // first).bit_length())]


def compute_generator_widths(size: int, features: int) -> dict[int, int]:
    """Return the channels by side of the map: 16, 8, 4, 2, 2, 1, 1/2, 1/4 times `features`."""
    factors = {4: 16, 8: 8, 16: 4, 32: 2, 64: 2, 128: 1, 256: 0.5, 512: 0.25}
    return {side: max(1, int(factors[side] * features)) for side in list_sides(SMALLEST, size)}


class GatedUnit(nn.Module):
    """Gated linear unit over halves of the channels: ``(B, 2 C, ...)`` to ``(B, C, ...)``.

    The halves come from ``chunk``: the gradient of a slice, and of `torch.nn.functional.glu`, is
    not in channels-last format, which makes batch normalisation many times slower. The sigmoid of
    a copy of the gate is three times as fast on CPUs as that of a view with gaps.
    """

    def forward(self, values: Tensor) -> Tensor:
        """Return the first half times the sigmoid of the second."""
        first, gate = values.chunk(2, 1)
        return first * gate.clone().sigmoid()


class NoiseInjection(nn.Module):
    """Adds noise with a learned strength, 0 at the start; ``(B, C, H, W)``."""

    def __init__(self) -> None:
        super().__init__()
        self.strength = nn.Parameter(torch.zeros(1))

    def forward(self, values: Tensor) -> Tensor:
        """Add one map of N(0, 1) for all channels of an image."""
        noise = torch.randn_like(values[:, :1])
        return values + self.strength * noise


class SkipExcitation(nn.Module):
    """Skip-layer excitation (eq. 1): channel weights from a small map for a large one.

    Args:
        in_channels: Channels of the small map.
        out_channels: Channels of the large one.
    """

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.gate = nn.Sequential(
            nn.AdaptiveAvgPool2d(4),
            nn.Conv2d(in_channels, out_channels, 4, bias=False),
            nn.SiLU(),
            nn.Conv2d(out_channels, out_channels, 1, bias=False),
            nn.Sigmoid(),
        )

    def forward(self, small: Tensor, large: Tensor) -> Tensor:
        """Return ``large * sigmoid(F(small))``, of the shape of `large`."""
        weights: Tensor = self.gate(small)
        return large * weights


def build_upsampling(in_channels: int, out_channels: int, *, noisy: bool) -> nn.Sequential:
    """Build a block that doubles the side; noisy ones have noise and a second convolution."""
    layers: list[nn.Module] = [nn.Upsample(scale_factor=2, mode="nearest")]
    for channels in (in_channels, out_channels) if noisy else (in_channels,):
        layers.append(nn.Conv2d(channels, 2 * out_channels, 3, 1, 1, bias=False))
        if noisy:
            layers.append(NoiseInjection())
        layers += [nn.BatchNorm2d(2 * out_channels), GatedUnit()]
    return nn.Sequential(*layers)


class Generator(nn.Module):
    """Generator: noise ``(B, latent_dim)`` to images ``(B, channels, size, size)`` in [-1, 1].

    Figure 3: blocks to 8, 32 and 128 px have noise and two convolutions, the others one.
    """

    def __init__(self, latent_dim: int, channels: int, size: int, features: int) -> None:
        super().__init__()
        widths = compute_generator_widths(size, features)
        self.sides = list(widths)
        first = widths[SMALLEST]
        self.start = nn.Sequential(
            nn.Unflatten(1, (latent_dim, 1, 1)),
            nn.ConvTranspose2d(latent_dim, 2 * first, SMALLEST, bias=False),
            nn.BatchNorm2d(2 * first),
            GatedUnit(),
        )
        self.blocks = nn.ModuleList(
            build_upsampling(widths[low], widths[high], noisy=number % 2 == 0)
            for number, (low, high) in enumerate(pairwise(self.sides))
        )
        self.excitations = nn.ModuleDict(
            {
                str(side): SkipExcitation(widths[side // EXCITATION_RATIO], width)
                for side, width in widths.items()
                if side // EXCITATION_RATIO in widths
            }
        )
        self.last = nn.Sequential(nn.Conv2d(widths[size], channels, 3, 1, 1, bias=False), nn.Tanh())

    def forward(self, noise: Tensor) -> Tensor:
        """Return G(z)."""
        maps = {SMALLEST: self.start(noise)}
        for (low, high), block in zip(pairwise(self.sides), self.blocks, strict=True):
            grown = block(maps[low])
            if str(high) in self.excitations:
                grown = self.excitations[str(high)](maps[high // EXCITATION_RATIO], grown)
            maps[high] = grown
        image: Tensor = self.last(maps[self.sides[-1]])
        return image


class DownBlock(nn.Module):
    """Halves the side: the mean of two convolutions and of an average with a 1 x 1 layer."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.main = nn.Sequential(
            spectral_norm(nn.Conv2d(in_channels, out_channels, 4, 2, 1, bias=False)),
            nn.BatchNorm2d(out_channels),
            nn.LeakyReLU(0.2, inplace=True),
            spectral_norm(nn.Conv2d(out_channels, out_channels, 3, 1, 1, bias=False)),
            nn.BatchNorm2d(out_channels),
            nn.LeakyReLU(0.2, inplace=True),
        )
        self.direct = nn.Sequential(
            nn.AvgPool2d(2),
            spectral_norm(nn.Conv2d(in_channels, out_channels, 1, bias=False)),
            nn.BatchNorm2d(out_channels),
            nn.LeakyReLU(0.2, inplace=True),
        )

    def forward(self, values: Tensor) -> Tensor:
        """Return ``(B, out_channels, H / 2, W / 2)``."""
        both: Tensor = (self.main(values) + self.direct(values)) / 2
        return both


class Decoder(nn.Sequential):
    """Decoder of section 3.2: a map ``(B, C, 8, 8)`` to an image in [-1, 1]."""

    def __init__(self, in_channels: int, channels: int, size: int) -> None:
        count = (size // HEAD_SIZE).bit_length() - 1
        widths = [in_channels, *(128, 64, 64, 32)[-count:]]
        layers: list[nn.Module] = [
            build_upsampling(wide, narrow, noisy=False) for wide, narrow in pairwise(widths)
        ]
        last = nn.Conv2d(widths[-1], channels, 3, 1, 1, bias=False)
        super().__init__(nn.AdaptiveAvgPool2d(HEAD_SIZE), *layers, last, nn.Tanh())


class Discriminator(nn.Module):
    """Discriminator: images to logits of 5 x 5 overlapping regions, ``(B, 25)``; figure 4."""

    def __init__(self, channels: int, size: int, features: int) -> None:
        super().__init__()
        self.sides = list_sides(HEAD_SIZE, size)[::-1]
        widths = {side: features * min(8, size // side) for side in self.sides}
        self.stem = nn.Sequential(
            spectral_norm(nn.Conv2d(channels, features, 3, 1, 1, bias=False)),
            nn.LeakyReLU(0.2, inplace=True),
        )
        self.blocks = nn.ModuleList(
            DownBlock(widths[high], widths[low]) for high, low in pairwise(self.sides)
        )
        self.excitations = nn.ModuleDict(
            {
                str(side // 4): SkipExcitation(widths[side], widths[side // 4])
                for side in self.sides
                if side // 4 in widths
            }
        )
        last = widths[HEAD_SIZE]
        self.head = nn.Sequential(
            spectral_norm(nn.Conv2d(last, last, 1, bias=False)),
            nn.BatchNorm2d(last),
            nn.LeakyReLU(0.2, inplace=True),
            spectral_norm(nn.Conv2d(last, 1, 4, bias=False)),
            nn.Flatten(),
        )
        self.decoded_size = min(size // 2, MAX_DECODED_SIZE)
        self.whole = Decoder(last, channels, self.decoded_size)
        self.quadrant = Decoder(widths[2 * HEAD_SIZE], channels, self.decoded_size)

    def forward(self, image: Tensor) -> Tensor:
        """Return the logits D(x)."""
        logits: Tensor = self.head(self.extract_maps(image)[HEAD_SIZE])
        return logits

    def extract_maps(self, image: Tensor) -> dict[int, Tensor]:
        """Return the maps by side, after their excitation."""
        maps = {self.sides[0]: self.stem(image)}
        for (high, low), block in zip(pairwise(self.sides), self.blocks, strict=True):
            reduced = block(maps[high])
            if str(low) in self.excitations:
                reduced = self.excitations[str(low)](maps[4 * low], reduced)
            maps[low] = reduced
        return maps

    def judge_and_restore(self, image: Tensor, quadrant: int) -> tuple[Tensor, Tensor]:
        """Return the logits of real images, and how far the decoders are from restoring them.

        Args:
            image: ``(B, C, size, size)`` in [-1, 1].
            quadrant: Number of the quadrant, 0 to 3, that is restored from the map of 16 px.

        Returns:
            Logits ``(B, 25)``, and the sum of both mean absolute differences (eq. 4).
        """
        maps = self.extract_maps(image)
        whole, part = (
            self.whole(maps[HEAD_SIZE]),
            self.quadrant(select_quadrant(maps[2 * HEAD_SIZE], quadrant)),
        )
        distance = F.l1_loss(whole, resize(image, self.decoded_size)) + F.l1_loss(
            part, resize(select_quadrant(image, quadrant), self.decoded_size)
        )
        return self.head(maps[HEAD_SIZE]), distance


def select_quadrant(values: Tensor, quadrant: int) -> Tensor:
    """Return a quadrant of ``(B, C, H, W)``: 0 top left, 1 top right, 2 and 3 below."""
    rows, columns = values.shape[2] // 2, values.shape[3] // 2
    top, left = quadrant // 2 * rows, quadrant % 2 * columns
    return values[:, :, top : top + rows, left : left + columns]


def resize(image: Tensor, size: int) -> Tensor:
    """Resize to squares of `size` pixels."""
    return F.interpolate(image, (size, size), mode="bilinear", align_corners=False, antialias=True)
