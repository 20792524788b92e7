"""Networks of MI-GAN's segmentation, which are those of V-GAN (Son et al. 2017)."""

from __future__ import annotations

from typing import cast

from torch import Tensor, nn

from benchbed.nn import SegmentationUNet


class ShiftNorm(nn.BatchNorm2d):
    """Batch normalisation with a learned shift and a gain fixed at 1."""

    def __init__(self, channels: int) -> None:
        super().__init__(channels)
        # It stays a parameter because SyncBatchNorm conversion expects one.
        self.weight.requires_grad_(False)


def build_block(in_channels: int, out_channels: int, stride: int = 1) -> nn.Sequential:
    """Return two 3 x 3 convolutions with normalisation and ReLU; the first has the stride."""
    return nn.Sequential(
        nn.Conv2d(in_channels, out_channels, 3, stride, 1),
        ShiftNorm(out_channels),
        nn.ReLU(inplace=True),
        nn.Conv2d(out_channels, out_channels, 3, 1, 1),
        ShiftNorm(out_channels),
        nn.ReLU(inplace=True),
    )


def build_segmenter(channels: int, mask_channels: int, features: int) -> SegmentationUNet:
    """Return G: a U-Net with five resolutions and nearest-neighbour upsampling."""
    return SegmentationUNet(
        channels, mask_channels, features, block=build_block, upsampling="nearest"
    )


def build_pixel_discriminator(in_channels: int, features: int) -> nn.Sequential:
    """Return D of single pixels: 3 x 3 convolutions at full resolution, no normalisation."""
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
    """Discriminator of patches or of the whole image: blocks with poolings between them.

    Args:
        in_channels: Channels of the image and the mask together.
        features: Channels of the first block, doubled with each further one.
        size: Side of the images in pixels. Poolings to a single pixel are left out, which
            happens only below 128 px.
        blocks: Number of blocks.
        strided: Number of initial blocks that begin with a stride of 2.
        whole: Whether the last block is averaged into one logit.
    """

    def __init__(
        self, in_channels: int, features: int, size: int, *, blocks: int, strided: int, whole: bool
    ) -> None:
        super().__init__()
        body: list[nn.Module] = []
        n_in, side = in_channels, size
        for number in range(blocks):
            if number > 0 and side >= 4:
                body.append(nn.MaxPool2d(2))
                side //= 2
            stride = 2 if number < strided else 1
            body.append(build_block(n_in, features * 2**number, stride))
            n_in, side = features * 2**number, side // stride
        pooled = [nn.AdaptiveAvgPool2d(1)] if whole else []
        self.body = nn.Sequential(*body, *pooled, nn.Conv2d(n_in, 1, 1))

    def forward(self, pair: Tensor) -> Tensor:
        """Map ``(B, in_channels, H, W)`` to patch logits ``(B, 1, h, w)``."""
        return cast(Tensor, self.body(pair))


def build_discriminator(kind: str, in_channels: int, features: int, size: int) -> nn.Module:
    """Return D of the kind ``"pixel"``, ``"patch1"``, ``"patch2"`` or ``"image"``.

    Their receptive fields are 7, 61 and 537 px, and the whole image.
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
