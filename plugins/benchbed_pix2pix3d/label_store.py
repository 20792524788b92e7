"""Training label maps saved with the weights, to make pairs from."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from benchbed_pix2pix3d.surgery import Codes, LabelMap

BRAIN_BIT = 0x80
"""Bit of a stored byte that is set inside the brain."""

HOST_BIT = 0x40
"""Bit of a stored byte that is set everywhere in a host; the bits below it are the code."""


class LabelStore(nn.Module):
    """Store of the first training label maps, on the CPU, one byte per voxel.

    Cases are shuffled by the seed of the run, so the first `capacity` label maps are a random
    subset of the training cases, without repetition if there are enough. Hosts for transplants,
    from another dataset, come before them and take up to half of the capacity.

    Args:
        capacity: Maximum number of label maps.
        first: First code that is tumour.
        *shape: Shape of one label map, ``(D, H, W)``.
    """

    maps: Tensor
    sick: Tensor
    seen: Tensor

    def __init__(self, capacity: int, first: int, *shape: int) -> None:
        super().__init__()
        self.first = first
        self.register_buffer("maps", torch.zeros(capacity, *shape, dtype=torch.uint8))
        self.register_buffer("sick", torch.zeros(capacity, dtype=torch.bool))
        self.register_buffer("seen", torch.zeros((), dtype=torch.int64))

    def __len__(self) -> int:
        return int(self.seen)

    @property
    def host_count(self) -> int:
        """Number of hosts, which have the first indices."""
        return int(((self.maps[: len(self), 0, 0, 0] & HOST_BIT) > 0).sum())

    def add_hosts(self, codes: Tensor) -> None:
        """Store tissue maps that tumours can be transplanted to, before any training case.

        Args:
            codes: ``(B, D, H, W)`` uint8. Maps with a tumour, or without tissue, are left out.
        """
        is_tissue = (codes > 0) & (codes < self.first)
        suitable = is_tissue.flatten(1).any(1) & (codes < self.first).flatten(1).all(1)
        chosen = codes[suitable][: len(self.maps) // 2 - len(self)]
        first = len(self)
        self.add(chosen, chosen > 0)
        self.maps[first : len(self)] |= HOST_BIT

    def add(self, codes: Tensor, brain: Tensor) -> None:
        """Store label maps until the store is full.

        Args:
            codes: ``(B, D, H, W)`` uint8.
            brain: Possible positions of a tumour, bool ``(B, D, H, W)``.
        """
        start, room = len(self), len(self.maps) - len(self)
        if room == 0:
            return
        added = slice(start, start + len(codes[:room]))
        self.maps[added] = (codes[:room] | (brain[:room] * BRAIN_BIT).to(torch.uint8)).cpu()
        self.sick[added] = (codes[:room] >= self.first).flatten(1).any(1).cpu()
        self.seen += len(codes[:room])

    def list_indices(self, *, sick: bool) -> npt.NDArray[np.int64]:
        """Return the indices of label maps with a tumour, or of those without."""
        return np.flatnonzero(self.sick[: len(self)].numpy() == sick)

    def __getitem__(self, index: int) -> LabelMap:
        stored = self.maps[index].numpy()
        codes: Codes = stored & np.uint8(HOST_BIT - 1)
        return LabelMap(codes, stored >= BRAIN_BIT, self.first)
