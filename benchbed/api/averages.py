"""The running average of a network."""

from __future__ import annotations

from itertools import chain

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn


class RunningAverage(AveragedModel):
    """An exponential moving average of a network and of its buffers.

    Values and saved state are those of torch's own class. That one asks the device at every update
    whether it is the first, and so waits for all that the device still has to do; here the number
    of updates is also known to the process, and the device is asked once after a state was loaded.

    Args:
        network: What is averaged; it is copied.
        decay: Weight of the past in each update, in [0, 1).
    """

    def __init__(self, network: nn.Module, decay: float) -> None:
        super().__init__(network, multi_avg_fn=get_ema_multi_avg_fn(decay), use_buffers=True)
        self._updates: int | None = 0
        self.register_load_state_dict_post_hook(_ask_again)  # type: ignore[no-untyped-call]
        self.requires_grad_(False)

    def update_parameters(self, model: nn.Module) -> None:
        """Move the average towards the present weights; the first update copies them.

        Args:
            model: The network, on the same device.
        """
        if self._updates is None:
            self._updates = int(self.n_averaged)
        groups: dict[torch.dtype, tuple[list[Tensor], list[Tensor]]] = {}
        for average, present in zip(_tensors(self.module), _tensors(model), strict=True):
            if self._updates == 0:
                average.copy_(present)
            averages, presents = groups.setdefault(average.dtype, ([], []))
            averages.append(average)
            presents.append(present)
        if self._updates > 0:
            assert self.multi_avg_fn is not None
            for averages, presents in groups.values():
                self.multi_avg_fn(averages, presents, self._updates)
        self.n_averaged += 1
        self._updates += 1


def _tensors(network: nn.Module) -> list[Tensor]:
    """Weights and buffers, of which no gradient is asked."""
    return [tensor.detach() for tensor in chain(network.parameters(), network.buffers())]


def _ask_again(module: nn.Module, _: object) -> None:
    """Forget the number of updates of an average whose state was replaced."""
    assert isinstance(module, RunningAverage)
    module._updates = None
