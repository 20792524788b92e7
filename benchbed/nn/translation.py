"""Image-to-image generator with skip connections (Isola et al. 2017)."""

from __future__ import annotations

from itertools import pairwise
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.conv import _ConvNd

LAYER_TYPES: dict[int, tuple[type[nn.Module], type[nn.Module], type[nn.Module]]] = {
    2: (nn.Conv2d, nn.ConvTranspose2d, nn.BatchNorm2d),
    3: (nn.Conv3d, nn.ConvTranspose3d, nn.BatchNorm3d),
}
"""Convolution, transposed convolution and normalisation, by the number of dimensions."""

DROPOUT_LAYERS = 3
"""Decoder layers with dropout, from the innermost outwards (section 6.1.1)."""


class UNetGenerator(nn.Module):
    """U-Net generator (Isola et al. 2017, section 6.1.1).

    Convolutions of kernel 4 and stride 2 halve the image down to one pixel; transposed convolutions
    double it again, each with the encoder's output of the same size. All layers have batch
    normalisation except the first and innermost of the encoder and the last of the decoder. The
    paper keeps dropout and batch statistics at test time: use the module's training mode for that.

    Args:
        in_channels: Channels of the input.
        out_channels: Channels of the output.
        size: In-plane size of the images in pixels, a power of two >= 4.
        base: Channels of the outermost layer; doubled with every halving of size.
        max_channels: Maximum channels of a layer.
        dropout: Dropout probability in the three innermost decoder layers.
        dimensions: 2 for images, 3 for volumes (cubes).

    Raises:
        ValueError: `size` is no power of two >= 4.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        size: int,
        *,
        base: int = 64,
        max_channels: int = 512,
        dropout: float = 0.5,
        dimensions: int = 2,
    ) -> None:
        super().__init__()
        if size < 4 or size.bit_count() != 1:
            raise ValueError(f"size is {size} but must be a power of two >= 4")
        conv, deconv, norm = LAYER_TYPES[dimensions]
        depth = size.bit_length() - 1
        widths = [min(base * 2**level, max_channels) for level in range(depth)]
        self.downs = nn.ModuleList()
        for level, (before, after) in enumerate(zip([in_channels, *widths], widths, strict=False)):
            bare = level in (0, depth - 1)
            self.downs.append(
                nn.Sequential(
                    conv(before, after, 4, 2, 1, bias=False),
                    nn.Identity() if bare else norm(after),
                )
            )
        self.ups = nn.ModuleList()
        for level in reversed(range(1, depth)):
            skipped = 0 if level == depth - 1 else widths[level]
            drops = dropout > 0 and depth - 1 - level < DROPOUT_LAYERS
            self.ups.append(
                nn.Sequential(
                    deconv(widths[level] + skipped, widths[level - 1], 4, 2, 1, bias=False),
                    norm(widths[level - 1]),
                    nn.Dropout(dropout) if drops else nn.Identity(),
                )
            )
        self.last = deconv(2 * widths[0], out_channels, 4, 2, 1)
        normal_init(self)

    def forward(self, image: Tensor) -> Tensor:
        """Translate images.

        Args:
            image: ``(B, in_channels, S, S)`` or ``(B, in_channels, S, S, S)`` in [-1, 1].

        Returns:
            ``(B, out_channels, ...)`` of the same size, in [-1, 1] by tanh.
        """
        skips = [self.downs[0](image)]
        for down in self.downs[1:]:
            skips.append(down(F.leaky_relu(skips[-1], 0.2)))
        x = skips.pop()
        for up in self.ups:
            x = torch.cat([up(F.relu(x)), skips.pop()], dim=1)
        return torch.tanh(self.last(F.relu(x)))


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


def normal_init(module: nn.Module, std: float = 0.02) -> None:
    """Initialise the weights of every layer in place (Radford et al. 2016, section 4).

    Weights of (transposed) convolutions and linear layers are N(0, std^2), gains of batch
    normalisation N(1, std^2), all biases 0. Other layers are unchanged.
    """
    for layer in module.modules():
        if isinstance(layer, _ConvNd | nn.Linear):
            nn.init.normal_(layer.weight, 0.0, std)
        elif isinstance(layer, _BatchNorm) and layer.affine:
            nn.init.normal_(layer.weight, 1.0, std)
        else:
            continue
        if layer.bias is not None:
            nn.init.zeros_(layer.bias)
