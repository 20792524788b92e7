"""Label maps from brain MRI (Shin et al. 2018, figure 1 a and c)."""

from __future__ import annotations

from torch import Tensor

from benchbed import Batch, DataShape, Losses
from benchbed.nn import augment_volumes
from benchbed_pix2pix3d.labels import make_empty_labels, to_one_hot, to_probabilities
from benchbed_pix2pix3d.settings import SegmentationSettings
from benchbed_pix2pix3d.translation import TranslationMethod


class Pix2Pix3DSeg(TranslationMethod[SegmentationSettings]):
    """Pix2pix from MRI to label maps of tissue or tumour."""

    def build(self, data: DataShape) -> None:
        """Create the networks; G has an output channel for the background."""
        self.build_networks(
            [-1.0] * data.channels,
            make_empty_labels(data.mask_channels),
            data.spatial,
            discriminator_learning_rate=self.settings.discriminator_learning_rate,
        )

    def training_step(self, batch: Batch, progress: float) -> Losses:
        """Update D, then G."""
        del progress
        batch = augment_volumes(batch) if self.settings.augment else batch
        assert batch.mask is not None  # the spec requires masks
        return self.step_translation(batch.image, to_one_hot(batch.mask))

    def segment(self, image: Tensor) -> Tensor:
        """Return probabilities whose sum exceeds 1/2 where the largest channel of G is a class."""
        return to_probabilities(self.generator(image))
