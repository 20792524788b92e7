"""Masks of the training data, kept with the weights to sample from."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class MaskStore(nn.Module):
    """The first masks that training shows, on the CPU.

    The harness shows the cases of every pass in an order drawn from the run's seed: so the first
    `places` are a random choice of the training masks, each once as long as there are enough.

    Args:
        places: Most masks that are kept.
        shape: Of one mask, ``(M, S, S)``.
    """

    masks: Tensor
    seen: Tensor

    def __init__(self, places: int, *shape: int) -> None:
        super().__init__()
        self.register_buffer("masks", torch.zeros(places, *shape, dtype=torch.bool))
        self.register_buffer("seen", torch.zeros((), dtype=torch.int64))

    def __len__(self) -> int:
        return int(self.seen)

    def add(self, masks: Tensor) -> None:
        """Keep masks ``(B, M, S, S)`` in {-1, 1} while there is room."""
        start, room = len(self), len(self.masks) - len(self)
        if room == 0:
            return
        kept = masks[:room]
        self.masks[start : start + len(kept)] = (kept > 0).cpu()
        self.seen += len(kept)

    def sample_masks(self, count: int, rng: torch.Generator) -> Tensor:
        """`count` of them in {-1, 1}, drawn with replacement; empty ones before any training."""
        if len(self) == 0:
            return -torch.ones(count, *self.masks.shape[1:])
        chosen = torch.randint(len(self), (count,), generator=rng)
        return self.masks[chosen].float() * 2 - 1
