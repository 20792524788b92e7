"""Adversarial losses that several methods share; all take raw logits."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F


def bce_with_target(logits: Tensor, target: float) -> Tensor:
    """Binary cross-entropy of logits with one target for all (Goodfellow et al. 2014, Eq. 1).

    With target 1 on generated images this is the generator's non-saturating loss.

    Args:
        logits: Scores before the sigmoid, any shape.
        target: Probability of "real", in [0, 1].

    Returns:
        The mean over all scores, a scalar >= 0.
    """
    return F.binary_cross_entropy_with_logits(logits, torch.full_like(logits, target))


def wasserstein_critic(real: Tensor, fake: Tensor) -> Tensor:
    """Negated critic estimate of the Wasserstein distance (Arjovsky et al. 2017, Eq. 2).

    Args:
        real: Scores of real images, any shape.
        fake: Scores of generated images, any shape.

    Returns:
        mean f(fake) - mean f(real), a scalar that the critic minimises.
    """
    return fake.mean() - real.mean()
