"""Feature extractors: networks with their input transform."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from benchbed.metrics.distances import disable_reduced_precision
from benchbed.utils.progress import ProgressCallback

Pixels = npt.NDArray[np.uint8]
FeatureArray = npt.NDArray[np.float32]


@dataclass(frozen=True)
class FeatureExtractor:
    """A network that turns images into features.

    Attributes:
        name: Name of the feature space; values of different spaces must not share a column.
        dims: Number of features d.
        weights_hash: First 12 hexadecimal digits of the SHA-256 of the weights.
        network: Float ``(B, 3, H, W)`` in [0, 1] to ``(B, d)``, in evaluation mode, on `device`.
        device: Where the network is.
        batch_size: Images per batch.
    """

    name: str
    dims: int
    weights_hash: str
    network: nn.Module
    device: torch.device
    batch_size: int = 16

    def __call__(self, images: Pixels, progress: ProgressCallback | None = None) -> FeatureArray:
        """Compute features of images, in full float32 regardless of the caller's settings.

        Args:
            images: uint8 ``(N, C, H, W)``, C of 1 (replicated) or 3; may be a memory map.
            progress: Receives progress after each batch.

        Returns:
            ``(N, d)`` float32.

        Raises:
            ValueError: The images have another dtype or shape.
        """
        check_images(images)
        features = np.empty((len(images), self.dims), np.float32)
        with torch.inference_mode(), disable_reduced_precision(self.device):
            for start in range(0, len(images), self.batch_size):
                batch = torch.from_numpy(images[start : start + self.batch_size].copy())
                pixels = batch.to(self.device).expand(-1, 3, -1, -1).float() / 255
                features[start : start + len(batch)] = self.network(pixels).cpu().numpy()
                if progress is not None:
                    progress("features", start + len(batch), len(images))
        return features


def check_images(images: npt.NDArray[Any]) -> None:
    """Raise ValueError for images that are not uint8 ``(N, C, H, W)`` with C of 1 or 3."""
    if images.dtype != np.uint8 or images.ndim != 4 or images.shape[1] not in (1, 3):
        raise ValueError(
            f"Images with dtype {images.dtype} and shape {images.shape} are not supported. "
            "Expected uint8 (N, C, H, W) with C = 1 or 3."
        )


def prepare_network(network: nn.Module, transform: nn.Module, device: torch.device) -> nn.Module:
    """Return the frozen network behind its input transform, in evaluation mode on `device`."""
    model = nn.Sequential(transform, network).float().eval().requires_grad_(False)
    return model.to(device).to(memory_format=torch.channels_last)


class InputTransform(nn.Module):
    """Resizes and normalises images in [0, 1] for a network."""

    mean: Tensor
    deviation: Tensor

    def __init__(self, size: int, mean: tuple[float, ...], deviation: tuple[float, ...]) -> None:
        super().__init__()
        self.size = size
        self.register_buffer("mean", torch.tensor(mean).view(1, 3, 1, 1))
        self.register_buffer("deviation", torch.tensor(deviation).view(1, 3, 1, 1))

    def forward(self, images: Tensor) -> Tensor:
        """Return images (n, 3, H, W) in [0, 1], resized to `size` and normalised."""
        resized = F.interpolate(
            images, size=(self.size, self.size), mode="bilinear", align_corners=False
        )
        scaled = (resized - self.mean) / self.deviation
        return scaled.contiguous(memory_format=torch.channels_last)
