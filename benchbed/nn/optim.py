"""Optimisers with the harness's settings."""

from __future__ import annotations

from torch import nn, optim


def adam(
    network: nn.Module,
    learning_rate: float,
    betas: tuple[float, float] = (0.9, 0.999),
    eps: float = 1e-8,
) -> optim.Adam:
    """Create a fused Adam (Kingma & Ba 2015) over a network's trainable parameters."""
    trained = [parameter for parameter in network.parameters() if parameter.requires_grad]
    return optim.Adam(trained, learning_rate, betas, eps, fused=True)
