"""Batches as a user gets them, and the log that a user keeps."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.conv import _ConvNd
from torch.utils.data import DataLoader, TensorDataset

Step = Callable[[], None]
"""One step of training, or as many as the paper counts as one."""


def batches(
    tensors: Sequence[Tensor], batch_size: int, device: torch.device
) -> Iterator[list[Tensor]]:
    """Shuffled batches of tensors that lie in memory, without end, on `device`.

    Args:
        tensors: Each ``(N, ...)``.
        batch_size: Cases a batch.
        device: Where they are wanted.
    """
    loader = DataLoader(TensorDataset(*tensors), batch_size, shuffle=True, drop_last=True)
    while True:
        for batch in loader:
            yield [part.to(device) for part in batch]


def dcgan_weights(layer: nn.Module) -> None:
    """DCGAN's initial weights, for ``network.apply``."""
    if isinstance(layer, _ConvNd):
        nn.init.normal_(layer.weight, 0.0, 0.02)
    elif isinstance(layer, _BatchNorm):
        nn.init.normal_(layer.weight, 1.0, 0.02)
        nn.init.zeros_(layer.bias)


def requires_grad(network: nn.Module, flag: bool) -> None:
    """Freeze or thaw a network."""
    for parameter in network.parameters():
        parameter.requires_grad = flag
