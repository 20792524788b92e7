"""FastGAN (Liu, Zhu, Song, Elgammal 2021, arXiv:2101.04775)."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from benchbed import Batch, DataShape, Losses, Method
from benchbed.nn import adam, normal_init
from benchbed_fastgan.networks import Discriminator, Generator
from benchbed_fastgan.settings import FastGANSettings

MARGIN_LOW = 0.8
"""The margin of the hinge loss is uniform in [0.8, 1] per logit, as in the authors' code."""


def compute_hinge(logits: Tensor, sign: int) -> Tensor:
    """Return the hinge loss with random margins (eq. 3): mean of ``max(0, margin - sign * D)``."""
    margin = MARGIN_LOW + (1 - MARGIN_LOW) * torch.rand_like(logits)
    return F.relu(margin - sign * logits).mean()


class FastGAN(Method[FastGANSettings]):
    """GAN with skip-layer excitation and a self-supervised discriminator, for few images."""

    def build(self, data: DataShape) -> None:
        """Create networks, the average of G, and optimisers."""
        s = self.settings
        self.generator = Generator(s.latent_dim, data.channels, data.size, s.generator_features)
        self.discriminator = Discriminator(data.channels, data.size, s.discriminator_features)
        normal_init(self.generator)
        self.register_ema("generator", s.average_decay)
        betas = (s.beta1, 0.999)
        self.register_optimizers(
            generator=adam(self.generator, s.learning_rate, betas),
            discriminator=adam(self.discriminator, s.learning_rate, betas),
        )

    def training_step(self, batch: Batch, progress: float) -> Losses:
        """Update D on augmented images and their reconstruction, then G (eqs. 3 to 5)."""
        del progress
        fake = self.generator(self.noise(len(batch), self.settings.latent_dim))
        quadrant = int(torch.randint(4, ()))
        real_logits, distance = self.discriminator.judge_and_restore(
            self.augment(batch.image), quadrant
        )
        self.augmentation.observe(real_logits)
        fake_logits = self.discriminator(self.augment(fake.detach()))
        d_loss = compute_hinge(real_logits, 1) + compute_hinge(fake_logits, -1)
        self.update("discriminator", d_loss + self.settings.reconstruction_weight * distance)
        g_loss = -self.discriminator(self.augment(fake)).mean()
        self.update("generator", g_loss)
        self.update_ema("generator")
        return {"discriminator": d_loss, "reconstruction": distance, "generator": g_loss}

    def sample(self, count: int, rng: torch.Generator) -> Batch:
        """Return images of the average of G."""
        noise = self.noise(count, self.settings.latent_dim, rng=rng)
        return Batch(image=self.get_ema("generator")(noise))
