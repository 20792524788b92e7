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
"""The views in the order of their training, with the axis of a batch that runs across slices."""


def permute_view(tensor: Tensor, view: str) -> Tensor:
    """``(B, C, D, H, W)`` with the slices of a view in the place of D; the same again undoes it."""
    return tensor.transpose(2, VIEW_AXES[view])


def pad_margin(image: Tensor) -> Tensor:
    """A volume with empty slices at either end, so that all of its own are predicted."""
    return F.pad(image, (0, 0, 0, 0, SLICE_MARGIN, SLICE_MARGIN), value=-1.0)


def compute_dice_loss(logits: Tensor, truth: Tensor) -> Tensor:
    """1 - the mean Dice over all classes, background included (Milletari et al. 2016).

    Args:
        logits: ``(B, K, ...)``.
        truth: One-hot, of the same shape, in {0, 1}.

    Returns:
        A scalar in [0, 1]; voxels of the whole batch count as one set.
    """
    p = logits.float().softmax(1)
    voxels = [axis for axis in range(p.ndim) if axis != 1]
    both = (p * truth).sum(voxels)
    total = p.square().sum(voxels) + truth.square().sum(voxels)
    return 1 - (2 * both / (total + 1e-5)).mean()


class WNet(Method[WNetSettings]):
    """Three networks, one a view, trained one after the other and averaged."""

    begun: Tensor

    def build(self, data: DataShape) -> None:
        """A network and an optimiser for each view."""
        s = self.settings
        for view in VIEW_AXES:
            network = AnisotropicNetwork(data.channels, data.mask_channels + 1, s.features)
            setattr(self, view, network)
            optimizer = torch.optim.Adam(
                network.parameters(), s.learning_rate, weight_decay=s.weight_decay, fused=True
            )
            self.register_optimizers(**{view: optimizer})
        # Saved with the method: which networks are more than their initial weights.
        self.register_buffer("begun", torch.tensor([True, False, False]))

    def training_step(self, batch: Batch, progress: float) -> Losses:
        """One update of the network whose turn it is, on a random slab of every case."""
        s = self.settings
        view = self.get_current_view(progress)
        batch = augment_volumes(batch) if s.augment else batch
        assert batch.mask is not None  # the spec says that it needs one
        slab, truth = self.sample_slabs(
            permute_view(batch.image, view), permute_view(batch.mask, view)
        )
        loss = compute_dice_loss(self.get_network(view)(slab), truth)
        self.update(view, loss)
        return {f"{view}_dice_loss": loss}

    def get_current_view(self, progress: float) -> str:
        """The view that is trained; one that begins is given the axial weights."""
        share = self.settings.axial_share
        later = 1 + int((progress - share) / (1 - share) * 2) if progress >= share else 0
        place = min(later, len(VIEW_AXES) - 1)
        view = list(VIEW_AXES)[place]
        if not self.begun[place]:
            self.get_network(view).load_state_dict(self.get_network("axial").state_dict())
            self.begun[place] = True
        return view

    def get_network(self, view: str) -> nn.Module:
        """The network of a view."""
        network = getattr(self, view)
        assert isinstance(network, nn.Module)
        return network

    def sample_slabs(self, image: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Some neighbouring slices of every case, drawn at random.

        Args:
            image: ``(B, C, D, H, W)`` in [-1, 1].
            mask: ``(B, K, D, H, W)`` in {-1, 1}.

        Returns:
            The slices with their margins, and their labels with the background, in {0, 1}.
        """
        depth = image.shape[2]
        slab = min(self.settings.slab, depth)
        image, truth = pad_margin(image), (mask + 1) / 2
        truth = torch.cat([1 - truth.amax(1, keepdim=True), truth], 1)
        starts = torch.randint(depth - slab + 1, (len(image),)).tolist()
        seen = [
            case[:, a : a + slab + 2 * SLICE_MARGIN] for case, a in zip(image, starts, strict=True)
        ]
        known = [case[:, a : a + slab] for case, a in zip(truth, starts, strict=True)]
        return torch.stack(seen), torch.stack(known)

    def segment(self, image: Tensor) -> Tensor:
        """The mean of the views' probabilities, of those whose training has begun."""
        total = image.new_zeros(len(image), self.data.mask_channels + 1, *image.shape[2:])
        views = [view for view, begun in zip(VIEW_AXES, self.begun.tolist(), strict=True) if begun]
        for view in views:
            logits = self.get_network(view)(pad_margin(permute_view(image, view)))
            total += permute_view(logits.float().softmax(1), view)
        return total[:, 1:] / len(views)
