"""MI-GAN's segmentation (Iqbal & Ali 2018): a U-Net that a discriminator corrects."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from benchbed import Batch, DataShape, Losses, Method
from benchbed.nn import adam, bce_with_target, crop_batch, recolour_batch, rotate_batch
from benchbed_mi_gan.segmentation_networks import build_discriminator, build_segmenter
from benchbed_mi_gan.segmentation_settings import MIGANSegSettings

DARK_LEVEL = 40 / 127.5 - 1
"""Pixels that are no redder than this are no part of the retina (V-GAN's code: 40 of 255)."""


def normalize_z_score(image: Tensor, whole: Tensor | None = None) -> Tensor:
    """Images with mean 0 and deviation 1 in each channel, over the pixels of the retina.

    The retina is what is redder than `DARK_LEVEL`, or all of an image that has no such pixel.

    Args:
        image: ``(B, C, H, W)`` in [-1, 1].
        whole: The whole images, ``(B, C, ...)``, where `image` holds parts of them.
    """
    whole = image if whole is None else whole
    inside = (whole[:, :1] > DARK_LEVEL).float()
    inside = torch.where(inside.sum((2, 3), keepdim=True) > 0, inside, torch.ones_like(inside))
    pixels = inside.sum((2, 3), keepdim=True)
    mean = (whole * inside).sum((2, 3), keepdim=True) / pixels
    variance = ((whole - mean).square() * inside).sum((2, 3), keepdim=True) / pixels
    return (image - mean) / (variance + 1e-4).sqrt()


class MIGANSeg(Method[MIGANSegSettings]):
    """Vessels from pictures; G is the segmenter."""

    def build(self, data: DataShape) -> None:
        """G, and the D that the settings name."""
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
        """One update of D by eq. 4, one of G by eq. 6 over lambda."""
        del progress
        s = self.settings
        whole = recolour_batch(batch) if s.augment else batch
        batch = rotate_batch(whole, s.crop) if s.augment else crop_batch(whole, s.crop)
        assert batch.mask is not None  # the spec says that it needs one
        # Scored as parts of whole images, which is what is segmented.
        image, truth = normalize_z_score(batch.image, whole.image), (batch.mask + 1) / 2
        logits = self.generator(image)
        segmentation = F.binary_cross_entropy_with_logits(logits, truth)
        if s.discriminator == "none":
            self.update_generator(segmentation)
            return {"segmentation": segmentation}
        guess = logits.sigmoid()
        real, fake = self.score_pairs(image, truth, guess.detach())
        d_loss = bce_with_target(real, 1.0) + bce_with_target(fake, 0.0)
        self.update("discriminator", d_loss)
        _, fake = self.score_pairs(image, truth, guess)
        adversarial = bce_with_target(fake, 1.0)
        self.update_generator(segmentation + s.adversarial_weight * adversarial)
        return {
            "discriminator": d_loss,
            "adversarial": adversarial,
            "segmentation": segmentation,
        }

    def update_generator(self, loss: Tensor) -> None:
        """A step of G, and of its average."""
        self.update("generator", loss)
        self.update_ema("generator")

    def score_pairs(self, image: Tensor, truth: Tensor, guess: Tensor) -> tuple[Tensor, Tensor]:
        """D(x, y) and D(x, G(x)), normalised together as in V-GAN's code.

        Apart, batch normalisation would give both the same means and deviations, which are most
        of what tells a binary mask from probabilities.
        """
        pairs = torch.cat([torch.cat([image, image]), torch.cat([truth, guess])], 1)
        real, fake = self.discriminator(pairs).chunk(2)
        return real, fake

    def segment(self, image: Tensor) -> Tensor:
        """Probabilities of vessels, by the averaged G."""
        logits: Tensor = self.get_ema("generator")(normalize_z_score(image))
        return logits.sigmoid()
