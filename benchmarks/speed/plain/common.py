"""What the training loops of the plain references share."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.conv import _ConvNd
from torch.utils.data import DataLoader, TensorDataset

Step = Callable[[], None]
"""One training step, or as many as the paper counts as one."""


def iterate_batches(
    tensors: Sequence[Tensor], batch_size: int, device: torch.device
) -> Iterator[list[Tensor]]:
    """Yield shuffled batches of tensors ``(N, ...)`` on `device`, without end."""
    loader = DataLoader(TensorDataset(*tensors), batch_size, shuffle=True, drop_last=True)
    while True:
        for batch in loader:
            yield [part.to(device) for part in batch]


def make_adam(
    network: nn.Module, lr: float = 2e-4, betas: tuple[float, float] = (0.5, 0.999)
) -> torch.optim.Adam:
    """Return an optimizer with DCGAN's settings."""
    return torch.optim.Adam(network.parameters(), lr=lr, betas=betas)


def update(optimizer: torch.optim.Optimizer, loss: Tensor) -> None:
    """Minimise a loss by one step."""
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()


def init_dcgan_weights(layer: nn.Module) -> None:
    """Set DCGAN's initial weights, for ``network.apply``."""
    if isinstance(layer, _ConvNd):
        nn.init.normal_(layer.weight, 0.0, 0.02)
    elif isinstance(layer, _BatchNorm):
        nn.init.normal_(layer.weight, 1.0, 0.02)
        nn.init.zeros_(layer.bias)


def gradient_penalty(network: nn.Module, real: Tensor, fake: Tensor) -> Tensor:
    """Return the mean of (||grad|| - 1)^2 between real and fake (Gulrajani et al. 2017)."""
    alpha = torch.rand(len(real), 1, 1, 1, device=real.device)
    points = (alpha * real + (1 - alpha) * fake).requires_grad_(True)
    scores = network(points)
    (gradients,) = torch.autograd.grad(scores, points, torch.ones_like(scores), create_graph=True)
    penalty: Tensor = ((gradients.view(len(real), -1).norm(2, dim=1) - 1) ** 2).mean()
    return penalty
