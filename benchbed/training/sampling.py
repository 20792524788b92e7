"""Sampling from a trained method; equal seeds give equal samples."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from benchbed.api.method import Method
from benchbed.api.types import Batch
from benchbed.data.loader import to_signed
from benchbed.errors import BenchbedError
from benchbed.training.checkpoint import get_random_states, restore_random_states, seed_everything

CHUNK_PIXELS = 64 * 128 * 128
"""Samples are drawn in chunks of about this many pixels, to bound memory."""


class NonFiniteError(BenchbedError):
    """Output of a method contains NaN or infinity."""


def check_finite(method: Method[Any], outputs: Mapping[str, torch.Tensor]) -> None:
    """Raise if a tensor has NaN or infinity, which a picture would not show.

    Raises:
        NonFiniteError: A tensor has NaN or infinity.
    """
    for name, tensor in outputs.items():
        if tensor.is_floating_point() and not torch.isfinite(tensor).all():
            raise NonFiniteError(
                f"{name} of {type(method).__name__} contains NaN or infinity after "
                f"{method.steps} steps"
            )


@contextlib.contextmanager
def preserve_training_state(method: Method[Any], seed: int) -> Iterator[torch.Generator]:
    """Use a method without affecting its training.

    Inside, the networks are in evaluation mode without gradients, and the global generators are
    seeded (for dropout noise); afterwards everything is restored.

    Yields:
        The seeded generator for noise.
    """
    states = get_random_states()
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


def draw_samples(
    method: Method[Any],
    count: int,
    seed: int,
    advance: Callable[[int], None] = lambda _: None,
    *,
    pairs: bool = False,
) -> Batch:
    """Draw `count` samples.

    Args:
        method: A built method with the capability ``sample``, or ``pairs``.
        count: Number of samples.
        seed: Equal seeds give equal samples.
        advance: Called with the number done so far.
        pairs: Whether to draw images with masks.

    Returns:
        Samples on the CPU.

    Raises:
        NonFiniteError: A sample has NaN or infinity.
    """
    chunk = _get_chunk_size(method, count)
    make = method.sample_pairs if pairs else method.sample
    parts: list[Batch] = []
    with preserve_training_state(method, seed) as rng:
        for start in range(0, count, chunk):
            parts.append(make(min(chunk, count - start), rng).to("cpu"))
            advance(min(start + chunk, count))
    samples = concat_batches(parts)
    check_finite(method, dict(samples.iter_tensors()))
    return samples


def predict_probabilities(
    method: Method[Any],
    images: npt.NDArray[Any],
    seed: int,
    advance: Callable[[int], None] = lambda _: None,
) -> npt.NDArray[np.float32]:
    """Predict the probability of each structure in images.

    Args:
        method: A built method with the capability ``segment``.
        images: As stored: uint8 ``(N, C, H, W)``, or float16 ``(N, C, D, H, W)``.
        seed: Seed of any randomness of the method.
        advance: Called with the number done so far.

    Returns:
        float32 ``(N, K, ...)`` in [0, 1].

    Raises:
        NonFiniteError: A probability is NaN or infinite.
    """
    chunk = _get_chunk_size(method, len(images))
    parts: list[torch.Tensor] = []
    with preserve_training_state(method, seed):
        for start in range(0, len(images), chunk):
            batch = to_signed(torch.from_numpy(np.array(images[start : start + chunk])))
            parts.append(method.segment(batch.to(method.device)).float().cpu())
            check_finite(method, {"probability": parts[-1]})
            advance(min(start + chunk, len(images)))
    return np.asarray(torch.cat(parts).numpy())


def reduce_to_foreground(scores: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Return the probability of any structure: ``(N, K, ...)`` to ``(N, ...)``.

    Structures exclude each other, so their probabilities add up.
    """
    if scores.shape[1] == 1:
        return scores[:, 0]
    return np.asarray(scores.sum(axis=1).clip(0.0, 1.0), np.float32)


def select_structures(scores: npt.NDArray[np.float32]) -> npt.NDArray[np.uint8]:
    """Return the label of the most probable structure, 0 for background: ``(N, ...)``."""
    is_foreground = reduce_to_foreground(scores) > 0.5
    return np.where(is_foreground, scores.argmax(axis=1) + 1, 0).astype(np.uint8)


def concat_batches(batches: list[Batch]) -> Batch:
    """Concatenate batches."""
    tensors = [dict(part.iter_tensors()) for part in batches]
    return batches[0].map_tensors(lambda name, _: torch.cat([part[name] for part in tensors]))


def _get_chunk_size(method: Method[Any], count: int) -> int:
    return max(1, min(count, 64, CHUNK_PIXELS // math.prod(method.data.spatial)))
