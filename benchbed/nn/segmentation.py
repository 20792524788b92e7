"""U-Net from an image to a mask (Ronneberger et al. 2015)."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Literal, cast

import numpy as np
import torch
from torch import Tensor, cat, nn
from torch.nn import functional as F

from benchbed.utils.otsu import find_otsu_threshold

BlockFactory = Callable[[int, int], nn.Module]
"""Builds the layers of one resolution from its input and output channels."""


def build_double_convolution(in_channels: int, out_channels: int) -> nn.Sequential:
    """Build two convolutions of kernel 3, each with batch normalisation and ReLU."""
    return nn.Sequential(
        nn.Conv2d(in_channels, out_channels, 3, padding=1, bias=False),
        nn.BatchNorm2d(out_channels),
        nn.ReLU(inplace=True),
        nn.Conv2d(out_channels, out_channels, 3, padding=1, bias=False),
        nn.BatchNorm2d(out_channels),
        nn.ReLU(inplace=True),
    )


class SegmentationUNet(nn.Module):
    """U-Net for segmentation (Ronneberger et al. 2015, figure 1), with padded convolutions.

    Each of `depth` max poolings halves the image and doubles the channels; the decoder upsamples
    and concatenates the encoder's output of the same size. Weights are N(0, 2 / fan-in) (section 3)
    and biases 0.

    Args:
        in_channels: Channels of the image.
        out_channels: Channels of the mask.
        base: Channels of the outermost layers; doubled with every halving of size.
        depth: Number of halvings.
        block: Builds the layers of one resolution.
        upsampling: ``"transposed"``: 2 x 2 transposed convolutions that halve the channels, as in
            the paper; ``"nearest"``: nearest neighbour.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        base: int = 64,
        *,
        depth: int = 4,
        block: BlockFactory = build_double_convolution,
        upsampling: Literal["transposed", "nearest"] = "transposed",
    ) -> None:
        super().__init__()
        widths = [base * 2**level for level in range(depth + 1)]
        self.multiple = 2**depth
        self.encoders = nn.ModuleList(
            block(before, after) for before, after in pairwise([in_channels, *widths])
        )
        self.ups, self.decoders = nn.ModuleList(), nn.ModuleList()
        for wide, narrow in pairwise(reversed(widths)):
            if upsampling == "transposed":
                self.ups.append(nn.ConvTranspose2d(wide, narrow, 2, 2))
                self.decoders.append(block(2 * narrow, narrow))
            else:
                self.ups.append(nn.Upsample(scale_factor=2, mode="nearest"))
                self.decoders.append(block(wide + narrow, narrow))
        self.head = nn.Conv2d(base, out_channels, 1)
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
                nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
                if layer.bias is not None:
                    nn.init.zeros_(layer.bias)

    def forward(self, image: Tensor) -> Tensor:
        """Segment images of any size.

        Args:
            image: ``(B, in_channels, H, W)``. If 2^depth does not divide H or W, the image is
                padded by reflection and the logits cropped.

        Returns:
            ``(B, out_channels, H, W)`` logits.
        """
        height, width = image.shape[-2:]
        below, right = -height % self.multiple, -width % self.multiple
        x = F.pad(image, (0, right, 0, below), mode="reflect") if below or right else image
        skips: list[Tensor] = []
        for encoder in self.encoders:
            x = encoder(F.max_pool2d(x, 2) if skips else x)
            skips.append(x)
        skips.pop()
        for up, decoder in zip(self.ups, self.decoders, strict=True):
            x = decoder(cat([up(x), skips.pop()], dim=1))
        return cast(Tensor, self.head(x))[..., :height, :width]


def mask_above_otsu(maps: Tensor) -> Tensor:
    """Return which pixels exceed the Otsu threshold of their map (Otsu 1979).

    Args:
        maps: ``(B, C, H, W)``.

    Returns:
        Bool, same shape; all False for a map that is constant or nearly so.
    """
    planes = maps.detach().float().cpu().numpy().reshape(-1, *maps.shape[2:])
    levels = np.asarray([find_otsu_threshold(plane) for plane in planes], dtype=np.float32)
    return maps > torch.from_numpy(levels).view(*maps.shape[:2], 1, 1).to(maps.device)
