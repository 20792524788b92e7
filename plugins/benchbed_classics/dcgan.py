"""DCGAN (Radford, Metz, Chintala 2016, arXiv:1511.06434)."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from benchbed import Batch, DataShape, Losses, Method
from benchbed.nn import adam, bce_with_target, normal_init
from benchbed_classics.settings import DCGANSettings


def compute_widths(size: int, features: int, max_features: int) -> list[int]:
    """Return the channels of the layers from 4 x 4 px to half the image size."""
    doublings = range(size.bit_length() - 4, -1, -1)
    return [min(features * 2**doubling, max_features) for doubling in doublings]


class Generator(nn.Sequential):
    """Generator: noise ``(B, latent_dim)`` to images ``(B, channels, size, size)`` in [-1, 1].

    Figure 1 of the paper.
    """

    def __init__(
        self, latent_dim: int, channels: int, size: int, features: int, max_features: int
    ) -> None:
        first, *rest = compute_widths(size, features, max_features)
        layers: list[nn.Module] = [
            nn.Unflatten(1, (latent_dim, 1, 1)),
            nn.ConvTranspose2d(latent_dim, first, 4, 1, 0, bias=False),
            nn.BatchNorm2d(first),
            nn.ReLU(inplace=True),
        ]
        for wide, narrow in zip([first, *rest], rest, strict=False):
            layers += [
                nn.ConvTranspose2d(wide, narrow, 4, 2, 1, bias=False),
                nn.BatchNorm2d(narrow),
                nn.ReLU(inplace=True),
            ]
        last = [first, *rest][-1]
        layers += [nn.ConvTranspose2d(last, channels, 4, 2, 1, bias=False), nn.Tanh()]
        super().__init__(*layers)


class Discriminator(nn.Sequential):
    """Discriminator: images ``(B, channels, size, size)`` to logits ``(B,)``.

    `norm` creates the normalisation of the layers between the first and the last.
    """

    def __init__(
        self,
        channels: int,
        size: int,
        features: int,
        max_features: int,
        norm: Callable[[int], nn.Module] = nn.BatchNorm2d,
    ) -> None:
        first, *rest = compute_widths(size, features, max_features)[::-1]
        layers: list[nn.Module] = [
            nn.Conv2d(channels, first, 4, 2, 1, bias=False),
            nn.LeakyReLU(0.2, inplace=True),
        ]
        for narrow, wide in zip([first, *rest], rest, strict=False):
            layers += [
                nn.Conv2d(narrow, wide, 4, 2, 1, bias=False),
                norm(wide),
                nn.LeakyReLU(0.2, inplace=True),
            ]
        last = [first, *rest][-1]
        layers += [nn.Conv2d(last, 1, 4, 1, 0, bias=False), nn.Flatten(0)]
        super().__init__(*layers)


class DCGAN(Method[DCGANSettings]):
    """Deep convolutional GAN."""

    discriminator_losses = ("discriminator",)

    def build(self, data: DataShape) -> None:
        """Create networks and optimisers (section 4: Adam, 2e-4, beta1 of 0.5)."""
        s = self.settings
        self.generator = Generator(
            s.latent_dim, data.channels, data.size, s.features, s.max_features
        )
        self.discriminator = Discriminator(data.channels, data.size, s.features, s.max_features)
        normal_init(self)
        betas = (s.beta1, 0.999)
        self.register_optimizers(
            generator=adam(self.generator, s.learning_rate, betas),
            discriminator=adam(self.discriminator, s.learning_rate, betas),
        )

    def training_step(self, batch: Batch, progress: float) -> Losses:
        """Update the discriminator, then the generator (non-saturating loss)."""
        del progress
        fake = self.generator(self.sample_latent(len(batch)))
        on_real = self.discriminator(self.augment(batch.image))
        on_fake = self.discriminator(self.augment(fake.detach()))
        self.augmentation.observe(on_real)
        d_loss = bce_with_target(on_real, 1.0) + bce_with_target(on_fake, 0.0)
        self.update("discriminator", d_loss)
        g_loss = bce_with_target(self.discriminator(self.augment(fake)), 1.0)
        self.update("generator", g_loss)
        return {"discriminator": d_loss, "generator": g_loss}

    def sample(self, count: int, rng: torch.Generator) -> Batch:
        """Return images from noise."""
        return Batch(image=self.generator(self.sample_latent(count, rng)))

    def sample_latent(self, count: int, rng: torch.Generator | None = None) -> Tensor:
        """Return noise ``(count, latent_dim)``, uniform in [-1, 1] (section 4)."""
        return self.noise(count, self.settings.latent_dim, rng=rng, distribution="uniform")
