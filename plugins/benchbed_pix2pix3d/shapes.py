"""Padding of volumes to powers of two, and the strides that reduce them."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

Triple = tuple[int, int, int]


def pad_shape(spatial: Sequence[int]) -> Triple:
    """Round three lengths up to powers of two."""
    depth, height, width = (1 << (length - 1).bit_length() for length in spatial)
    return depth, height, width


def compute_strides(shape: Triple, shortest: int = 1, layers: int | None = None) -> list[Triple]:
    """Compute the strides of successive layers, which halve the axes longer than `shortest`.

    Args:
        shape: Lengths, powers of two.
        shortest: Length from which an axis is halved no further.
        layers: Number of layers; None for as many as needed.
    """
    depth, height, width = shape
    if layers is None:
        layers = (max(shape) // shortest).bit_length() - 1
    steps: list[Triple] = []
    for _ in range(layers):
        z, y, x = (2 if length > shortest else 1 for length in (depth, height, width))
        depth, height, width = depth // z, height // y, width // x
        steps.append((z, y, x))
    return steps


class PaddedFrame(nn.Module):
    """Padding of volumes to powers of two, and the reverse crop.

    Args:
        spatial: Original lengths ``(D, H, W)``.
        empty: Background value of each channel.
    """

    empty: Tensor

    def __init__(self, spatial: Sequence[int], empty: Sequence[float]) -> None:
        super().__init__()
        self.shape = pad_shape(spatial)
        missing = [full - length for full, length in zip(self.shape, spatial, strict=True)]
        self.pads = [n for m in reversed(missing) for n in (m // 2, m - m // 2)]
        self.kept = [slice(m // 2, m // 2 + n) for m, n in zip(missing, spatial, strict=True)]
        values = torch.tensor(empty, dtype=torch.float32).view(1, -1, 1, 1, 1)
        self.register_buffer("empty", values, persistent=False)

    def pad_volume(self, volume: Tensor) -> Tensor:
        """Pad ``(B, C, D, H, W)`` with background on all sides."""
        if not any(self.pads):
            return volume
        return F.pad(volume - self.empty, self.pads) + self.empty

    def crop_volume(self, volume: Tensor) -> Tensor:
        """Reverse `pad_volume`, for any number of channels."""
        depth, height, width = self.kept
        return volume[..., depth, height, width]
