"""Distributed training: the processes that share every batch of one method."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, TypeVar, cast

import torch
from torch import Tensor, distributed, nn

from benchbed.api.types import Batch

if TYPE_CHECKING:
    from lightning_fabric import Fabric

T = TypeVar("T")


class DistributedContext:
    """This process among those that train one method together; without Fabric, a no-op.

    Each process takes its part of every batch and of its noise, and every gradient becomes the
    mean over the processes. A loss that is a mean over the batch therefore has the gradient of a
    single process, and all processes hold the same weights after every step.

    Three things differ from a single process: batch normalisation (over the whole batch on CUDA,
    over a part elsewhere), minibatch statistics, and random numbers that a method draws itself.
    Noise from ``Method.noise`` is the same as in a single process.

    Args:
        fabric: A launched Fabric; None for a single process.

    Attributes:
        rank: Rank of this process.
        world_size: World size.
        noise_generator: Generator of the noise for whole batches; None (the global one) in a
            single process.
    """

    def __init__(self, fabric: Fabric | None = None) -> None:
        self.rank = 0 if fabric is None else fabric.global_rank
        self.world_size = 1 if fabric is None else fabric.world_size
        self.noise_generator: torch.Generator | None = None
        self._fabric = cast("Fabric", fabric)  # never read in a single process
        if self.world_size > 1:
            device = self._fabric.device
            cuda = device.type == "cuda"
            self.noise_generator = torch.Generator(device)
            self.noise_generator.set_state(
                torch.cuda.get_rng_state(device) if cuda else torch.get_rng_state()
            )

    @property
    def is_first_rank(self) -> bool:
        """Whether this process writes the run's files."""
        return self.rank == 0

    def split_tensor(self, tensor: Tensor) -> Tensor:
        """Return this process's part of a tensor with the whole batch on its first axis."""
        return tensor if self.world_size == 1 else tensor.chunk(self.world_size)[self.rank]

    def split_batch(self, batch: Batch) -> Batch:
        """Return this process's part of a batch."""
        if self.world_size == 1:
            return batch
        return batch.map_tensors(lambda _, tensor: self.split_tensor(tensor))

    def convert_batch_norm(self, network: nn.Module) -> nn.Module:
        """Return the network with batch normalisation synchronised over processes, on CUDA."""
        if self.world_size == 1 or self._fabric.device.type != "cuda":
            return network
        return cast(nn.Module, nn.SyncBatchNorm.convert_sync_batchnorm(network))

    def reduce_mean(self, tensors: Sequence[Tensor]) -> None:
        """Replace each tensor by its mean over the processes."""
        if self.world_size == 1 or not tensors:
            return
        flat = torch.cat([tensor.flatten() for tensor in tensors])
        means = cast(Tensor, self._fabric.all_reduce(flat, reduce_op="mean"))
        sizes = [tensor.numel() for tensor in tensors]
        for tensor, mean in zip(tensors, means.split(sizes), strict=True):
            tensor.copy_(mean.view(tensor.shape))

    def broadcast_value(self, value: float) -> float:
        """Return rank 0's value, for what differs between processes: a clock, a stop signal."""
        if self.world_size == 1:
            return value
        shared = torch.tensor(value, dtype=torch.float64, device=self._fabric.device)
        distributed.broadcast(shared, 0)
        return float(shared)

    def gather_values(self, value: T) -> list[T]:
        """Return the values of all processes, in rank order."""
        if self.world_size == 1:
            return [value]
        values: list[Any] = [None] * self.world_size
        distributed.all_gather_object(values, value)
        return values

    def wait_for_all(self) -> None:
        """Block until all processes get here."""
        if self.world_size > 1:
            self._fabric.barrier()
