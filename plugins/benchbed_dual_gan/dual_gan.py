"""Dual GAN (Guibas, Virdi, Li 2017): noise to mask, mask to photograph."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.optim import Optimizer, RMSprop

from benchbed import Batch, BenchbedError, DataShape, Losses, Method
from benchbed.nn import adam, bce_with_target
from benchbed_dual_gan.geometry import MaskDiscriminator, MaskGenerator, binarize
from benchbed_dual_gan.photorealism import STAGE_TWO_CONFIGS, PhotoDiscriminator, PhotoGenerator
from benchbed_dual_gan.settings import DualGANSettings


class DualGAN(Method[DualGANSettings]):
    """A GAN for the geometry and a conditional GAN for the photorealism, trained in turn."""

    discriminator_losses = ("mask_discriminator", "photo_discriminator")

    def build(self, data: DataShape) -> None:
        """Create the networks and optimisers of both stages.

        Raises:
            BenchbedError: The dataset has no masks.
        """
        s, masks = self.settings, data.mask_channels
        if masks == 0:
            raise BenchbedError(
                "dual-gan needs masks, but this dataset has none. Select a dataset with masks; "
                "`benchbed list datasets` shows them."
            )
        self.tables = STAGE_TWO_CONFIGS[s.stage2]
        self.mask_generator = MaskGenerator(s.latent_dim, masks, data.size, s.mask_features)
        self.mask_discriminator = MaskDiscriminator(masks, data.size, s.mask_features)
        condition = masks * (data.channels if self.tables.reads_mask_as_image else 1)
        self.photo_generator = PhotoGenerator(
            self.tables,
            condition,
            data.channels,
            size=data.size,
            features=s.photo_features,
            dropout=s.dropout,
        )
        self.photo_discriminator = PhotoDiscriminator(
            self.tables, condition + data.channels, s.photo_features
        )
        betas = (s.beta1, 0.999)
        self.register_optimizers(
            mask_generator=adam(self.mask_generator, s.mask_learning_rate, betas),
            mask_discriminator=adam(self.mask_discriminator, s.mask_learning_rate, betas),
            photo_generator=self.create_photo_optimizer(self.photo_generator),
            photo_discriminator=self.create_photo_optimizer(self.photo_discriminator),
        )

    def create_photo_optimizer(self, network: torch.nn.Module) -> Optimizer:
        """Return Adam for vess2ret, RMSProp for the authors' code."""
        rate = self.settings.photo_learning_rate or self.tables.learning_rate
        if self.settings.stage2 == "paper":
            return adam(network, rate, (self.settings.beta1, 0.999))
        return RMSprop(network.parameters(), rate, alpha=0.9)

    def training_step(self, batch: Batch, progress: float) -> Losses:
        """Train stage I on masks for its share of the budget, then stage II on pairs."""
        assert batch.mask is not None
        if progress < self.settings.stage1_share:
            return self.train_geometry(batch.mask)
        return self.train_photorealism(batch.image, batch.mask)

    def train_geometry(self, mask: Tensor) -> Losses:
        """Update D of stage I once and G twice on the same noise (section 6)."""
        noise = self.sample_latent(len(mask))
        fake = self.mask_generator(noise)
        d_loss = bce_with_target(self.mask_discriminator(mask), 1.0) + bce_with_target(
            self.mask_discriminator(fake.detach()), 0.0
        )
        self.update("mask_discriminator", d_loss)
        for step in range(self.settings.generator_steps):
            # The first update can reuse D's fakes: G has not changed since.
            fake = fake if step == 0 else self.mask_generator(noise)
            g_loss = bce_with_target(self.mask_discriminator(fake), 1.0)
            self.update("mask_generator", g_loss)
        return {"mask_discriminator": d_loss, "mask_generator": g_loss}

    def train_photorealism(self, image: Tensor, mask: Tensor) -> Losses:
        """Update D and G of stage II on pairs (section 7)."""
        weight = self.settings.l1_weight
        weight = self.tables.l1_weight if weight is None else weight
        fake = self.render_photo(mask)
        d_loss = bce_with_target(self.score_patches(image, mask), 1.0) + bce_with_target(
            self.score_patches(fake.detach(), mask), 0.0
        )
        self.update("photo_discriminator", d_loss)
        adversarial = bce_with_target(self.score_patches(fake, mask), 1.0)
        l1 = F.l1_loss(fake, image)
        self.update("photo_generator", adversarial + weight * l1)
        return {"photo_discriminator": d_loss, "photo_generator": adversarial, "photo_l1": l1}

    def encode_mask(self, mask: Tensor) -> Tensor:
        """Encode masks in {-1, 1} as input of stage II."""
        if self.tables.reads_mask_as_image:
            return mask.repeat(1, self.data.channels, 1, 1)
        return (mask + 1) / 2

    def render_photo(self, mask: Tensor) -> Tensor:
        """Return G(z, y); z is the dropout during training."""
        photo: Tensor = self.photo_generator(self.encode_mask(mask))
        return photo

    def score_patches(self, image: Tensor, mask: Tensor) -> Tensor:
        """Return the logits D(x, y) of patches."""
        logits: Tensor = self.photo_discriminator(torch.cat([self.encode_mask(mask), image], 1))
        return logits

    def sample_latent(self, count: int, rng: torch.Generator | None = None) -> Tensor:
        """Return noise ``(count, latent_dim)``, uniform in [-1, 1]."""
        return self.noise(count, self.settings.latent_dim, rng=rng, distribution="uniform")

    def sample(self, count: int, rng: torch.Generator) -> Batch:
        """Return pairs: noise to mask, mask to photograph (section 4)."""
        generated = self.mask_generator(self.sample_latent(count, rng))
        mask = binarize(generated, self.settings.threshold)
        return Batch(image=self.render_photo(mask), mask=mask)

    def synthesize(self, mask: Tensor, rng: torch.Generator) -> Tensor:
        """Return photographs of the given masks (stage II only)."""
        del rng
        return self.render_photo(mask)
