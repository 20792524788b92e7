"""Adversarial losses that several methods share; all take raw logits."""

from __future__ import annotations

from typing import cast

import torch
from lightning_fabric.wrappers import is_wrapped
from torch import Tensor, nn
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


def unwrap(module: nn.Module) -> nn.Module:
    """Return the network inside Fabric's wrapper, or `module` if it is not wrapped."""
    return cast(nn.Module, module.module) if is_wrapped(module) else module


def gradient_penalty(
    critic: nn.Module, real: Tensor, fake: Tensor, *args: object, target: float = 1.0
) -> Tensor:
    """Penalise gradient norms unlike `target` between real and fake (Gulrajani et al. 2017).

    The expectation in Eq. 3, without the factor lambda: the mean over the batch of
    (||grad f(x)||_2 - target)^2 at points x drawn uniformly on the lines from each real to its
    fake image (Algorithm 1). The norm runs over all pixels and channels of one image.

    Fabric's wrapper is removed first: under mixed precision it forbids gradients other than its
    own. The penalty is computed in the critic's own precision, without autocast, since second
    derivatives fail in half precision.

    Args:
        critic: Network that scores images, wrapped by Fabric or not; ``(B, ...)`` to one or more
            scores per image, which are summed.
        real: ``(B, C, ...)`` real images.
        fake: ``(B, C, ...)`` generated images; detached.
        *args: Passed to the critic after the image.
        target: Gradient norm without penalty.

    Returns:
        A scalar >= 0, differentiable with respect to the critic's parameters.

    Raises:
        ValueError: `real` and `fake` differ in shape.
    """
    if real.shape != fake.shape:
        raise ValueError(f"real is {tuple(real.shape)} but fake is {tuple(fake.shape)}")
    network = unwrap(critic)
    first = next(network.parameters(), real)
    start, end = real.detach().to(first.dtype), fake.detach().to(first.dtype)
    with torch.autocast(real.device.type, enabled=False):
        share = torch.rand(len(real), *[1] * (real.dim() - 1), device=real.device).to(first.dtype)
        points = torch.lerp(start, end, share).requires_grad_(True)
        scores = network(points, *args)
        (slopes,) = torch.autograd.grad(scores.sum(), points, create_graph=True)
        norms: Tensor = torch.linalg.vector_norm(slopes.float().flatten(1), dim=1)
    return (norms - target).square().mean()
