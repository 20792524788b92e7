"""The processes that train one method together, each on a part of every batch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, TypeVar, cast

import torch
from torch import Tensor, distributed, nn

from benchbed.api.types import Batch

if TYPE_CHECKING:
    from lightning_fabric import Fabric

T = TypeVar("T")


class Ranks:
    """This process among those that train together; alone, it does nothing.

    Each takes its part of every batch and of the noise for it, and every gradient becomes the mean
    of theirs. So a loss that is a mean over the batch has the gradient that one process would have
    found, and all of them hold the same weights after every step.

    What is not a mean over the batch is not the same as in one process: batch normalisation (its
    statistics are those of the whole batch on CUDA, and of a part elsewhere), statistics of a
    minibatch, and random numbers that a method draws for itself, which differ between the
    processes. Numbers from ``Method.noise`` are those that one process would have drawn.

    Args:
        fabric: A launched Fabric; None for a process alone.

    Attributes:
        rank: Number of this process.
        size: How many there are.
        noise: Source of the noise for whole batches; None for the global one, where one is alone.
    """

    def __init__(self, fabric: Fabric | None = None) -> None:
        self.rank = 0 if fabric is None else fabric.global_rank
        self.size = 1 if fabric is None else fabric.world_size
        self.noise: torch.Generator | None = None
        self._fabric = cast("Fabric", fabric)  # which nobody asks for where one is alone
        if self.size > 1:
            device = self._fabric.device
            cuda = device.type == "cuda"
            self.noise = torch.Generator(device)
            self.noise.set_state(
                torch.cuda.get_rng_state(device) if cuda else torch.get_rng_state()
            )

    @property
    def first(self) -> bool:
        """Whether this process is the one that writes what the run leaves."""
        return self.rank == 0

    def part(self, whole: Tensor) -> Tensor:
        """This process's part of a tensor whose first axis counts the cases of a whole batch."""
        return whole if self.size == 1 else whole.chunk(self.size)[self.rank]

    def part_of(self, batch: Batch) -> Batch:
        """This process's part of a batch."""
        if self.size == 1:
            return batch
        return batch.each(lambda _, tensor: self.part(tensor))

    def normalised(self, network: nn.Module) -> nn.Module:
        """The network, whose batch normalisation sees whole batches where the device can do so."""
        if self.size == 1 or self._fabric.device.type != "cuda":
            return network
        return cast(nn.Module, nn.SyncBatchNorm.convert_sync_batchnorm(network))

    def average(self, tensors: Sequence[Tensor]) -> None:
        """Put the mean over the processes into each tensor."""
        if self.size == 1 or not tensors:
            return
        flat = torch.cat([tensor.flatten() for tensor in tensors])
        means = cast(Tensor, self._fabric.all_reduce(flat, reduce_op="mean"))
        sizes = [tensor.numel() for tensor in tensors]
        for tensor, mean in zip(tensors, means.split(sizes), strict=True):
            tensor.copy_(mean.view(tensor.shape))

    def agree(self, value: float) -> float:
        """The first process's value: a clock, or a wish to stop, is not the same in all."""
        if self.size == 1:
            return value
        told = torch.tensor(value, dtype=torch.float64, device=self._fabric.device)
        distributed.broadcast(told, 0)
        return float(told)

    def gather(self, value: T) -> list[T]:
        """The values of all processes, in their order."""
        if self.size == 1:
            return [value]
        values: list[Any] = [None] * self.size
        distributed.all_gather_object(values, value)
        return values

    def wait(self) -> None:
        """Go on when all have come so far."""
        if self.size > 1:
            self._fabric.barrier()
