"""WNet in three views (Wang, Li, Ourselin, Vercauteren 2017, arXiv:1709.00382)."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from benchbed import Batch, DataShape, Losses, Method
from benchbed.nn import augment_volumes
from benchbed_anisotropic.network import SLICE_MARGIN, AnisotropicNetwork
from benchbed_anisotropic.settings import WNetSettings

VIEW_AXES = {"axial": 2, "sagittal": 4, "coronal": 3}
"""Views in training order, each with the batch axis across its slices."""


def permute_view(tensor: Tensor, view: str) -> Tensor:
    """Swap the slice axis of a view with axis D of ``(B, C, D, H, W)``; twice is the identity."""
    return tensor.transpose(2, VIEW_AXES[view])


def pad_margin(image: Tensor) -> Tensor:
    """Pad a volume with empty slices at both ends, so that all its slices are predicted."""
    return F.pad(image, (0, 0, 0, 0, SLICE_MARGIN, SLICE_MARGIN), value=-1.0)


def compute_dice_loss(logits: Tensor, target: Tensor) -> Tensor:
    """Return 1 - the mean Dice over all classes, background included (Milletari et al. 2016).

    Args:
        logits: ``(B, K, ...)``.
        target: One-hot, of the same shape, in {0, 1}.

    Returns:
        Scalar in [0, 1]; voxels of the whole batch are pooled.
    """
    p = logits.float().softmax(1)
    voxels = [axis for axis in range(p.ndim) if axis != 1]
    intersection = (p * target).sum(voxels)
    total = p.square().sum(voxels) + target.square().sum(voxels)
    return 1 - (2 * intersection / (total + 1e-5)).mean()


class WNet(Method[WNetSettings]):
    """Three networks, one per view, trained one after the other; their outputs are averaged."""

    begun: Tensor

    def build(self, data: DataShape) -> None:
        """Create a network and an optimiser for each view."""
        s = self.settings
        for view in VIEW_AXES:
            network = AnisotropicNetwork(data.channels, data.mask_channels + 1, s.features)
            setattr(self, view, network)
            optimizer = torch.optim.Adam(
                network.parameters(), s.learning_rate, weight_decay=s.weight_decay, fused=True
            )
            self.register_optimizers(**{view: optimizer})
        # Saved with the method: whether the training of each network has started.
        self.register_buffer("begun", torch.tensor([True, False, False]))

    def training_step(self, batch: Batch, progress: float) -> Losses:
        """Update the network of the current view on a random slab of every case."""
        s = self.settings
        view = self.get_current_view(progress)
        batch = augment_volumes(batch) if s.augment else batch
        assert batch.mask is not None  # the spec requires masks
        slab, target = self.sample_slabs(
            permute_view(batch.image, view), permute_view(batch.mask, view)
        )
        loss = compute_dice_loss(self.get_network(view)(slab), target)
        self.update(view, loss)
        return {f"{view}_dice_loss": loss}

    def get_current_view(self, progress: float) -> str:
        """Return the view to train; initialise its network from the axial one when it starts."""
        share = self.settings.axial_share
        index = 1 + int((progress - share) / (1 - share) * 2) if progress >= share else 0
        position = min(index, len(VIEW_AXES) - 1)
        view = list(VIEW_AXES)[position]
        if not self.begun[position]:
            self.get_network(view).load_state_dict(self.get_network("axial").state_dict())
            self.begun[position] = True
        return view

    def get_network(self, view: str) -> nn.Module:
        """Return the network of a view."""
        network = getattr(self, view)
        assert isinstance(network, nn.Module)
        return network

    def sample_slabs(self, image: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Return a random slab of adjacent slices of every case.

        Args:
            image: ``(B, C, D, H, W)`` in [-1, 1].
            mask: ``(B, K, D, H, W)`` in {-1, 1}.

        Returns:
            The slices with margins, and their one-hot labels including the background, in {0, 1}.
        """
        depth = image.shape[2]
        slab = min(self.settings.slab, depth)
        image, target = pad_margin(image), (mask + 1) / 2
        target = torch.cat([1 - target.amax(1, keepdim=True), target], 1)
        starts = torch.randint(depth - slab + 1, (len(image),)).tolist()
        inputs = [
            case[:, a : a + slab + 2 * SLICE_MARGIN] for case, a in zip(image, starts, strict=True)
        ]
        targets = [case[:, a : a + slab] for case, a in zip(target, starts, strict=True)]
        return torch.stack(inputs), torch.stack(targets)

    def segment(self, image: Tensor) -> Tensor:
        """Return the mean probabilities of the views whose training has started."""
        total = image.new_zeros(len(image), self.data.mask_channels + 1, *image.shape[2:])
        views = [view for view, begun in zip(VIEW_AXES, self.begun.tolist(), strict=True) if begun]
        for view in views:
            logits = self.get_network(view)(pad_margin(permute_view(image, view)))
            total += permute_view(logits.float().softmax(1), view)
        return total[:, 1:] / len(views)
