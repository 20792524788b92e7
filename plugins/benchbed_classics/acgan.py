"""ACGAN (Odena, Olah, Shlens 2017, arXiv:1610.09585)."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from benchbed import Batch, BenchbedError, DataShape, Losses, Method
from benchbed.nn import adam, bce_with_target, normal_init
from benchbed_classics.settings import ACGANSettings

PAPER_SIZE = 128

GENERATOR_WIDTHS = (768, 384, 256, 192, 64)
"""Channels from the noise onwards, at 1, 5, 13, 29 and 61 px (appendix A)."""

DISCRIMINATOR_WIDTHS = (16, 32, 64, 128, 256, 512)
"""Channels from the image onwards; every other layer halves the size (appendix A)."""


def count_doublings(size: int) -> int:
    """Return how many times `size` doubles the paper's; negative if smaller."""
    return size.bit_length() - PAPER_SIZE.bit_length()


class Generator(nn.Module):
    """Generator: noise and class to images ``(B, channels, size, size)`` in [-1, 1].

    Appendix A, table 1: unpadded 5 x 5 layers from 1 px to size / 2 - 3, then an 8 x 8 layer.
    Smaller images use the first of the paper's layers, larger ones repeat the last of them.
    """

    class_counts: Tensor

    def __init__(
        self, latent_dim: int, classes: int, channels: int, size: int, width: float
    ) -> None:
        super().__init__()
        steps = count_doublings(size)
        paper = GENERATOR_WIDTHS[: len(GENERATOR_WIDTHS) + min(steps, 0)]
        widths = [round(width * w) for w in (*paper, *[paper[-1]] * max(steps, 0))]
        self.classes = classes
        layers: list[nn.Module] = [
            nn.Linear(latent_dim + classes, widths[0]),
            nn.ReLU(inplace=True),
            nn.Unflatten(1, (widths[0], 1, 1)),
        ]
        for wide, narrow in pairwise(widths):
            layers += [
                nn.ConvTranspose2d(wide, narrow, 5, 2, bias=False),
                nn.BatchNorm2d(narrow),
                nn.ReLU(inplace=True),
            ]
        layers += [nn.ConvTranspose2d(widths[-1], channels, 8, 2, bias=False), nn.Tanh()]
        self.body = nn.Sequential(*layers)
        # Number of training images per class: samples draw their classes from this p_c.
        self.register_buffer("class_counts", torch.zeros(classes, dtype=torch.int64))

    def forward(self, noise: Tensor, label: Tensor) -> Tensor:
        """Return G(c, z) for noise ``(B, latent_dim)`` and labels ``(B,)``."""
        condition = F.one_hot(label, self.classes).to(noise.dtype)
        image: Tensor = self.body(torch.cat([noise, condition], 1))
        return image


class Discriminator(nn.Module):
    """Discriminator: images to logits of P(S | X), ``(B,)``, and P(C | X), ``(B, classes)``.

    Appendix A, table 1: pairs of 3 x 3 layers, the first with stride 2, the second unpadded,
    all with dropout. Above the paper's size there is one more pair per doubling.
    """

    def __init__(
        self, classes: int, channels: int, size: int, width: float, dropout: float
    ) -> None:
        super().__init__()
        extra = 2 * max(count_doublings(size), 0)
        paper = (*DISCRIMINATOR_WIDTHS, *[DISCRIMINATOR_WIDTHS[-1]] * extra)
        widths = [channels, *[round(width * w) for w in paper]]
        layers: list[nn.Module] = []
        for number, (in_channels, out_channels) in enumerate(pairwise(widths)):
            stride, padding = (2, 1) if number % 2 == 0 else (1, 0)
            layers += [
                nn.Conv2d(in_channels, out_channels, 3, stride, padding, bias=False),
                nn.BatchNorm2d(out_channels) if number else nn.Identity(),
                nn.LeakyReLU(0.2, inplace=True),
                nn.Dropout(dropout),
            ]
            size = (size + 1) // 2 if stride == 2 else size - 2
        self.body = nn.Sequential(*layers, nn.Flatten())
        self.source = nn.Linear(widths[-1] * size**2, 1)
        self.category = nn.Linear(widths[-1] * size**2, classes)

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """Return the logits of real against generated, and of the classes."""
        features = self.body(image)
        return self.source(features).squeeze(1), self.category(features)


class ACGAN(Method[ACGANSettings]):
    """Auxiliary classifier GAN."""

    discriminator_losses = ("discriminator",)

    def build(self, data: DataShape) -> None:
        """Create networks and optimisers (appendix A); unlabelled data count as one class."""
        s = self.settings
        self.classes = max(1, data.classes)
        self.generator = Generator(
            s.latent_dim, self.classes, data.channels, data.size, s.generator_width
        )
        self.discriminator = Discriminator(
            self.classes, data.channels, data.size, s.discriminator_width, s.dropout
        )
        normal_init(self)
        betas = (s.beta1, 0.999)
        self.register_optimizers(
            generator=adam(self.generator, s.learning_rate, betas),
            discriminator=adam(self.discriminator, s.learning_rate, betas),
        )

    def training_step(self, batch: Batch, progress: float) -> Losses:
        """Update D, which maximises L_S + L_C, then G, which maximises L_C - L_S."""
        del progress
        label = self.get_labels(batch)
        self.generator.class_counts.index_add_(0, label, torch.ones_like(label))
        # The labels of a batch are already a sample from p_c.
        fake = self.generator(self.noise(len(batch), self.settings.latent_dim), label)
        real_source, real_class = self.discriminator(self.augment(batch.image))
        fake_source, fake_class = self.discriminator(self.augment(fake.detach()))
        self.augmentation.observe(real_source)
        l_s = -bce_with_target(real_source, 1.0) - bce_with_target(fake_source, 0.0)
        l_c = -F.cross_entropy(real_class, label) - F.cross_entropy(fake_class, label)
        self.update("discriminator", -(l_s + l_c))
        fake_source, fake_class = self.discriminator(self.augment(fake))
        # Non-saturating: G maximises log P(S = real) instead of minimising log P(S = fake).
        g_loss = bce_with_target(fake_source, 1.0) + F.cross_entropy(fake_class, label)
        self.update("generator", g_loss)
        return {"discriminator": -l_s, "classification": -l_c, "generator": g_loss}

    def get_labels(self, batch: Batch) -> Tensor:
        """Return the class of each image, ``(B,)``; 0 for unlabelled datasets.

        Raises:
            BenchbedError: The dataset has classes but an image of the batch has no label.
        """
        if self.classes == 1:
            return torch.zeros(len(batch), dtype=torch.int64, device=batch.image.device)
        if batch.label is None:
            raise BenchbedError(
                f"acgan needs a label for every image because this dataset has {self.classes} "
                "classes, but some images have none. Run `benchbed data verify` for details."
            )
        return batch.label

    def sample(self, count: int, rng: torch.Generator) -> Batch:
        """Return images from noise; classes are as frequent as in the training images."""
        noise = self.noise(count, self.settings.latent_dim, rng=rng)
        counts = self.generator.class_counts.cpu().float()
        weights = counts if counts.any() else torch.ones_like(counts)
        label = torch.multinomial(weights, count, replacement=True, generator=rng)
        label = label.to(self.device)
        return Batch(image=self.generator(noise, label), label=label)
