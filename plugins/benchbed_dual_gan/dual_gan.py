"""Dual GAN (Guibas, Virdi, Li 2017): noise to mask, mask to photograph."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.optim import Optimizer, RMSprop

from benchbed import Batch, BenchbedError, DataShape, Losses, Method
from benchbed.nn import adam, bce_with_target
from benchbed_dual_gan.geometry import MaskDiscriminator, MaskGenerator, binarize
from benchbed_dual_gan.photorealism import TABLES, PhotoDiscriminator, PhotoGenerator
from benchbed_dual_gan.settings import DualGANSettings


class DualGAN(Method[DualGANSettings]):
    """A GAN for the geometry, a conditional GAN for the photorealism, one after the other."""

    def build(self, data: DataShape) -> None:
        """Both stages' networks and their optimisers.

        Raises:
            BenchbedError: The data have no masks.
        """
        s, masks = self.settings, data.mask_channels
        if masks == 0:
            raise BenchbedError(
                "dual-gan needs masks, but this dataset has none. Select a dataset with masks; "
                "`benchbed list datasets` shows them."
            )
        self.tables = TABLES[s.stage2]
        self.mask_generator = MaskGenerator(s.latent_dim, masks, data.size, s.mask_features)
        self.mask_discriminator = MaskDiscriminator(masks, data.size, s.mask_features)
        condition = masks * (data.channels if self.tables.mask_as_picture else 1)
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
        self.optimize(
            mask_generator=adam(self.mask_generator, s.mask_learning_rate, betas),
            mask_discriminator=adam(self.mask_discriminator, s.mask_learning_rate, betas),
            photo_generator=self.photo_optimizer(self.photo_generator),
            photo_discriminator=self.photo_optimizer(self.photo_discriminator),
        )

    def photo_optimizer(self, network: torch.nn.Module) -> Optimizer:
        """Adam in vess2ret, RMSProp in the authors' code."""
        rate = self.settings.photo_learning_rate or self.tables.learning_rate
        if self.settings.stage2 == "paper":
            return adam(network, rate, (self.settings.beta1, 0.999))
        return RMSprop(network.parameters(), rate, alpha=0.9)

    def training_step(self, batch: Batch, progress: float) -> Losses:
        """Stage I on masks alone, for its share of the budget; then stage II on pairs."""
        assert batch.mask is not None
        if progress < self.settings.stage1_share:
            return self.learn_geometry(batch.mask)
        return self.learn_photorealism(batch.image, batch.mask)

    def learn_geometry(self, mask: Tensor) -> Losses:
        """Stage I, section 6: one update of D, two of G on the same noise."""
        noise = self.draw_noise(len(mask))
        fake = self.mask_generator(noise)
        d_loss = bce_with_target(self.mask_discriminator(mask), 1.0) + bce_with_target(
            self.mask_discriminator(fake.detach()), 0.0
        )
        self.update("mask_discriminator", d_loss)
        for step in range(self.settings.generator_steps):
            # D's fakes serve G's first update: G has not changed since.
            fake = fake if step == 0 else self.mask_generator(noise)
            g_loss = bce_with_target(self.mask_discriminator(fake), 1.0)
            self.update("mask_generator", g_loss)
        return {"mask_discriminator": d_loss, "mask_generator": g_loss}

    def learn_photorealism(self, image: Tensor, mask: Tensor) -> Losses:
        """Stage II, section 7: one update of D, one of G, on pairs."""
        weight = self.settings.l1_weight
        weight = self.tables.l1_weight if weight is None else weight
        fake = self.render(mask)
        d_loss = bce_with_target(self.judge(image, mask), 1.0) + bce_with_target(
            self.judge(fake.detach(), mask), 0.0
        )
        self.update("photo_discriminator", d_loss)
        adversarial = bce_with_target(self.judge(fake, mask), 1.0)
        l1 = F.l1_loss(fake, image)
        self.update("photo_generator", adversarial + weight * l1)
        return {"photo_discriminator": d_loss, "photo_generator": adversarial, "photo_l1": l1}

    def condition(self, mask: Tensor) -> Tensor:
        """Masks in {-1, 1} as stage II reads them."""
        if self.tables.mask_as_picture:
            return mask.repeat(1, self.data.channels, 1, 1)
        return (mask + 1) / 2

    def render(self, mask: Tensor) -> Tensor:
        """G(z, y); z is the dropout while training."""
        photo: Tensor = self.photo_generator(self.condition(mask))
        return photo

    def judge(self, image: Tensor, mask: Tensor) -> Tensor:
        """D(x, y), patch by patch."""
        logits: Tensor = self.photo_discriminator(torch.cat([self.condition(mask), image], 1))
        return logits

    def draw_noise(self, count: int, rng: torch.Generator | None = None) -> Tensor:
        """``(count, latent_dim)``, uniform in [-1, 1]."""
        return self.noise(count, self.settings.latent_dim, rng=rng, distribution="uniform")

    def sample(self, count: int, rng: torch.Generator) -> Batch:
        """Section 4: noise to mask, mask to photograph."""
        drawn = self.mask_generator(self.draw_noise(count, rng))
        mask = binarize(drawn, self.settings.threshold)
        return Batch(image=self.render(mask), mask=mask)

    def synthesize(self, mask: Tensor, rng: torch.Generator) -> Tensor:
        """Stage II alone."""
        del rng
        return self.render(mask)
