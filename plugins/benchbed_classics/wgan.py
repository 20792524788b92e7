"""WGAN (Arjovsky, Chintala, Bottou 2017, arXiv:1701.07875)."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.optim import RMSprop

from benchbed import Batch, DataShape, Losses, Method
from benchbed.nn import normal_init, wasserstein_critic
from benchbed_classics.dcgan import Discriminator, Generator
from benchbed_classics.settings import WGANSettings


def count_due_updates(generator_updates: int, settings: WGANSettings) -> int:
    """Return the total number of critic updates due before the next generator update.

    Args:
        generator_updates: Completed generator updates.
        settings: Critic updates per generator update.
    """
    s, number = settings, generator_updates
    long = min(number + 1, s.warmup_updates)
    if s.long_every:
        first = (s.warmup_updates - 1) // s.long_every
        long += max(0, number // s.long_every - first)
    return s.critic_steps * (number + 1 - long) + s.long_critic_steps * long


class WGAN(Method[WGANSettings]):
    """Wasserstein GAN with weight clipping."""

    def build(self, data: DataShape) -> None:
        """Create DCGAN's networks, with a critic without sigmoid (section 4.1), and RMSProp."""
        s = self.settings
        self.generator = Generator(
            s.latent_dim, data.channels, data.size, s.features, s.max_features
        )
        self.critic = Discriminator(data.channels, data.size, s.features, s.max_features)
        normal_init(self)
        self.clip_weights()
        self.register_optimizers(
            generator=RMSprop(self.generator.parameters(), s.learning_rate, foreach=True),
            critic=RMSprop(self.critic.parameters(), s.learning_rate, foreach=True),
        )

    def training_step(self, batch: Batch, progress: float) -> Losses:
        """Update the critic (algorithm 1, lines 3 to 6), and G when due (lines 9 to 11).

        The reported generator loss uses the critic's noise, so that every step has one.
        """
        del progress
        with torch.no_grad():
            fake = self.generator(self.sample_latent(len(batch)))
        on_real = self.critic(self.augment(batch.image))
        on_fake = self.critic(self.augment(fake))
        self.augmentation.observe(on_real, on_fake)
        c_loss = wasserstein_critic(on_real, on_fake)
        self.update("critic", c_loss)
        self.clip_weights()
        if self.updates["critic"] == count_due_updates(self.updates["generator"], self.settings):
            fake = self.generator(self.sample_latent(len(batch)))
            self.update("generator", -self.critic(self.augment(fake)).mean())
        return {"critic": c_loss, "generator": -on_fake.mean()}

    @torch.no_grad()
    def clip_weights(self) -> None:
        """Clip every parameter of the critic to [-c, c] (line 7)."""
        for parameter in self.critic.parameters():
            parameter.clamp_(-self.settings.clip, self.settings.clip)

    def sample(self, count: int, rng: torch.Generator) -> Batch:
        """Return images from noise."""
        return Batch(image=self.generator(self.sample_latent(count, rng)))

    def sample_latent(self, count: int, rng: torch.Generator | None = None) -> Tensor:
        """Return noise ``(count, latent_dim)``, N(0, 1)."""
        return self.noise(count, self.settings.latent_dim, rng=rng)
