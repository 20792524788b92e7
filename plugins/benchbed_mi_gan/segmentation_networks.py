"""The networks of MI-GAN's segmentation, which are V-GAN's (Son et al. 2017)."""

from __future__ import annotations

from typing import cast

from torch import Tensor, nn

from benchbed.nn import SegmentationUNet


class ShiftNorm(nn.BatchNorm2d):
    """Batch normalisation with a learned shift and a gain that stays 1."""

    def __init__(self, channels: int) -> None:
        super().__init__(channels)
        # Still a parameter: what makes one normalisation of several devices' expects one.
        self.weight.requires_grad_(False)


def build_block(before: int, after: int, stride: int = 1) -> nn.Sequential:
    """Twice a convolution with kernel 3, the first with a stride, normalised, ReLU."""
    return nn.Sequential(
        nn.Conv2d(before, after, 3, stride, 1),
        ShiftNorm(after),
        nn.ReLU(inplace=True),
        nn.Conv2d(after, after, 3, 1, 1),
        ShiftNorm(after),
        nn.ReLU(inplace=True),
    )


def build_segmenter(channels: int, mask_channels: int, features: int) -> SegmentationUNet:
    """G: a U-Net with five resolutions that repeats pixels on its way up."""
    return SegmentationUNet(
        channels, mask_channels, features, block=build_block, upsampling="nearest"
    )


def build_pixel_discriminator(in_channels: int, features: int) -> nn.Sequential:
    """D of single pixels: three convolutions of 3 x 3 at full resolution, no normalisation."""
    return nn.Sequential(
        nn.Conv2d(in_channels, features, 3, 1, 1),
        nn.LeakyReLU(0.2, inplace=True),
        nn.Conv2d(features, 2 * features, 3, 1, 1),
        nn.LeakyReLU(0.2, inplace=True),
        nn.Conv2d(2 * features, 4 * features, 3, 1, 1),
        nn.LeakyReLU(0.2, inplace=True),
        nn.Conv2d(4 * features, 1, 1),
    )


class BlockDiscriminator(nn.Module):
    """D of patches or of the whole image: blocks with poolings between them.

    Args:
        in_channels: Channels of the image and the mask together.
        features: Channels of the first block, doubled with each further one.
        size: Side of the images in pixels. A pooling that would leave a single pixel is left
            out, which happens below 128 px alone.
        blocks: Number of blocks.
        strided: Blocks, from the first, that begin with a stride of 2.
        whole: Whether the last block is averaged into one logit.
    """

    def __init__(
        self, in_channels: int, features: int, size: int, *, blocks: int, strided: int, whole: bool
    ) -> None:
        super().__init__()
        body: list[nn.Module] = []
        before, side = in_channels, size
        for number in range(blocks):
            if number > 0 and side >= 4:
                body.append(nn.MaxPool2d(2))
                side //= 2
            stride = 2 if number < strided else 1
            body.append(build_block(before, features * 2**number, stride))
            before, side = features * 2**number, side // stride
        pooled = [nn.AdaptiveAvgPool2d(1)] if whole else []
        self.body = nn.Sequential(*body, *pooled, nn.Conv2d(before, 1, 1))

    def forward(self, pair: Tensor) -> Tensor:
        """``(B, in_channels, H, W)`` to ``(B, 1, h, w)`` logits, one for each patch."""
        return cast(Tensor, self.body(pair))


def build_discriminator(kind: str, in_channels: int, features: int, size: int) -> nn.Module:
    """D as one of ``"pixel"``, ``"patch1"``, ``"patch2"``, ``"image"``.

    Their receptive fields are 7, 61 and 537 px and the whole image.
    """
    if kind == "pixel":
        return build_pixel_discriminator(in_channels, features)
    small = kind == "patch1"
    return BlockDiscriminator(
        in_channels,
        features,
        size,
        blocks=3 if small else 5,
        strided=1 if small else 2,
        whole=kind == "image",
    )
