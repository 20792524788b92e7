"""Training masks saved with the weights, to sample from."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class MaskStore(nn.Module):
    """Store of the first training masks, on the CPU.

    Cases are shuffled by the seed of the run, so the first `capacity` masks are a random subset
    of the training masks, without repetition if there are enough.

    Args:
        capacity: Maximum number of masks.
        shape: Shape of one mask, ``(M, S, S)``.
    """

    masks: Tensor
    seen: Tensor

    def __init__(self, capacity: int, *shape: int) -> None:
        super().__init__()
        self.register_buffer("masks", torch.zeros(capacity, *shape, dtype=torch.bool))
        self.register_buffer("seen", torch.zeros((), dtype=torch.int64))

    def __len__(self) -> int:
        return int(self.seen)

    def add(self, masks: Tensor) -> None:
        """Store masks ``(B, M, S, S)`` in {-1, 1} until the store is full."""
        start, room = len(self), len(self.masks) - len(self)
        if room == 0:
            return
        new = masks[:room]
        self.masks[start : start + len(new)] = (new > 0).cpu()
        self.seen += len(new)

    def sample_masks(self, count: int, rng: torch.Generator) -> Tensor:
        """Sample `count` masks in {-1, 1} with replacement; empty masks if none is stored."""
        if len(self) == 0:
            return -torch.ones(count, *self.masks.shape[1:])
        chosen = torch.randint(len(self), (count,), generator=rng)
        return self.masks[chosen].float() * 2 - 1
