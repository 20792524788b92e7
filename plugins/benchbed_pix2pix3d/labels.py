"""Label maps in three forms: masks, one-hot with a background channel, and codes.

A mask ``(B, K, D, H, W)`` in {-1, 1} has one channel per class, all -1 in the background. One-hot
label maps ``(B, K + 1, D, H, W)`` have the background as their first channel. Codes are 0 for
background and 1 to K for the classes.
"""

from __future__ import annotations

import torch
from torch import Tensor


def to_one_hot(mask: Tensor) -> Tensor:
    """Prepend the background channel to a mask."""
    return torch.cat([-mask.amax(1, keepdim=True), mask], 1)


def make_empty_labels(classes: int) -> list[float]:
    """Return the one-hot value of background for this number of classes."""
    return [1.0] + [-1.0] * classes


def to_codes(mask: Tensor) -> Tensor:
    """Convert a mask to codes ``(B, D, H, W)``, uint8."""
    strongest = mask.max(1)
    return torch.where(strongest.values > 0, strongest.indices + 1, 0).to(torch.uint8)


def to_mask(codes: Tensor, classes: int) -> Tensor:
    """Convert codes ``(B, D, H, W)`` to a mask."""
    numbers = torch.arange(1, classes + 1, device=codes.device).view(1, -1, 1, 1, 1)
    return (codes.unsqueeze(1) == numbers).float() * 2 - 1


def to_probabilities(output: Tensor) -> Tensor:
    """Return class probabilities from the one-hot output of a generator.

    The foreground has the probability 1/2 + (t_k - t_0) / 4, where t_k is the largest value of a
    class and t_0 that of the background. It exceeds 1/2 exactly where the background is not the
    largest, and all of it is given to class k: thresholding the sum at 1/2 and taking the largest
    class reproduces the paper's argmax.

    Args:
        output: ``(B, K + 1, D, H, W)`` in [-1, 1], the background first.

    Returns:
        ``(B, K, D, H, W)`` in [0, 1]; all but one class are 0.
    """
    background, classes = output[:, :1], output[:, 1:]
    best = classes.max(1, keepdim=True)
    foreground = 0.5 + (best.values - background) / 4
    return torch.zeros_like(classes).scatter_(1, best.indices, foreground)
