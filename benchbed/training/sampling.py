"""Images from a trained method, the same for the same seed."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from benchbed.api.method import Method
from benchbed.api.types import Batch
from benchbed.data.feed import to_signed
from benchbed.errors import BenchbedError
from benchbed.training.state import random_states, restore_random_states, seed_everything

CHUNK_PIXELS = 64 * 128 * 128
"""Images are drawn in groups of about this many pixels, so that memory stays flat."""


class NotFinite(BenchbedError):
    """What a method made of its weights is no number."""


def check_finite(method: Method[Any], made: Mapping[str, torch.Tensor]) -> None:
    """Refuse what holds a NaN or an infinity: as a picture it would look like any other.

    Args:
        method: Who made it.
        made: Tensors by name.

    Raises:
        NotFinite: One of them does.
    """
    for name, tensor in made.items():
        if tensor.is_floating_point() and not torch.isfinite(tensor).all():
            raise NotFinite(
                f"{name} of {type(method).__name__} contains NaN or infinity after "
                f"{method.steps} steps"
            )


@contextlib.contextmanager
def apart(method: Method[Any], seed: int) -> Iterator[torch.Generator]:
    """Use a method without training noticing.

    Inside, the networks are in evaluation mode, no gradient is kept, and the global generators
    are seeded (for dropout noise); afterwards everything is as before.

    Yields:
        The seeded generator that noise is drawn from.
    """
    states = random_states()
    modes = {name: module.training for name, module in method.named_modules()}
    seed_everything(seed)
    method.eval()
    try:
        with torch.no_grad():
            yield torch.Generator().manual_seed(seed)
    finally:
        for name, module in method.named_modules():
            module.training = modes[name]
        restore_random_states(states)


def draw(
    method: Method[Any],
    count: int,
    seed: int,
    advance: Callable[[int], None] = lambda _: None,
    *,
    pairs: bool = False,
) -> Batch:
    """Draw `count` samples.

    Args:
        method: A built method with the ability ``sample``, or ``pairs``.
        count: Number of samples.
        seed: The same seed gives the same samples.
        advance: Told how many there are so far.
        pairs: Draw images with masks.

    Returns:
        Samples on the CPU.

    Raises:
        NotFinite: One holds NaN or infinity.
    """
    chunk = max(1, min(count, 64, CHUNK_PIXELS // _pixels(method)))
    make = method.pair if pairs else method.sample
    parts: list[Batch] = []
    with apart(method, seed) as rng:
        for start in range(0, count, chunk):
            parts.append(make(min(chunk, count - start), rng).to("cpu"))
            advance(min(start + chunk, count))
    drawn = concatenate(parts)
    check_finite(method, dict(drawn.tensors()))
    return drawn


def probabilities(
    method: Method[Any],
    images: npt.NDArray[Any],
    seed: int,
    advance: Callable[[int], None] = lambda _: None,
) -> npt.NDArray[np.float32]:
    """The probability of each structure in images.

    Args:
        method: A built method with the ability ``segment``.
        images: As they are stored: uint8 ``(N, C, H, W)``, or float16 ``(N, C, D, H, W)``.
        seed: Seed of whatever the method draws.
        advance: Told how many are done so far.

    Returns:
        float32 ``(N, K, ...)`` in [0, 1].

    Raises:
        NotFinite: One is NaN or infinite.
    """
    chunk = max(1, min(len(images), 64, CHUNK_PIXELS // _pixels(method)))
    parts: list[torch.Tensor] = []
    with apart(method, seed):
        for start in range(0, len(images), chunk):
            batch = to_signed(torch.from_numpy(np.array(images[start : start + chunk])))
            parts.append(method.segment(batch.to(method.device)).float().cpu())
            check_finite(method, {"probability": parts[-1]})
            advance(min(start + chunk, len(images)))
    return np.asarray(torch.cat(parts).numpy())


def foreground(scores: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """The probability of any structure: ``(N, K, ...)`` to ``(N, ...)``.

    A pixel is of one structure at most, so their probabilities add up.
    """
    if scores.shape[1] == 1:
        return scores[:, 0]
    return np.asarray(scores.sum(axis=1).clip(0.0, 1.0), np.float32)


def structures(scores: npt.NDArray[np.float32]) -> npt.NDArray[np.uint8]:
    """The number of the likeliest structure where there is one, else 0: ``(N, ...)``."""
    found = foreground(scores) > 0.5
    return np.where(found, scores.argmax(axis=1) + 1, 0).astype(np.uint8)


def concatenate(parts: list[Batch]) -> Batch:
    """Several batches as one."""
    tensors = [dict(part.tensors()) for part in parts]
    joined = {name: torch.cat([t[name] for t in tensors]) for name in tensors[0]}
    return Batch(
        image=joined["image"],
        mask=joined.get("mask"),
        fov=joined.get("fov"),
        label=joined.get("label"),
        extra={name: joined[name] for name in parts[0].extra},
    )


def _pixels(method: Method[Any]) -> int:
    total = 1
    for length in method.data.spatial:
        total *= length
    return total
