"""Segmentation of MI-GAN (Iqbal & Ali 2018): a U-Net trained with a discriminator."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from benchbed import Batch, DataShape, Losses, Method
from benchbed.nn import adam, bce_with_target, crop_batch, recolour_batch, rotate_batch
from benchbed_mi_gan.segmentation_networks import build_discriminator, build_segmenter
from benchbed_mi_gan.segmentation_settings import MIGANSegSettings

DARK_LEVEL = 40 / 127.5 - 1
"""Pixels whose red is at most this are outside the retina (V-GAN's code: 40 of 255)."""


def normalize_z_score(image: Tensor, whole: Tensor | None = None) -> Tensor:
    """Normalise each channel to mean 0 and standard deviation 1 over the retina.

    The retina are the pixels whose red exceeds `DARK_LEVEL`, or all pixels if there are none.

    Args:
        image: ``(B, C, H, W)`` in [-1, 1].
        whole: The uncropped images, ``(B, C, ...)``, if `image` holds crops.
    """
    whole = image if whole is None else whole
    inside = (whole[:, :1] > DARK_LEVEL).float()
    inside = torch.where(inside.sum((2, 3), keepdim=True) > 0, inside, torch.ones_like(inside))
    pixels = inside.sum((2, 3), keepdim=True)
    mean = (whole * inside).sum((2, 3), keepdim=True) / pixels
    variance = ((whole - mean).square() * inside).sum((2, 3), keepdim=True) / pixels
    return (image - mean) / (variance + 1e-4).sqrt()


class MIGANSeg(Method[MIGANSegSettings]):
    """MI-GAN for segmentation: vessels from images; G is the segmenter."""

    discriminator_losses = ("discriminator",)

    def build(self, data: DataShape) -> None:
        """Create G, and the D chosen by the settings."""
        s = self.settings
        self.generator = build_segmenter(data.channels, data.mask_channels, s.features)
        betas = (s.beta1, 0.999)
        self.register_ema("generator", s.average_decay)
        self.register_optimizers(generator=adam(self.generator, s.learning_rate, betas))
        if s.discriminator != "none":
            self.discriminator = build_discriminator(
                s.discriminator,
                data.channels + data.mask_channels,
                s.discriminator_features,
                min(s.crop or data.size, data.size),
            )
            self.register_optimizers(
                discriminator=adam(self.discriminator, s.discriminator_learning_rate, betas)
            )

    def training_step(self, batch: Batch, progress: float) -> Losses:
        """Update D by eq. 4, then G by eq. 6 divided by lambda."""
        del progress
        s = self.settings
        whole = recolour_batch(batch) if s.augment else batch
        batch = rotate_batch(whole, s.crop) if s.augment else crop_batch(whole, s.crop)
        assert batch.mask is not None  # the spec requires masks
        # Crops use the statistics of the whole image, as in `segment`.
        image, target = normalize_z_score(batch.image, whole.image), (batch.mask + 1) / 2
        logits = self.generator(image)
        segmentation = F.binary_cross_entropy_with_logits(logits, target)
        if s.discriminator == "none":
            self.update_generator(segmentation)
            return {"segmentation": segmentation}
        prediction = logits.sigmoid()
        real, fake = self.score_pairs(image, target, prediction.detach())
        d_loss = bce_with_target(real, 1.0) + bce_with_target(fake, 0.0)
        self.update("discriminator", d_loss)
        _, fake = self.score_pairs(image, target, prediction)
        adversarial = bce_with_target(fake, 1.0)
        self.update_generator(segmentation + s.adversarial_weight * adversarial)
        return {
            "discriminator": d_loss,
            "adversarial": adversarial,
            "segmentation": segmentation,
        }

    def update_generator(self, loss: Tensor) -> None:
        """Update G and its EMA."""
        self.update("generator", loss)
        self.update_ema("generator")

    def score_pairs(
        self, image: Tensor, target: Tensor, prediction: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Return D(x, y) and D(x, G(x)), computed in one batch as in V-GAN's code.

        In two batches, batch normalisation would equalise the means and deviations, which are
        most of the difference between a binary mask and probabilities.
        """
        pairs = torch.cat([torch.cat([image, image]), torch.cat([target, prediction])], 1)
        real, fake = self.discriminator(pairs).chunk(2)
        return real, fake

    def segment(self, image: Tensor) -> Tensor:
        """Return the vessel probabilities of the EMA G."""
        logits: Tensor = self.get_ema("generator")(normalize_z_score(image))
        return logits.sigmoid()
