"""SkrGAN (Zhang et al. 2019): noise to sketch, sketch to image."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from benchbed import Batch, DataShape, DerivedArray, Losses, Method
from benchbed.nn import (
    GrowthState,
    PatchDiscriminator,
    ProgressiveDiscriminator,
    ProgressiveGenerator,
    ProgressiveSchedule,
    UNetGenerator,
    adam,
    bce_with_target,
    blend_reals,
    mask_above_otsu,
    progressive_penalty,
    wasserstein_critic,
)
from benchbed_skrgan.settings import SkrGANSettings
from benchbed_skrgan.sketch import compute_sketch


class SketchGenerator(nn.Module):
    """G_S: noise, multiplied by a latent code, to a sketch (eq. 1: z (.) l)."""

    def __init__(self, settings: SkrGANSettings, size: int, start: int) -> None:
        super().__init__()
        learned = settings.latent_code == "learned"
        self.code = nn.Parameter(torch.ones(settings.latent_dim)) if learned else None
        self.backbone = ProgressiveGenerator(
            settings.latent_dim, size, 1, settings.base, settings.max_channels, start=start
        )

    def forward(self, noise: Tensor, level: int, alpha: float) -> Tensor:
        """Map ``(B, latent_dim)`` to ``(B, 1, s, s)`` at the size of `level`."""
        code = noise if self.code is None else noise * self.code
        sketch: Tensor = self.backbone(code, level, alpha)
        return sketch


class SkrGAN(Method[SkrGANSettings]):
    """Sketching-rendering unconditional GAN."""

    @classmethod
    def get_derived_arrays(cls, settings: SkrGANSettings) -> dict[str, DerivedArray]:
        """Return the rule for sketches of the training images (section 2.1)."""
        parameters = {
            "sigma": settings.sketch_sigma,
            "area": settings.sketch_area,
            "morph": settings.sketch_morph,
            "ceiling": settings.sketch_ceiling,
        }
        return {"sketch": DerivedArray(compute_sketch, parameters, settings.sketch_size)}

    def build(self, data: DataShape) -> None:
        """Create G_S and D_S (section 2.2), G_P and D_P (section 2.3), and their optimisers."""
        s = self.settings
        levels = data.size.bit_length() - 2
        schedule = ProgressiveSchedule(levels, s.level_weights[-levels:], s.level_fade)
        self.growth = GrowthState(schedule)
        self.discriminator_losses = ("render_discriminator",)
        if s.sketch_loss == "bce":
            self.discriminator_losses += ("sketch_discriminator",)
        self.sketch_generator = SketchGenerator(s, data.size, schedule.start_level)
        self.sketch_discriminator = ProgressiveDiscriminator(
            data.size, 1, s.base, s.max_channels, start=schedule.start_level
        )
        self.register_ema("sketch_generator", s.average_decay)
        self.renderer = UNetGenerator(
            1,
            data.channels,
            data.size,
            base=s.renderer_features,
            max_channels=8 * s.renderer_features,
            dropout=s.renderer_dropout,
        )
        self.render_discriminator = PatchDiscriminator(data.channels + 1, s.renderer_features)
        betas = (s.renderer_beta1, 0.999)
        self.register_optimizers(
            sketch_generator=adam(self.sketch_generator, s.sketch_learning_rate, s.sketch_betas),
            sketch_discriminator=adam(
                self.sketch_discriminator, s.sketch_learning_rate, s.sketch_betas
            ),
            renderer=adam(self.renderer, s.renderer_learning_rate, betas),
            render_discriminator=adam(self.render_discriminator, s.renderer_learning_rate, betas),
        )

    def training_step(self, batch: Batch, progress: float) -> Losses:
        """Train sketch guidance and colour rendering in parallel on the same images (eq. 3)."""
        previous_level = self.growth.level
        if self.growth.advance(progress):
            self.reset_optimizer("sketch_generator")
            self.reset_optimizer("sketch_discriminator")
        if self.growth.level > previous_level:
            self.restart_ema("sketch_generator")
        sketch = batch["sketch"]
        return {**self.train_sketch(sketch), **self.train_rendering(batch.image, sketch)}

    def train_sketch(self, sketch: Tensor) -> Losses:
        """Update D_S, then G_S, at the current resolution (sketch guidance, eq. 1)."""
        level, alpha = self.growth.level, self.growth.alpha
        real = blend_reals(sketch, level, alpha, self.growth.level_count)
        noise = self.noise(len(sketch), self.settings.latent_dim)
        fake = self.sketch_generator(noise, level, alpha)
        # Sketches have no colours.
        d_loss = self.compute_sketch_loss(
            self.augment(real, 0), self.augment(fake.detach(), 0), level, alpha
        )
        self.update("sketch_discriminator", d_loss)
        score = self.sketch_discriminator(self.augment(fake, 0), level, alpha)
        use_bce = self.settings.sketch_loss == "bce"
        g_loss = bce_with_target(score, 1.0) if use_bce else -score.mean()
        self.update("sketch_generator", g_loss)
        self.update_ema("sketch_generator")
        return {"sketch_discriminator": d_loss, "sketch_generator": g_loss}

    def compute_sketch_loss(self, real: Tensor, fake: Tensor, level: int, alpha: float) -> Tensor:
        """Return eq. 1 for D_S: the backbone's Wasserstein form, or cross-entropy as printed."""
        s = self.settings
        on_real = self.sketch_discriminator(real, level, alpha)
        on_fake = self.sketch_discriminator(fake, level, alpha)
        self.augmentation.observe(on_real, None if s.sketch_loss == "bce" else on_fake)
        if s.sketch_loss == "bce":
            loss = bce_with_target(on_real, 1.0) + bce_with_target(on_fake, 0.0)
        else:
            drift = s.drift_weight * on_real.square().mean()
            loss = wasserstein_critic(on_real, on_fake) + drift
        if s.penalty_weight > 0:
            penalty = progressive_penalty(self.sketch_discriminator, real, fake, level, alpha)
            loss = loss + s.penalty_weight * penalty
        return loss

    def train_rendering(self, image: Tensor, sketch: Tensor) -> Losses:
        """Update D_P, then G_P, on real pairs only (colour rendering, eq. 2)."""
        fake = self.renderer(sketch)
        on_real, on_fake = self.score_pairs(image, sketch), self.score_pairs(fake.detach(), sketch)
        self.augmentation.observe(on_real)
        d_loss = bce_with_target(on_real, 1.0) + bce_with_target(on_fake, 0.0)
        self.update("render_discriminator", d_loss)
        adversarial = bce_with_target(self.score_pairs(fake, sketch), 1.0)
        l1 = F.l1_loss(fake, image)
        self.update("renderer", adversarial + self.settings.l1_weight * l1)
        return {"render_discriminator": d_loss, "renderer": adversarial, "renderer_l1": l1}

    def score_pairs(self, image: Tensor, sketch: Tensor) -> Tensor:
        """Return the logits D_P(x, y); an augmentation moves image and sketch together."""
        logits: Tensor = self.render_discriminator(self.augment(torch.cat([image, sketch], 1)))
        return logits

    def sample(self, count: int, rng: torch.Generator) -> Batch:
        """Return images, noise to sketch to image; the sketch is in ``extra``."""
        noise = self.noise(count, self.settings.latent_dim, rng=rng)
        output = self.get_ema("sketch_generator")(noise, self.growth.level, self.growth.alpha)
        sketch = F.interpolate(output.clamp(-1, 1), size=self.data.size, mode="nearest")
        return Batch(image=self.renderer(sketch), extra={"sketch": sketch})

    def sample_pairs(self, count: int, rng: torch.Generator) -> Batch:
        """Return samples whose mask is their sketch above Otsu's threshold.

        Section 3.2 pre-trains a segmentation network on images and sketches, without stating how a
        sketch becomes a vessel mask.
        """
        batch = self.sample(count, rng)
        batch.mask = torch.where(mask_above_otsu(batch["sketch"]), 1.0, -1.0)
        return batch
