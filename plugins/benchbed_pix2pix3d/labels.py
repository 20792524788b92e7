"""Label maps in three forms: a mask of the contract, one-hot with a background, and codes.

A mask ``(B, K, D, H, W)`` in {-1, 1} has one channel a class, and -1 in all of them where there
is background. One-hot label maps ``(B, K + 1, D, H, W)`` have a channel for the background too,
before the others. Codes are 0 for background and 1 to K for the classes.
"""

from __future__ import annotations

import torch
from torch import Tensor


def to_one_hot(mask: Tensor) -> Tensor:
    """A mask with the channel of the background before it."""
    return torch.cat([-mask.amax(1, keepdim=True), mask], 1)


def make_empty_labels(classes: int) -> list[float]:
    """The one-hot value of background, for so many classes."""
    return [1.0] + [-1.0] * classes


def to_codes(mask: Tensor) -> Tensor:
    """A mask as codes ``(B, D, H, W)``, uint8."""
    strongest = mask.max(1)
    return torch.where(strongest.values > 0, strongest.indices + 1, 0).to(torch.uint8)


def to_mask(codes: Tensor, classes: int) -> Tensor:
    """Codes ``(B, D, H, W)`` as a mask."""
    numbers = torch.arange(1, classes + 1, device=codes.device).view(1, -1, 1, 1, 1)
    return (codes.unsqueeze(1) == numbers).float() * 2 - 1


def to_probabilities(drawn: Tensor) -> Tensor:
    """Probabilities of the classes from one-hot label maps as a generator draws them.

    What is not background has the probability 1/2 + (t_k - t_0) / 4, where t_k is the largest
    value of a class and t_0 that of the background: above 1/2 just where the background is not
    the largest. All of it is given to class k. So the argmax of the paper is found again by
    whoever asks whether the sum exceeds 1/2, and for the largest of the classes.

    Args:
        drawn: ``(B, K + 1, D, H, W)`` in [-1, 1], the background first.

    Returns:
        ``(B, K, D, H, W)`` in [0, 1], all but one of them 0.
    """
    background, classes = drawn[:, :1], drawn[:, 1:]
    best = classes.max(1, keepdim=True)
    foreground = 0.5 + (best.values - background) / 4
    return torch.zeros_like(classes).scatter_(1, best.indices, foreground)
