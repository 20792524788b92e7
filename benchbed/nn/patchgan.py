"""Patch discriminator (Isola et al. 2017)."""

from __future__ import annotations

from itertools import pairwise
from typing import cast

from torch import Tensor, nn

from benchbed.nn.init import normal_init


class PatchDiscriminator(nn.Module):
    """Discriminator with a logit per patch of an image (Isola et al. 2017, 3.2.2 and 6.1.2).

    With 3 layers of stride 2 a patch has 70 px, with 2 it has 34, with 1 it has 16; with 0 the
    convolutions are 1 x 1 and each pixel is scored alone. A conditional discriminator takes
    condition and image, concatenated along the channels.

    Args:
        in_channels: Channels of the image and its condition together.
        base: Channels of the first layer; doubled in every layer, up to 8 times `base`.
        layers: Layers with stride 2, >= 0.

    Raises:
        ValueError: `layers` is negative.
    """

    def __init__(self, in_channels: int, base: int = 64, layers: int = 3) -> None:
        super().__init__()
        if layers < 0:
            raise ValueError(f"layers is {layers} but must not be negative")
        pixel = layers == 0
        kernel = 1 if pixel else 4
        padding = 0 if pixel else 1
        widths = [base * min(2**n, 8) for n in range(max(layers, 1) + 1)]
        body: list[nn.Module] = [
            nn.Conv2d(in_channels, base, kernel, 1 if pixel else 2, padding),
            nn.LeakyReLU(0.2, inplace=True),
        ]
        for number, (narrow, wide) in enumerate(pairwise(widths), start=1):
            stride = 2 if number < layers else 1
            body += [
                nn.Conv2d(narrow, wide, kernel, stride, padding, bias=False),
                nn.BatchNorm2d(wide),
                nn.LeakyReLU(0.2, inplace=True),
            ]
        body.append(nn.Conv2d(widths[-1], 1, kernel, 1, padding, bias=not pixel))
        self.body = nn.Sequential(*body)
        normal_init(self)

    def forward(self, image: Tensor) -> Tensor:
        """Score every patch.

        Args:
            image: ``(B, in_channels, H, W)`` in [-1, 1].

        Returns:
            ``(B, 1, h, w)`` logits; 30 x 30 for 256 x 256 px and 3 layers.
        """
        return cast(Tensor, self.body(image))
