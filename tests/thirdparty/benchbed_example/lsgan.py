"""A tiny least-squares GAN (Mao et al. 2017)."""

import time

import torch
from torch import nn

from benchbed import Batch, DataShape, Losses, Method
from benchbed.nn import adam
from benchbed_example.settings import LSGANSettings

LATENT = 16


class LSGAN(Method[LSGANSettings]):
    """Least-squares GAN with an averaged generator and dropout in its discriminator."""

    def build(self, data: DataShape) -> None:
        w, quarter = self.settings.width, data.size // 4
        self.generator = nn.Sequential(
            nn.Linear(LATENT, w * quarter**2),
            nn.Unflatten(1, (w, quarter, quarter)),
            nn.Identity() if self.settings.plain else nn.BatchNorm2d(w),
            nn.ReLU(),
            nn.ConvTranspose2d(w, w, 4, 2, 1),
            nn.ReLU(),
            nn.ConvTranspose2d(w, data.channels, 4, 2, 1),
            nn.Tanh(),
        )
        self.discriminator = nn.Sequential(
            nn.Conv2d(data.channels, w, 4, 2, 1),
            nn.LeakyReLU(0.2),
            nn.Dropout2d(0.0 if self.settings.plain else 0.2),
            nn.Conv2d(w, 1, quarter * 2),
            nn.Flatten(0),
        )
        self.register_ema("generator", 0.9)
        rate = self.settings.learning_rate
        self.register_optimizers(
            generator=adam(self.generator, rate), discriminator=adam(self.discriminator, rate)
        )

    def training_step(self, batch: Batch, progress: float) -> Losses:
        """Train one step with equation 2 of the paper and targets 0 and 1."""
        time.sleep(self.settings.step_ms / 1000)
        if self.steps == self.settings.fail_at:
            raise ValueError("the plugin has a bug")
        fake = self.generator(self.noise(len(batch), LATENT))
        real_score = self.discriminator(self.augment(batch.image))
        self.augmentation.observe(real_score - 0.5)
        d_loss = (real_score - 1).square().mean() + self.discriminator(
            self.augment(fake.detach())
        ).square().mean()
        self.update("discriminator", d_loss)
        g_loss = (self.discriminator(self.augment(fake)) - 1).square().mean()
        self.update("generator", g_loss)
        self.update_ema("generator")
        if self.steps == self.settings.nan_at:
            g_loss = g_loss * float("nan")
        return {"discriminator": d_loss, "generator": g_loss}

    def sample(self, count: int, rng: torch.Generator) -> Batch:
        """Sample from the averaged generator."""
        return Batch(image=self.get_ema("generator")(self.noise(count, LATENT, rng=rng)))
