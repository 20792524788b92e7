"""WGAN-GP (Gulrajani, Ahmed, Arjovsky, Dumoulin, Courville 2017, arXiv:1704.00028)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from benchbed import Batch, DataShape, Losses, Method
from benchbed.nn import adam, gradient_penalty, normal_init, wasserstein_critic
from benchbed_classics.dcgan import Discriminator, Generator
from benchbed_classics.settings import WGANGPSettings


def build_layer_norm(width: int) -> nn.Module:
    """Return layer normalisation over channels and positions, with gain and bias per channel."""
    return nn.GroupNorm(1, width)


class WGANGP(Method[WGANGPSettings]):
    """Wasserstein GAN with gradient penalty."""

    def build(self, data: DataShape) -> None:
        """Create DCGAN's networks, the critic without batch normalisation (section 4), and Adam."""
        s = self.settings
        self.generator = Generator(
            s.latent_dim, data.channels, data.size, s.features, s.max_features
        )
        norm = build_layer_norm if s.critic_norm == "layer" else nn.Identity
        self.critic = Discriminator(data.channels, data.size, s.features, s.max_features, norm)
        normal_init(self)
        self.register_optimizers(
            generator=adam(self.generator, s.learning_rate, s.betas),
            critic=adam(self.critic, s.learning_rate, s.betas),
        )

    def training_step(self, batch: Batch, progress: float) -> Losses:
        """Update the critic (algorithm 1, lines 3 to 9), and G every n-th step (lines 11, 12).

        The reported generator loss uses the critic's noise, so that every step has one.
        """
        del progress
        s, real = self.settings, self.augment(batch.image)
        with torch.no_grad():
            fake = self.augment(self.generator(self.sample_latent(len(batch))))
        on_real, on_fake = self.critic(real), self.critic(fake)
        self.augmentation.observe(on_real, on_fake)
        penalty = gradient_penalty(self.critic, real, fake)
        c_loss = wasserstein_critic(on_real, on_fake) + s.penalty_weight * penalty
        self.update("critic", c_loss)
        if self.updates["critic"] % s.critic_steps == 0:
            fake = self.generator(self.sample_latent(len(batch)))
            self.update("generator", -self.critic(self.augment(fake)).mean())
        return {"critic": c_loss, "generator": -on_fake.mean(), "penalty": penalty}

    def sample(self, count: int, rng: torch.Generator) -> Batch:
        """Return images from noise."""
        return Batch(image=self.generator(self.sample_latent(count, rng)))

    def sample_latent(self, count: int, rng: torch.Generator | None = None) -> Tensor:
        """Return noise ``(count, latent_dim)``, N(0, 1)."""
        return self.noise(count, self.settings.latent_dim, rng=rng)
