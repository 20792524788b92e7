"""Optimisers as the harness wants them."""

from __future__ import annotations

from torch import nn, optim


def adam(
    network: nn.Module,
    learning_rate: float,
    betas: tuple[float, float] = (0.9, 0.999),
    eps: float = 1e-8,
) -> optim.Adam:
    """Adam (Kingma & Ba 2015) over a network's trainable parameters, in one fused kernel.

    Args:
        network: What is trained.
        learning_rate: Step size.
        betas: Decay of the first and second moment.
        eps: Added to the root of the second moment.
    """
    trained = [parameter for parameter in network.parameters() if parameter.requires_grad]
    return optim.Adam(trained, learning_rate, betas, eps, fused=True)
