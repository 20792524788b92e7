"""LSGAN (Mao et al. 2017): least squares instead of cross-entropy."""

import torch
from benchbed import Batch, DataShape, Losses, Method
from benchbed.nn import adam

from benchbed_lsgan.networks import Discriminator, Generator
from benchbed_lsgan.settings import Settings


def least_squares(scores: torch.Tensor, label: float) -> torch.Tensor:
    """Return half the mean squared distance of scores ``(B,)`` from a label (terms of eq. 2)."""
    return 0.5 * (scores - label).square().mean()


class LSGAN(Method[Settings]):
    """Least squares generative adversarial network."""

    def build(self, data: DataShape) -> None:
        """Create the networks and their optimisers."""
        s = self.settings
        self.generator = Generator(s.latent_dim, data.channels, data.size, s.features)
        self.discriminator = Discriminator(data.channels, data.size, s.features)
        self.register_optimizers(
            generator=adam(self.generator, s.learning_rate, s.betas),
            discriminator=adam(self.discriminator, s.learning_rate, s.betas),
        )

    def training_step(self, batch: Batch, progress: float) -> Losses:
        """Update D with targets b (real) and a (fake), then G with target c (eq. 2)."""
        a, b, c = self.settings.labels
        fake = self.generator(self.draw_noise(len(batch)))
        on_real, on_fake = self.discriminator(batch.image), self.discriminator(fake.detach())
        d_loss = least_squares(on_real, b) + least_squares(on_fake, a)
        self.update("discriminator", d_loss)
        g_loss = least_squares(self.discriminator(fake), c)
        self.update("generator", g_loss)
        return {"discriminator": d_loss, "generator": g_loss}

    def sample(self, count: int, rng: torch.Generator) -> Batch:
        """Return images generated from noise."""
        return Batch(image=self.generator(self.draw_noise(count, rng)))

    def draw_noise(self, count: int, rng: torch.Generator | None = None) -> torch.Tensor:
        """Return noise ``(count, latent_dim)``, uniform in [-1, 1] (authors' code)."""
        return self.noise(count, self.settings.latent_dim, rng=rng, distribution="uniform")
