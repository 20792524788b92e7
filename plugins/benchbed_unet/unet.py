"""U-Net (Ronneberger, Fischer, Brox 2015, arXiv:1505.04597)."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F

from benchbed import Batch, DataShape, Losses, Method
from benchbed.nn import SegmentationUNet, adam, augment_batch, crop_batch
from benchbed_unet.settings import UNetSettings


class UNet(Method[UNetSettings]):
    """U-Net, trained with cross-entropy."""

    def build(self, data: DataShape) -> None:
        """Create the network of figure 1 and its optimiser."""
        s = self.settings
        self.network = SegmentationUNet(data.channels, data.mask_channels, s.features)
        self.register_optimizers(network=adam(self.network, s.learning_rate))

    def training_step(self, batch: Batch, progress: float) -> Losses:
        """Update the network by eq. 1: cross-entropy with equal weights of all pixels."""
        del progress
        s = self.settings
        batch = augment_batch(batch, s.crop) if s.augment else crop_batch(batch, s.crop)
        assert batch.mask is not None  # the spec requires masks
        target = (batch.mask + 1) / 2
        loss = F.binary_cross_entropy_with_logits(self.network(batch.image), target)
        self.update("network", loss)
        return {"cross_entropy": loss}

    def segment(self, image: Tensor) -> Tensor:
        """Return the probabilities of each mask channel."""
        logits: Tensor = self.network(image)
        return logits.sigmoid()
