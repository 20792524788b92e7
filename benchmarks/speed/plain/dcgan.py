"""DCGAN (2016), WGAN-GP with its networks (2017), and ACGAN for up to 128 px (2017)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .common import Step, gradient_penalty, init_dcgan_weights, iterate_batches, make_adam, update


def make_generator(size: int, features: int, latent: int) -> nn.Module:
    """Map noise ``(B, latent, 1, 1)`` to images in [-1, 1]."""
    width = features * size // 8
    layers: list[nn.Module] = [nn.ConvTranspose2d(latent, width, 4, 1, 0, bias=False)]
    while width > features:
        layers += [nn.BatchNorm2d(width), nn.ReLU(True)]
        layers.append(nn.ConvTranspose2d(width, width // 2, 4, 2, 1, bias=False))
        width //= 2
    layers += [nn.BatchNorm2d(width), nn.ReLU(True)]
    layers += [nn.ConvTranspose2d(width, 3, 4, 2, 1, bias=False), nn.Tanh()]
    return nn.Sequential(*layers).apply(init_dcgan_weights)


def make_discriminator(size: int, features: int, norm: Callable[[int], nn.Module]) -> nn.Module:
    """Map images to logits or scores ``(B, 1, 1, 1)``."""
    layers = [nn.Conv2d(3, features, 4, 2, 1, bias=False), nn.LeakyReLU(0.2, inplace=True)]
    width = features
    while size > 8:
        layers.append(nn.Conv2d(width, 2 * width, 4, 2, 1, bias=False))
        layers += [norm(2 * width), nn.LeakyReLU(0.2, inplace=True)]
        width, size = 2 * width, size // 2
    layers.append(nn.Conv2d(width, 1, 4, 1, 0, bias=False))
    return nn.Sequential(*layers).apply(init_dcgan_weights)


def make_dcgan_step(images: Tensor, batch_size: int, device: torch.device, features: int) -> Step:
    """Return a step of one update of D and one of G."""
    size, latent = images.shape[-1], 100
    g = make_generator(size, features, latent).to(device)
    logits = make_discriminator(size, features, nn.BatchNorm2d)
    d = nn.Sequential(logits, nn.Sigmoid()).to(device)
    g_adam, d_adam, criterion = make_adam(g), make_adam(d), nn.BCELoss()
    data, log = iterate_batches([images], batch_size, device), []

    def step() -> None:
        (real,) = next(data)
        ones, zeros = torch.ones(len(real), device=device), torch.zeros(len(real), device=device)
        fake = g(torch.randn(len(real), latent, 1, 1, device=device))
        d_loss = criterion(d(real).view(-1), ones) + criterion(d(fake.detach()).view(-1), zeros)
        update(d_adam, d_loss)
        g_loss = criterion(d(fake).view(-1), ones)
        update(g_adam, g_loss)
        log.append((d_loss.item(), g_loss.item()))

    return step


def make_wgan_gp_step(images: Tensor, batch_size: int, device: torch.device, features: int) -> Step:
    """Return a step of five updates of the critic and one of G."""
    size, latent = images.shape[-1], 128
    g = make_generator(size, features, latent).to(device)
    f = make_discriminator(size, features, lambda width: nn.GroupNorm(1, width)).to(device)
    g_adam, f_adam = make_adam(g, 1e-4, (0.0, 0.9)), make_adam(f, 1e-4, (0.0, 0.9))
    data, log = iterate_batches([images], batch_size, device), []

    def step() -> None:
        for _ in range(5):
            (real,) = next(data)
            fake = g(torch.randn(len(real), latent, 1, 1, device=device)).detach()
            penalty = gradient_penalty(f, real, fake)
            f_loss = -f(real).mean() + f(fake).mean() + 10 * penalty
            update(f_adam, f_loss)
            log.append(f_loss.item())
        g_loss = -f(g(torch.randn(len(real), latent, 1, 1, device=device))).mean()
        update(g_adam, g_loss)
        log.append(g_loss.item())

    return step


def make_acgan_generator(size: int, inputs: int, width: float) -> nn.Module:
    """Return a network from noise and one-hot classes, concatenated, to images."""
    count = {128: 5, 64: 4, 32: 3}[size]
    widths = [round(width * w) for w in (768, 384, 256, 192, 64)[:count]]
    body: list[nn.Module] = [nn.Linear(inputs, widths[0]), nn.ReLU(), nn.Unflatten(1, (-1, 1, 1))]
    for before, after in pairwise(widths):
        body.append(nn.ConvTranspose2d(before, after, 5, 2, 0, bias=False))
        body += [nn.BatchNorm2d(after), nn.ReLU(True)]
    body += [nn.ConvTranspose2d(widths[-1], 3, 8, 2, 0, bias=False), nn.Tanh()]
    return nn.Sequential(*body).apply(init_dcgan_weights)


class ACGANDiscriminator(nn.Module):
    """Discriminator with a head for "real" and one for the class."""

    def __init__(self, size: int, classes: int, width: float) -> None:
        super().__init__()
        before = 3
        body: list[nn.Module] = []
        for number, after in enumerate(round(width * w) for w in (16, 32, 64, 128, 256, 512)):
            halves = number % 2 == 0
            body.append(nn.Conv2d(before, after, 3, *((2, 1) if halves else (1, 0)), bias=False))
            body += [nn.BatchNorm2d(after)] if number else []
            body += [nn.LeakyReLU(0.2, inplace=True), nn.Dropout(0.5)]
            size = (size + 1) // 2 if halves else size - 2
            before = after
        self.body = nn.Sequential(*body, nn.Flatten())
        self.source = nn.Linear(before * size**2, 1)
        self.category = nn.Linear(before * size**2, classes)
        self.apply(init_dcgan_weights)

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """Return P(S | X), and the logits of P(C | X)."""
        x = self.body(image)
        return torch.sigmoid(self.source(x)).squeeze(1), self.category(x)


def make_acgan_step(
    tensors: Sequence[Tensor], batch_size: int, device: torch.device, classes: int, width: float
) -> Step:
    """Return a step of one update of D and one of G."""
    size, latent = tensors[0].shape[-1], 100
    g = make_acgan_generator(size, latent + classes, width).to(device)
    d = ACGANDiscriminator(size, classes, width).to(device)
    g_adam, d_adam = make_adam(g), make_adam(d)
    adversarial, auxiliary = nn.BCELoss(), nn.CrossEntropyLoss()
    data, log = iterate_batches(tensors, batch_size, device), []

    def step() -> None:
        real, label = next(data)
        ones, zeros = torch.ones(len(real), device=device), torch.zeros(len(real), device=device)
        noise = torch.randn(len(real), latent, device=device)
        fake = g(torch.cat([noise, F.one_hot(label, classes).float()], 1))
        real_source, real_class = d(real)
        fake_source, fake_class = d(fake.detach())
        d_loss = adversarial(real_source, ones) + adversarial(fake_source, zeros)
        d_loss = d_loss + auxiliary(real_class, label) + auxiliary(fake_class, label)
        update(d_adam, d_loss)
        fake_source, fake_class = d(fake)
        g_loss = adversarial(fake_source, ones) + auxiliary(fake_class, label)
        update(g_adam, g_loss)
        log.append((d_loss.item(), g_loss.item()))

    return step
