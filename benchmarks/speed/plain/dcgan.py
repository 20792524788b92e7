"""DCGAN for 64 x 64 px and above (Radford et al. 2016)."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.optim import Adam

from .data import Step, batches, dcgan_weights


def generator(size: int, channels: int = 3, features: int = 64, latent: int = 100) -> nn.Module:
    """Noise ``(B, latent, 1, 1)`` to images in [-1, 1]."""
    width = features * size // 8
    layers: list[nn.Module] = [
        nn.ConvTranspose2d(latent, width, 4, 1, 0, bias=False),
        nn.BatchNorm2d(width),
        nn.ReLU(True),
    ]
    while width > features:
        layers += [
            nn.ConvTranspose2d(width, width // 2, 4, 2, 1, bias=False),
            nn.BatchNorm2d(width // 2),
            nn.ReLU(True),
        ]
        width //= 2
    layers += [nn.ConvTranspose2d(width, channels, 4, 2, 1, bias=False), nn.Tanh()]
    return nn.Sequential(*layers).apply(dcgan_weights)


def discriminator(size: int, channels: int = 3, features: int = 64) -> nn.Module:
    """Images to probabilities ``(B, 1, 1, 1)``."""
    layers: list[nn.Module] = [
        nn.Conv2d(channels, features, 4, 2, 1, bias=False),
        nn.LeakyReLU(0.2, inplace=True),
    ]
    width = features
    while size > 8:
        layers += [
            nn.Conv2d(width, 2 * width, 4, 2, 1, bias=False),
            nn.BatchNorm2d(2 * width),
            nn.LeakyReLU(0.2, inplace=True),
        ]
        width, size = 2 * width, size // 2
    layers += [nn.Conv2d(width, 1, 4, 1, 0, bias=False), nn.Sigmoid()]
    return nn.Sequential(*layers).apply(dcgan_weights)


def trainer(images: Tensor, batch_size: int, device: torch.device, features: int = 64) -> Step:
    """One update of D and one of G a step."""
    size, latent = images.shape[-1], 100
    g = generator(size, images.shape[1], features, latent).to(device)
    d = discriminator(size, images.shape[1], features).to(device)
    g_adam = Adam(g.parameters(), lr=2e-4, betas=(0.5, 0.999))
    d_adam = Adam(d.parameters(), lr=2e-4, betas=(0.5, 0.999))
    criterion = nn.BCELoss()
    data, log = batches([images], batch_size, device), []

    def step() -> None:
        (real,) = next(data)
        ones, zeros = torch.ones(len(real), device=device), torch.zeros(len(real), device=device)
        d.zero_grad()
        d_real = criterion(d(real).view(-1), ones)
        d_real.backward()
        fake = g(torch.randn(len(real), latent, 1, 1, device=device))
        d_fake = criterion(d(fake.detach()).view(-1), zeros)
        d_fake.backward()
        d_adam.step()
        g.zero_grad()
        g_loss = criterion(d(fake).view(-1), ones)
        g_loss.backward()
        g_adam.step()
        log.append((d_real.item() + d_fake.item(), g_loss.item()))

    return step
