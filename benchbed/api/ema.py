"""The exponential moving average (EMA) of a network's weights."""

from __future__ import annotations

from itertools import chain

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn


class ExponentialMovingAverage(AveragedModel):
    """Exponential moving average of a network's weights and buffers.

    Values and saved state equal those of torch's own class. torch reads its update counter from
    the device at every update, which waits for all queued work; this class counts in Python and
    reads the device once after a state was loaded.

    Args:
        network: Network to average; it is copied.
        decay: Weight of the past in each update, in [0, 1).
    """

    def __init__(self, network: nn.Module, decay: float) -> None:
        super().__init__(network, multi_avg_fn=get_ema_multi_avg_fn(decay), use_buffers=True)
        self._updates: int | None = 0
        self.register_load_state_dict_post_hook(_reset_update_count)  # type: ignore[no-untyped-call]
        self.requires_grad_(False)

    def update_parameters(self, model: nn.Module) -> None:
        """Move the EMA towards the current weights (same device); the first update copies them."""
        if self._updates is None:
            self._updates = int(self.n_averaged)
        groups: dict[torch.dtype, tuple[list[Tensor], list[Tensor]]] = {}
        for average, current in zip(
            _collect_tensors(self.module), _collect_tensors(model), strict=True
        ):
            if self._updates == 0:
                average.copy_(current)
            averages, current_tensors = groups.setdefault(average.dtype, ([], []))
            averages.append(average)
            current_tensors.append(current)
        if self._updates > 0:
            assert self.multi_avg_fn is not None
            for averages, current_tensors in groups.values():
                self.multi_avg_fn(averages, current_tensors, self._updates)
        self.n_averaged += 1
        self._updates += 1


def _collect_tensors(network: nn.Module) -> list[Tensor]:
    return [tensor.detach() for tensor in chain(network.parameters(), network.buffers())]


def _reset_update_count(module: nn.Module, _: object) -> None:
    """Mark the update count as unknown after a state was loaded."""
    assert isinstance(module, ExponentialMovingAverage)
    module._updates = None
