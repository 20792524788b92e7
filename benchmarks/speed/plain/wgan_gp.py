"""WGAN-GP with DCGAN's networks (Gulrajani et al. 2017)."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.optim import Adam

from .data import Step, batches, dcgan_weights
from .dcgan import generator


def critic(size: int, channels: int = 3, features: int = 64) -> nn.Module:
    """Images to scores, with layer normalisation in place of batch normalisation."""
    layers: list[nn.Module] = [
        nn.Conv2d(channels, features, 4, 2, 1, bias=False),
        nn.LeakyReLU(0.2, inplace=True),
    ]
    width = features
    while size > 8:
        layers += [
            nn.Conv2d(width, 2 * width, 4, 2, 1, bias=False),
            nn.GroupNorm(1, 2 * width),
            nn.LeakyReLU(0.2, inplace=True),
        ]
        width, size = 2 * width, size // 2
    layers.append(nn.Conv2d(width, 1, 4, 1, 0, bias=False))
    return nn.Sequential(*layers).apply(dcgan_weights)


def gradient_penalty(network: nn.Module, real: Tensor, fake: Tensor) -> Tensor:
    """The mean of (||grad|| - 1)^2 between real and fake."""
    alpha = torch.rand(len(real), 1, 1, 1, device=real.device)
    points = (alpha * real + (1 - alpha) * fake).requires_grad_(True)
    scores = network(points)
    gradients = torch.autograd.grad(
        outputs=scores, inputs=points, grad_outputs=torch.ones_like(scores), create_graph=True
    )[0]
    penalty: Tensor = ((gradients.view(len(real), -1).norm(2, dim=1) - 1) ** 2).mean()
    return penalty


def trainer(images: Tensor, batch_size: int, device: torch.device, features: int = 64) -> Step:
    """Five updates of the critic and one of G a step."""
    size, latent = images.shape[-1], 128
    g = generator(size, images.shape[1], features, latent).to(device)
    f = critic(size, images.shape[1], features).to(device)
    g_adam = Adam(g.parameters(), lr=1e-4, betas=(0.0, 0.9))
    f_adam = Adam(f.parameters(), lr=1e-4, betas=(0.0, 0.9))
    data, log = batches([images], batch_size, device), []

    def step() -> None:
        for _ in range(5):
            (real,) = next(data)
            f_adam.zero_grad()
            fake = g(torch.randn(len(real), latent, 1, 1, device=device)).detach()
            penalty = gradient_penalty(f, real, fake)
            f_loss = -f(real).mean() + f(fake).mean() + 10 * penalty
            f_loss.backward()
            f_adam.step()
            log.append(f_loss.item())
        g_adam.zero_grad()
        g_loss = -f(g(torch.randn(len(real), latent, 1, 1, device=device))).mean()
        g_loss.backward()
        g_adam.step()
        log.append(g_loss.item())

    return step
