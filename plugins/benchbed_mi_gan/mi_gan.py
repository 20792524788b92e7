"""MI-GAN (Iqbal & Ali 2018): images from vessel masks and noise."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from benchbed import Batch, DataShape, Losses, Method
from benchbed.nn import adam, bce_with_target
from benchbed_mi_gan.mask_store import MaskStore
from benchbed_mi_gan.networks import Discriminator, Generator
from benchbed_mi_gan.settings import MIGANSettings
from benchbed_mi_gan.style import StyleLoss


class MIGAN(Method[MIGANSettings]):
    """MI-GAN: images from masks; G is updated twice as often as D."""

    discriminator_losses = ("discriminator",)

    def build(self, data: DataShape) -> None:
        """Create G and D (figures 2 and 3), their optimisers and the mask store."""
        s = self.settings
        self.generator = Generator(
            s.latent_dim, data.mask_channels, data.channels, data.size, s.features
        )
        self.discriminator = Discriminator(
            data.channels + data.mask_channels, data.size, s.discriminator_features
        )
        self.masks = MaskStore(s.stored_masks, data.mask_channels, *data.spatial)
        self.style = StyleLoss(s) if s.loss == "style" else None
        betas = (s.beta1, 0.999)
        self.register_optimizers(
            generator=adam(self.generator, s.learning_rate, betas),
            discriminator=adam(self.discriminator, s.learning_rate, betas),
        )

    def training_step(self, batch: Batch, progress: float) -> Losses:
        """Update D by eq. 4, then G twice by eq. 3, each time with new noise."""
        del progress
        image, mask = batch.image, batch.mask
        assert mask is not None  # the spec requires masks
        if self.style is not None:
            self.style.prepare_network(
                image.device
            )  # fails before the first update if weights are missing
        self.masks.add(mask)
        with torch.no_grad():
            fake = self.generator(mask, self.sample_latent(len(batch)))
        d_loss = bce_with_target(self.discriminator(image, mask), 1.0) + bce_with_target(
            self.discriminator(fake, mask), 0.0
        )
        self.update("discriminator", d_loss)
        for _ in range(self.settings.generator_updates):
            fake = self.generator(mask, self.sample_latent(len(batch)))
            adversarial = bce_with_target(self.discriminator(fake, mask), 1.0)
            deviation, terms = self.compute_deviation(fake, batch)
            self.update("generator", adversarial + deviation)
        return {"discriminator": d_loss, "adversarial": adversarial, **terms}

    def compute_deviation(self, fake: Tensor, batch: Batch) -> tuple[Tensor, Losses]:
        """Return lambda L_DEV (eq. 2), or L_ST (eq. 11), and its terms for the log."""
        if self.style is not None:
            return self.style(fake, batch.image, batch.fov)
        l1 = F.l1_loss(fake, batch.image)
        return self.settings.l1_weight * l1, {"l1": l1}

    def synthesize(self, mask: Tensor, rng: torch.Generator) -> Tensor:
        """Return an image for each mask."""
        image: Tensor = self.generator(mask, self.sample_latent(len(mask), rng))
        return image

    def sample(self, count: int, rng: torch.Generator) -> Batch:
        """Return pairs of a training mask and an image generated for it."""
        mask = self.masks.sample_masks(count, rng).to(self.device)
        return Batch(image=self.synthesize(mask, rng), mask=mask)

    def sample_latent(self, count: int, rng: torch.Generator | None = None) -> Tensor:
        """Return noise ``(count, latent_dim)``: weak in training, full in evaluation (with rng)."""
        s = self.settings
        std = s.training_noise if rng is None else s.sampling_noise
        return self.noise(count, s.latent_dim, rng=rng, std=std)
