"""Load batches on the device: gather, scale and augment there."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from benchbed.api.types import Batch, DataShape
from benchbed.data.preprocessing.prepare import DataSplit

MAX_DEVICE_BYTES = 8 * 2**30
"""Arrays up to this size are copied to an accelerator once, so that batches need no transfer."""

_BATCH_FIELDS = ("image", "mask", "fov", "label")
_UNUSED_FIELDS = ("second_mask",)


def to_signed(stored: Tensor) -> Tensor:
    """Convert stored images to float32 in [-1, 1], from uint8 in [0, 255] or float16 in [-1, 1]."""
    if stored.dtype != torch.uint8:
        return stored.float()
    return stored.float().div_(127.5).sub_(1.0)


def to_channels(codes: Tensor, structures: int) -> Tensor:
    """Convert labels ``(B, ...)`` to one channel per structure ``(B, K, ...)``, in {-1, 1}."""
    numbers = torch.arange(1, structures + 1, device=codes.device)
    numbers = numbers.view(1, -1, *(1,) * (codes.ndim - 1))
    return (codes.unsqueeze(1) == numbers).float().mul_(2.0).sub_(1.0)


def to_codes(mask: Tensor) -> npt.NDArray[np.uint8]:
    """Return the label of the strongest structure, 0 where none is > 0: inverts `to_channels`."""
    strongest = mask.detach().max(dim=1)
    codes = torch.where(strongest.values > 0, strongest.indices + 1, 0)
    return np.asarray(codes.to(torch.uint8).cpu().numpy())


def to_pixels(images: Tensor) -> npt.NDArray[np.uint8]:
    """Convert images in [-1, 1] to uint8 in [0, 255], rounded and clipped.

    NaN becomes 0, so that a diverged sample is black instead of undefined.
    """
    scaled = images.detach().float().nan_to_num(nan=-1.0).add(1.0).mul(127.5)
    return np.asarray(scaled.round().clamp(0, 255).to(torch.uint8).cpu().numpy())


def to_stored(images: Tensor, dtype: np.dtype[Any]) -> npt.NDArray[Any]:
    """Convert images in [-1, 1] to the dtype of prepared data: inverts `to_signed`."""
    if dtype == np.uint8:
        return to_pixels(images)
    return np.asarray(images.detach().float().clamp(-1.0, 1.0).cpu().numpy(), dtype)


@dataclass
class CaseLoader:
    """Endless loader of training cases, the same for every method.

    Each epoch shows every case once, in an order drawn from the seed and the epoch; so ``shown`` is
    its whole state.

    Attributes:
        split: The cases.
        seed: Seed of order and augmentation.
        device: Device of the batches.
        flip: Whether to mirror a case left to right with probability 0.5.
    """

    split: DataSplit
    seed: int
    device: torch.device
    flip: bool = False
    _arrays: dict[str, Tensor | npt.NDArray[np.uint8]] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        arrays = {n: a for n, a in self.split.arrays.items() if n not in _UNUSED_FIELDS}
        resident = self.device.type != "cpu" and (
            sum(a.nbytes for a in arrays.values()) <= MAX_DEVICE_BYTES
        )
        for name, array in arrays.items():
            tensor = torch.from_numpy(np.array(array)).to(self.device) if resident else array
            self._arrays[name] = tensor

    def get_batch(self, cases_drawn: int, count: int) -> Batch:
        """Return the next `count` cases after `cases_drawn` cases."""
        total = len(self.split)
        pieces = [
            (_make_epoch_order(self.seed, epoch, total, self.device), part)
            for epoch, part in _split_by_epoch(cases_drawn, count, total)
        ]
        positions = np.concatenate([order.positions[part] for order, part in pieces])
        indices = torch.cat([order.indices[part] for order, part in pieces])
        tensors = {name: self._gather(name, positions, indices) for name in self._arrays}
        if self.flip:
            mirrored = torch.cat([order.mirrored[part] for order, part in pieces])
            tensors = {n: t if n == "label" else _flip(t, mirrored) for n, t in tensors.items()}
        return as_batch(tensors, self.split.structure_count)

    def _gather(self, name: str, positions: npt.NDArray[np.int64], indices: Tensor) -> Tensor:
        array = self._arrays[name]
        if isinstance(array, Tensor):
            return array[indices]
        return torch.from_numpy(np.asarray(array[positions])).to(self.device)


@dataclass(frozen=True)
class StagedLoader:
    """Two loaders, one after the other.

    Attributes:
        first_loader: Loader of the first stage.
        second_loader: Loader of the second stage.
        switch_at: Number of cases of the first stage; a batch never has cases of both.
    """

    first_loader: CaseLoader
    second_loader: CaseLoader
    switch_at: int

    @property
    def device(self) -> torch.device:
        """Device of the batches."""
        return self.first_loader.device

    def get_batch(self, cases_drawn: int, count: int) -> Batch:
        """Return the next `count` cases after `cases_drawn` cases."""
        if cases_drawn < self.switch_at:
            return self.first_loader.get_batch(cases_drawn, count)
        return self.second_loader.get_batch(cases_drawn - self.switch_at, count)


def iter_batches(split: DataSplit, count: int = 4) -> Iterator[tuple[Batch, int]]:
    """Iterate over a split on the CPU, `count` cases at a time; yield batch and total."""
    arrays = {name: array for name, array in split.arrays.items() if name not in _UNUSED_FIELDS}
    for start in range(0, len(split), count):
        part = slice(start, start + count)
        tensors = {n: torch.from_numpy(np.array(array[part])) for n, array in arrays.items()}
        yield as_batch(tensors, split.structure_count), len(split)


class _EpochOrder(NamedTuple):
    """Order of one epoch: case indices on the CPU and the device, int64, and which to mirror."""

    positions: npt.NDArray[np.int64]
    indices: Tensor
    mirrored: Tensor


@lru_cache(maxsize=32)
def _make_epoch_order(seed: int, epoch: int, total: int, device: torch.device) -> _EpochOrder:
    """Draw an epoch's order and copy it to the device once; steps slice it there."""
    rng = np.random.default_rng((seed, epoch))
    positions, mirrored = rng.permutation(total), rng.random(total) < 0.5
    return _EpochOrder(
        positions, _copy_to_device(positions, device), _copy_to_device(mirrored, device)
    )


