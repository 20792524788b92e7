"""PGGAN (Karras, Aila, Laine, Lehtinen 2018, arXiv:1710.10196)."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from benchbed import Batch, BenchbedError, DataShape, Losses, Method
from benchbed.nn import (
    GrowthState,
    ProgressiveDiscriminator,
    ProgressiveGenerator,
    ProgressiveSchedule,
    adam,
    blend_reals,
    progressive_penalty,
    wasserstein_critic,
)
from benchbed_classics.settings import PGGANSettings


def select_level_weights(weights: tuple[float, ...], levels: int) -> tuple[float, ...]:
    """Return the weights of the last levels; if the first is 0, levels before it have 0 too."""
    chosen = weights[-levels:]
    missing = levels - len(chosen) if chosen and chosen[0] == 0 else 0
    return (*[0.0] * missing, *chosen)


class PGGAN(Method[PGGANSettings]):
    """Progressive growing of GANs."""

    def build(self, data: DataShape) -> None:
        """Create networks (table 2), schedule, optimisers and EMA generator (appendix A.1)."""
        s = self.settings
        try:
            self.generator = ProgressiveGenerator(
                s.latent_dim, data.size, data.channels, s.base, s.max_channels
            )
            self.discriminator = ProgressiveDiscriminator(
                data.size, data.channels, s.base, s.max_channels
            )
            levels = self.generator.levels
            weights = select_level_weights(s.level_weights, levels)
            schedule = ProgressiveSchedule(levels, weights, s.level_fade)
        except ValueError as error:
            raise BenchbedError(
                f"pggan does not support {data.size} px with these settings: {error}. Run "
                "`benchbed show pggan` for details."
            ) from error
        self.growth = GrowthState(schedule)
        self.register_ema("generator", s.average_decay)
        self.register_optimizers(
            generator=adam(self.generator, s.learning_rate, s.betas),
            discriminator=adam(self.discriminator, s.learning_rate, s.betas),
        )

    def training_step(self, batch: Batch, progress: float) -> Losses:
        """Update the discriminator, then the generator, at the current resolution."""
        previous_level = self.growth.level
        if self.growth.advance(progress):
            self.reset_optimizer("generator")
            self.reset_optimizer("discriminator")
        if self.growth.level > previous_level:
            self.restart_ema("generator")
        level, alpha = self.growth.level, self.growth.alpha
        real = blend_reals(batch.image, level, alpha, self.growth.level_count)
        noise = self.noise(len(batch), self.settings.latent_dim)
        fake = self.generator(noise, level, alpha)
        d_loss = self.compute_discriminator_loss(
            self.augment(real), self.augment(fake.detach()), level, alpha
        )
        self.update("discriminator", d_loss)
        g_loss = -self.discriminator(self.augment(fake), level, alpha).mean()
        self.update("generator", g_loss)
        self.update_ema("generator")
        return {"discriminator": d_loss, "generator": g_loss}

    def compute_discriminator_loss(
        self, real: Tensor, fake: Tensor, level: int, alpha: float
    ) -> Tensor:
        """Return the WGAN-GP loss with drift: L' = L + epsilon_drift E[D(x)^2] (appendix A.1)."""
        s = self.settings
        on_real = self.discriminator(real, level, alpha)
        on_fake = self.discriminator(fake, level, alpha)
        self.augmentation.observe(on_real, on_fake)
        penalty = progressive_penalty(self.discriminator, real, fake, level, alpha)
        drift = on_real.square().mean()
        distance = wasserstein_critic(on_real, on_fake)
        loss: Tensor = distance + s.penalty_weight * penalty + s.drift_weight * drift
        return loss

    def sample(self, count: int, rng: torch.Generator) -> Batch:
        """Return images of the EMA generator, upscaled while the networks still grow."""
        noise = self.noise(count, self.settings.latent_dim, rng=rng)
        image = self.get_ema("generator")(noise, self.growth.level, self.growth.alpha)
        return Batch(image=F.interpolate(image.clamp(-1, 1), size=self.data.size, mode="nearest"))
