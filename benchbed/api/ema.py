"""The exponential moving average (EMA) of a network."""

from __future__ import annotations

from itertools import chain

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn


class ExponentialMovingAverage(AveragedModel):
    """Exponential moving average of a network's weights and buffers, with a warm-up of the decay.

    Update t, counted from 0, copies the network if t = 0, and else has the decay
    min(`decay`, (1 + t) / (10 + t)), as TensorFlow's ``tf.train.ExponentialMovingAverage`` with
    ``num_updates``. A constant decay would keep the share decay^t of the first copy, 15 % after 375
    updates with 0.995. With the warm-up, 10 updates leave less than 0.1 % of it.

    Values and saved state equal those of torch's own class with the same decays. torch reads its
    update counter from the device at every update, which waits for all queued work; this class
    counts in Python and reads the device once after a state was loaded.

    Args:
        network: Network to average; it is copied.
        decay: Final weight of the past in each update, in [0, 1).
    """

    def __init__(self, network: nn.Module, decay: float) -> None:
        super().__init__(network, use_buffers=True)
        self.decay = decay
        self._updates: int | None = 0
        self.register_load_state_dict_post_hook(_reset_update_count)  # type: ignore[no-untyped-call]
        self.requires_grad_(False)

    def restart(self) -> None:
        """Forget all updates: the next one copies the network."""
        self.n_averaged.zero_()
        self._updates = 0

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
            average_tensors = get_ema_multi_avg_fn(compute_ema_decay(self.decay, self._updates))
            for averages, current_tensors in groups.values():
                average_tensors(averages, current_tensors, self._updates)
        self.n_averaged += 1
        self._updates += 1


def compute_ema_decay(decay: float, updates: int) -> float:
    """Return the decay of an EMA after some updates: min(decay, (1 + t) / (10 + t))."""
    return min(decay, (1 + updates) / (10 + updates))


def _collect_tensors(network: nn.Module) -> list[Tensor]:
    return [tensor.detach() for tensor in chain(network.parameters(), network.buffers())]


def _reset_update_count(module: nn.Module, _: object) -> None:
    """Mark the update count as unknown after a state was loaded."""
    assert isinstance(module, ExponentialMovingAverage)
    module._updates = None
