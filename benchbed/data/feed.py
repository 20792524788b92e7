"""Batches on the device: gathered, scaled and augmented there."""

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
from benchbed.data.prepare import Split
from benchbed.protocol import Augment

RESIDENT_BYTES = 8 * 2**30
"""Arrays up to this size are kept on an accelerator whole, so that no batch crosses to it."""

_KNOWN = ("image", "mask", "fov", "label")
_UNUSED = ("second_mask",)


def to_signed(stored: Tensor) -> Tensor:
    """Stored images as float32 in [-1, 1]: uint8 in [0, 255], or float16 that is so already."""
    if stored.dtype != torch.uint8:
        return stored.float()
    return stored.float().div_(127.5).sub_(1.0)


def to_channels(codes: Tensor, structures: int) -> Tensor:
    """Numbers of structures ``(B, ...)`` as one channel each ``(B, K, ...)``, in {-1, 1}."""
    numbers = torch.arange(1, structures + 1, device=codes.device)
    numbers = numbers.view(1, -1, *(1,) * (codes.ndim - 1))
    return (codes.unsqueeze(1) == numbers).float().mul_(2.0).sub_(1.0)


def to_codes(mask: Tensor) -> npt.NDArray[np.uint8]:
    """The reverse of `to_channels`: the number of the strongest structure, 0 where none is > 0."""
    strongest = mask.detach().max(dim=1)
    codes = torch.where(strongest.values > 0, strongest.indices + 1, 0)
    return np.asarray(codes.to(torch.uint8).cpu().numpy())


def to_pixels(images: Tensor) -> npt.NDArray[np.uint8]:
    """Images in [-1, 1] to uint8 in [0, 255], rounded; what lies outside is clipped.

    NaN becomes 0, so that a diverged sample is black and not undefined.
    """
    scaled = images.detach().float().nan_to_num(nan=-1.0).add(1.0).mul(127.5)
    return np.asarray(scaled.round().clamp(0, 255).to(torch.uint8).cpu().numpy())


def stored(images: Tensor, dtype: np.dtype[Any]) -> npt.NDArray[Any]:
    """Images in [-1, 1] as prepared data keep them: the reverse of `to_signed`."""
    if dtype == np.uint8:
        return to_pixels(images)
    return np.asarray(images.detach().float().clamp(-1.0, 1.0).cpu().numpy(), dtype)


@dataclass
class Feed:
    """The endless stream of training cases, the same for every method.

    Each pass shows every case once, in an order drawn from the seed and the number of the pass;
    so the place in the stream, ``shown``, is all its state.

    Attributes:
        split: The cases.
        seed: Seed of the order and of the augmentation.
        device: Where batches are wanted.
        augment: ``"flip"`` mirrors a case left to right with probability one half.
    """

    split: Split
    seed: int
    device: torch.device
    augment: Augment = "none"
    _arrays: dict[str, Tensor | npt.NDArray[np.uint8]] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        arrays = {n: a for n, a in self.split.arrays.items() if n not in _UNUSED}
        resident = self.device.type != "cpu" and (
            sum(a.nbytes for a in arrays.values()) <= RESIDENT_BYTES
        )
        for name, array in arrays.items():
            here = torch.from_numpy(np.array(array)).to(self.device) if resident else array
            self._arrays[name] = here

    def batch(self, shown: int, count: int) -> Batch:
        """The `count` cases that come after `shown` cases."""
        total = len(self.split)
        pieces = [
            (_order(self.seed, which, total, self.device), part)
            for which, part in _pieces(shown, count, total)
        ]
        places = np.concatenate([order.places[part] for order, part in pieces])
        indices = torch.cat([order.indices[part] for order, part in pieces])
        tensors = {name: self._gather(name, places, indices) for name in self._arrays}
        if self.augment == "flip":
            mirrored = torch.cat([order.mirrored[part] for order, part in pieces])
            tensors = {n: t if n == "label" else _flip(t, mirrored) for n, t in tensors.items()}
        return as_batch(tensors, self.split.structures)

    def _gather(self, name: str, places: npt.NDArray[np.int64], indices: Tensor) -> Tensor:
        """The cases at `places`, which are `indices` on the device."""
        array = self._arrays[name]
        if isinstance(array, Tensor):
            return array[indices]
        return torch.from_numpy(np.asarray(array[places])).to(self.device)


