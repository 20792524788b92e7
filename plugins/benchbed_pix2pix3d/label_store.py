"""Label maps of the training data, kept with the weights to make pairs from."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from benchbed_pix2pix3d.surgery import Codes, LabelMap

BRAIN_BIT = 0x80
"""The bit of a stored byte that is set inside the brain; the others are the code."""


class LabelStore(nn.Module):
    """The first label maps that training shows, on the CPU, a byte a voxel.

    The harness shows the cases of every pass in an order drawn from the run's seed: so the first
    `places` are a random choice of the training cases, each once as long as there are enough.

    Args:
        places: Most label maps that are kept.
        first: The first code that is tumour.
        *shape: Of one label map, ``(D, H, W)``.
    """

    maps: Tensor
    sick: Tensor
    seen: Tensor

    def __init__(self, places: int, first: int, *shape: int) -> None:
        super().__init__()
        self.first = first
        self.register_buffer("maps", torch.zeros(places, *shape, dtype=torch.uint8))
        self.register_buffer("sick", torch.zeros(places, dtype=torch.bool))
        self.register_buffer("seen", torch.zeros((), dtype=torch.int64))

    def __len__(self) -> int:
        return int(self.seen)

    def add(self, codes: Tensor, brain: Tensor) -> None:
        """Keep label maps while there is room.

        Args:
            codes: ``(B, D, H, W)`` uint8.
            brain: Where a tumour may be, bool ``(B, D, H, W)``.
        """
        start, room = len(self), len(self.maps) - len(self)
        if room == 0:
            return
        kept = slice(start, start + len(codes[:room]))
        self.maps[kept] = (codes[:room] | (brain[:room] * BRAIN_BIT).to(torch.uint8)).cpu()
        self.sick[kept] = (codes[:room] >= self.first).flatten(1).any(1).cpu()
        self.seen += len(codes[:room])

    def list_indices(self, *, sick: bool) -> npt.NDArray[np.int64]:
        """The places of those that have a tumour, or of those that have none."""
        return np.flatnonzero(self.sick[: len(self)].numpy() == sick)

    def __getitem__(self, place: int) -> LabelMap:
        stored = self.maps[place].numpy()
        codes: Codes = stored & np.uint8(BRAIN_BIT - 1)
        return LabelMap(codes, stored >= BRAIN_BIT, self.first)
