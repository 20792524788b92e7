"""ACGAN (Odena et al. 2017, appendix A), for up to 128 px."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim import Adam

from .data import Step, batches, dcgan_weights


class Generator(nn.Module):
    """Noise and class to images."""

    def __init__(self, size: int, classes: int, channels: int, width: float, latent: int) -> None:
        super().__init__()
        self.classes = classes
        layers = {128: 5, 64: 4, 32: 3}[size]
        widths = [round(width * w) for w in (768, 384, 256, 192, 64)[:layers]]
        self.dense = nn.Linear(latent + classes, widths[0])
        body: list[nn.Module] = []
        for before, after in pairwise(widths):
            body += [
                nn.ConvTranspose2d(before, after, 5, 2, 0, bias=False),
                nn.BatchNorm2d(after),
                nn.ReLU(True),
            ]
        body += [nn.ConvTranspose2d(widths[-1], channels, 8, 2, 0, bias=False), nn.Tanh()]
        self.body = nn.Sequential(*body)

    def forward(self, noise: Tensor, label: Tensor) -> Tensor:
        """G(c, z)."""
        condition = F.one_hot(label, self.classes).float()
        x = F.relu(self.dense(torch.cat([noise, condition], 1)))
        image: Tensor = self.body(x.view(len(x), -1, 1, 1))
        return image


class Discriminator(nn.Module):
    """Images to the probability of "real" and the logits of the class."""

    def __init__(self, size: int, classes: int, channels: int, width: float) -> None:
        super().__init__()
        before = channels
        body: list[nn.Module] = []
        for number, after in enumerate(round(width * w) for w in (16, 32, 64, 128, 256, 512)):
            halves = number % 2 == 0
            body.append(nn.Conv2d(before, after, 3, *((2, 1) if halves else (1, 0)), bias=False))
            if number:
                body.append(nn.BatchNorm2d(after))
            body += [nn.LeakyReLU(0.2, inplace=True), nn.Dropout(0.5)]
            size = (size + 1) // 2 if halves else size - 2
            before = after
        self.body = nn.Sequential(*body)
        self.source = nn.Linear(before * size**2, 1)
        self.category = nn.Linear(before * size**2, classes)

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """P(S | X) and P(C | X)."""
        x = self.body(image).flatten(1)
        return torch.sigmoid(self.source(x)).squeeze(1), self.category(x)


def trainer(
    images: Tensor,
    labels: Tensor,
    batch_size: int,
    device: torch.device,
    *,
    classes: int,
    width: float = 1.0,
) -> Step:
    """One update of D and one of G a step."""
    size, latent = images.shape[-1], 100
    g = Generator(size, classes, images.shape[1], width, latent).to(device)
    d = Discriminator(size, classes, images.shape[1], width).to(device)
    g.apply(dcgan_weights)
    d.apply(dcgan_weights)
    g_adam = Adam(g.parameters(), lr=2e-4, betas=(0.5, 0.999))
    d_adam = Adam(d.parameters(), lr=2e-4, betas=(0.5, 0.999))
    adversarial, auxiliary = nn.BCELoss(), nn.CrossEntropyLoss()
    data, log = batches([images, labels], batch_size, device), []

    def step() -> None:
        real, label = next(data)
        ones, zeros = torch.ones(len(real), device=device), torch.zeros(len(real), device=device)
        d_adam.zero_grad()
        fake = g(torch.randn(len(real), latent, device=device), label)
        real_source, real_class = d(real)
        fake_source, fake_class = d(fake.detach())
        d_loss = adversarial(real_source, ones) + adversarial(fake_source, zeros)
        d_loss = d_loss + auxiliary(real_class, label) + auxiliary(fake_class, label)
        d_loss.backward()
        d_adam.step()
        g_adam.zero_grad()
        fake_source, fake_class = d(fake)
        g_loss = adversarial(fake_source, ones) + auxiliary(fake_class, label)
        g_loss.backward()
        g_adam.step()
        log.append((d_loss.item(), g_loss.item()))

    return step