@dataclass(frozen=True)
class StagedFeed:
    """One stream after the other.

    Attributes:
        first: The stream that comes first.
        then: The stream that follows it.
        switch: Cases that the first one shows; a batch does not straddle the two.
    """

    first: Feed
    then: Feed
    switch: int

    @property
    def device(self) -> torch.device:
        """Where batches are."""
        return self.first.device

    def batch(self, shown: int, count: int) -> Batch:
        """The `count` cases that come after `shown` cases."""
        if shown < self.switch:
            return self.first.batch(shown, count)
        return self.then.batch(shown - self.switch, count)


def in_order(split: Split, count: int = 4) -> Iterator[tuple[Batch, int]]:
    """The cases of a split on the CPU, `count` at a time, and how many there are."""
    arrays = {name: array for name, array in split.arrays.items() if name not in _UNUSED}
    for start in range(0, len(split), count):
        part = slice(start, start + count)
        tensors = {n: torch.from_numpy(np.array(array[part])) for n, array in arrays.items()}
        yield as_batch(tensors, split.structures), len(split)


class _Order(NamedTuple):
    """One pass over the cases.

    Attributes:
        places: The cases in their order, int64 ``(N,)``.
        indices: The same on the device.
        mirrored: Which of them are mirrored, bool ``(N,)``, on the device.
    """

    places: npt.NDArray[np.int64]
    indices: Tensor
    mirrored: Tensor


@lru_cache(maxsize=32)
def _order(seed: int, which: int, total: int, device: torch.device) -> _Order:
    """A pass, brought to the device whole; a step takes its part of what is there."""
    rng = np.random.default_rng((seed, which))
    places, mirrored = rng.permutation(total), rng.random(total) < 0.5
    return _Order(places, _brought(places, device), _brought(mirrored, device))


def _brought(values: npt.NDArray[Any], device: torch.device) -> Tensor:
    """Values on the device, for which the process does not wait."""
    here = torch.from_numpy(values)
    # From memory that may be paged out, a copy waits for all that the device still has to do.
    return (here.pin_memory() if device.type == "cuda" else here).to(device, non_blocking=True)


def _pieces(shown: int, count: int, total: int) -> Iterator[tuple[int, slice]]:
    """The `count` cases that come after `shown` cases: number of a pass, and which part of it."""
    end = shown + count
    while shown < end:
        which, first = divmod(shown, total)
        part = slice(first, min(total, first + end - shown))
        yield which, part
        shown += part.stop - part.start


def as_batch(tensors: dict[str, Tensor], structures: int = 1) -> Batch:
    """Stored tensors as a batch: images and derived arrays in [-1, 1], masks in {-1, 1}."""
    extra = {n: to_signed(t) for n, t in tensors.items() if n not in _KNOWN}
    mask, fov = tensors.get("mask"), tensors.get("fov")
    return Batch(
        image=to_signed(tensors["image"]),
        mask=None if mask is None else to_channels(mask, structures),
        fov=None if fov is None else fov.float().unsqueeze(1),
        label=tensors.get("label"),
        extra=extra,
    )


def data_shape(split: Split, classes: int) -> DataShape:
    """The shape of a split's cases."""
    _, channels, *spatial = split.image.shape
    masks = split.structures if "mask" in split.arrays else 0
    return DataShape(channels, tuple(spatial), masks, classes)


def _flip(tensor: Tensor, mirrored: Tensor) -> Tensor:
    shape = (-1,) + (1,) * (tensor.ndim - 1)
    return torch.where(mirrored.view(shape), tensor.flip(-1), tensor)