def _copy_to_device(values: npt.NDArray[Any], device: torch.device) -> Tensor:
    """Copy values to the device without waiting for it."""
    tensor = torch.from_numpy(values)
    # From pageable memory, a copy waits for all pending work of the device.
    return (tensor.pin_memory() if device.type == "cuda" else tensor).to(device, non_blocking=True)


def _split_by_epoch(cases_drawn: int, count: int, total: int) -> Iterator[tuple[int, slice]]:
    """Split the next `count` cases into (epoch, slice) pairs."""
    end = cases_drawn + count
    while cases_drawn < end:
        epoch, first = divmod(cases_drawn, total)
        part = slice(first, min(total, first + end - cases_drawn))
        yield epoch, part
        cases_drawn += part.stop - part.start


def as_batch(tensors: dict[str, Tensor], structures: int = 1) -> Batch:
    """Make a batch: images and derived arrays in [-1, 1], masks in {-1, 1}."""
    extra = {n: to_signed(t) for n, t in tensors.items() if n not in _BATCH_FIELDS}
    mask, fov = tensors.get("mask"), tensors.get("fov")
    return Batch(
        image=to_signed(tensors["image"]),
        mask=None if mask is None else to_channels(mask, structures),
        fov=None if fov is None else fov.float().unsqueeze(1),
        label=tensors.get("label"),
        extra=extra,
    )


def get_data_shape(split: DataSplit, classes: int) -> DataShape:
    """Return the shape of a split's cases."""
    _, channels, *spatial = split.images.shape
    masks = split.structure_count if "mask" in split.arrays else 0
    return DataShape(channels, tuple(spatial), masks, classes)


def _flip(tensor: Tensor, mirrored: Tensor) -> Tensor:
    shape = (-1,) + (1,) * (tensor.ndim - 1)
    return torch.where(mirrored.view(shape), tensor.flip(-1), tensor)
