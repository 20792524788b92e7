"""U-Net for segmentation (Ronneberger et al. 2015), padded and with batch normalisation."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.optim import Adam

from .data import Step, batches


def double(before: int, after: int) -> nn.Module:
    """Twice convolution, normalisation and ReLU."""
    return nn.Sequential(
        nn.Conv2d(before, after, 3, padding=1, bias=False), nn.BatchNorm2d(after), nn.ReLU(True),
        nn.Conv2d(after, after, 3, padding=1, bias=False), nn.BatchNorm2d(after), nn.ReLU(True),
    )  # fmt: skip


class UNet(nn.Module):
    """Images to logits of masks."""

    def __init__(self, channels: int, masks: int, features: int) -> None:
        super().__init__()
        widths = [features * 2**level for level in range(5)]
        self.inc = double(channels, features)
        self.pool = nn.MaxPool2d(2)
        self.downs = nn.ModuleList(double(a, b) for a, b in pairwise(widths))
        self.ups = nn.ModuleList(
            nn.ConvTranspose2d(2 * width, width, 2, stride=2) for width in widths[-2::-1]
        )
        self.decoders = nn.ModuleList(double(2 * width, width) for width in widths[-2::-1])
        self.head = nn.Conv2d(features, masks, 1)

    def forward(self, x: Tensor) -> Tensor:
        """``(B, channels, H, W)`` to ``(B, masks, H, W)``."""
        x = self.inc(x)
        skips = []
        for down in self.downs:
            skips.append(x)
            x = down(self.pool(x))
        for up, decoder in zip(self.ups, self.decoders, strict=True):
            x = decoder(torch.cat([skips.pop(), up(x)], 1))
        logits: Tensor = self.head(x)
        return logits


def trainer(
    images: Tensor, masks: Tensor, batch_size: int, device: torch.device, features: int = 64
) -> Step:
    """One update a step."""
    network = UNet(images.shape[1], masks.shape[1], features).to(device)
    adam = Adam(network.parameters(), lr=1e-3)
    criterion = nn.BCEWithLogitsLoss()
    data, log = batches([images, masks], batch_size, device), []

    def step() -> None:
        image, mask = next(data)
        adam.zero_grad()
        loss = criterion(network(image), mask)
        loss.backward()
        adam.step()
        log.append(loss.item())

    return step
