"""MI-GAN (Iqbal & Ali 2018): a mask and noise to an image."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim import Adam

from .data import Step, batches, dcgan_weights


class Generator(nn.Module):
    """U-Net over the mask, with the noise joined to the innermost features."""

    def __init__(self, masks: int, channels: int, size: int, features: int, latent: int) -> None:
        super().__init__()
        depth = min(6, size.bit_length() - 3)
        widths = [features * min(2**level, 8) for level in range(depth)]
        self.code = (4 * features, size >> depth, size >> depth)
        self.first = nn.Conv2d(masks, features, 4, 2, 1)
        self.downs, self.ups = nn.ModuleList(), nn.ModuleList()
        for before, after in pairwise(widths):
            self.downs.append(
                nn.Sequential(
                    nn.LeakyReLU(0.2), nn.Conv2d(before, after, 4, 2, 1, bias=False), _norm(after)
                )
            )
        self.noise = nn.Linear(latent, self.code[0] * self.code[1] * self.code[2])
        before = self.code[0] + widths[-1]
        for number, width in enumerate(reversed(widths[:-1])):
            self.ups.append(
                nn.Sequential(
                    nn.LeakyReLU(0.2) if number < 2 else nn.ReLU(),
                    nn.ConvTranspose2d(before, width, 4, 2, 1, bias=False),
                    _norm(width),
                )
            )
            before = 2 * width
        self.last = nn.ConvTranspose2d(before, channels, 4, 2, 1)
        self.apply(dcgan_weights)

    def forward(self, mask: Tensor, noise: Tensor) -> Tensor:
        """``(B, masks, S, S)`` and ``(B, latent)`` to ``(B, channels, S, S)``."""
        skips = [self.first(mask)]
        for down in self.downs:
            skips.append(down(skips[-1]))
        code = F.leaky_relu(self.noise(noise), 0.2).view(-1, *self.code)
        x = torch.cat([code, skips.pop()], 1)
        for up in self.ups:
            x = torch.cat([up(x), skips.pop()], 1)
        return torch.tanh(self.last(F.relu(x)))


def discriminator(before: int, size: int, features: int) -> nn.Module:
    """Images and masks, concatenated, to probabilities ``(B, 1)``."""
    depth = min(5, size.bit_length() - 3)
    layers: list[nn.Module] = [nn.Conv2d(before, features, 4, 2, 1), nn.LeakyReLU(0.2)]
    width = features
    for _ in range(depth - 1):
        layers += [
            nn.Conv2d(width, 2 * width, 4, 2, 1, bias=False), _norm(2 * width), nn.LeakyReLU(0.2)
        ]  # fmt: skip
        width *= 2
    layers += [nn.Flatten(), nn.Linear(width * (size >> depth) ** 2, 1), nn.Sigmoid()]
    return nn.Sequential(*layers).apply(dcgan_weights)


def trainer(
    images: Tensor, masks: Tensor, batch_size: int, device: torch.device, features: int = 64
) -> Step:
    """One update of D and two of G a step, each with noise of its own."""
    size, latent = images.shape[-1], 400
    g = Generator(masks.shape[1], images.shape[1], size, features, latent).to(device)
    d = discriminator(masks.shape[1] + images.shape[1], size, features // 2).to(device)
    g_adam = Adam(g.parameters(), lr=2e-4, betas=(0.5, 0.999))
    d_adam = Adam(d.parameters(), lr=2e-4, betas=(0.5, 0.999))
    criterion = nn.BCELoss()
    data, log = batches([images, masks], batch_size, device), []

    def step() -> None:
        image, mask = next(data)
        ones = torch.ones(len(image), 1, device=device)
        d_adam.zero_grad()
        fake = g(mask, 0.001 * torch.randn(len(mask), latent, device=device)).detach()
        d_loss = criterion(d(torch.cat([image, mask], 1)), ones)
        d_loss = d_loss + criterion(d(torch.cat([fake, mask], 1)), torch.zeros_like(ones))
        d_loss.backward()
        d_adam.step()
        for _ in range(2):
            g_adam.zero_grad()
            fake = g(mask, 0.001 * torch.randn(len(mask), latent, device=device))
            g_loss = criterion(d(torch.cat([fake, mask], 1)), ones) + 10 * F.l1_loss(fake, image)
            g_loss.backward()
            g_adam.step()
        log.append((d_loss.item(), g_loss.item()))

    return step


def _norm(width: int) -> nn.Module:
    return nn.InstanceNorm2d(width, eps=1e-3, affine=True)
