"""Volumes judged slice by slice, by metrics that are made for pictures.

There is no agreed network for features of volumes, so a distance between two sets of volumes is
taken between their axial slices, one sequence at a time, and stands under a name of its own.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from benchbed.api.metric import ImageSet, MetricInputs
from benchbed.data.feed import to_pixels
from benchbed.metrics.fid import fid, fid_random
from benchbed.metrics.kid import kid, kid_random

Pixels = npt.NDArray[np.uint8]
Indices = npt.NDArray[np.int64]

SLICES = 8
"""Most slices that a volume gives: neighbouring ones are nearly alike, and features take time."""


def places(depth: int) -> Indices:
    """Which axial slices are judged: up to 8, evenly spaced in the central half.

    They lie at the same heights in every volume. Were they chosen by what they show, a method
    whose volumes are empty at the top would be judged by other heights than the real ones are.

    Args:
        depth: Slices of a volume.

    Returns:
        Places ``(K,)``, rising.
    """
    half = max(1, depth // 2)
    count = min(SLICES, half)
    steps = (2 * np.arange(count) + 1) * half // (2 * count)
    return np.asarray((depth - half) // 2 + steps, np.int64)


def axial_slices(volumes: npt.NDArray[Any], sequence: int) -> Pixels:
    """The slices of one sequence of some volumes.

    Args:
        volumes: ``(N, C, D, H, W)``; float in [-1, 1] or uint8.
        sequence: Which channel.

    Returns:
        uint8 ``(N * K, 1, H, W)``, volume by volume, K as many as `places` gives.

    Raises:
        ValueError: These are no volumes.
    """
    if volumes.ndim != 5:
        raise ValueError(f"The volumes have shape {volumes.shape}, expected (N, C, D, H, W).")
    chosen = np.asarray(volumes[:, sequence][:, places(volumes.shape[2])])
    slices = chosen.reshape(-1, 1, *volumes.shape[3:])
    return slices if slices.dtype == np.uint8 else to_pixels(torch.from_numpy(slices))


@lru_cache(maxsize=32)
def sliced(volumes: ImageSet, sequence: int) -> ImageSet:
    """One sequence of a set of volumes as a set of pictures.

    A part of a set becomes a part of that set's slices, so that their features are computed once.
    Slices are kept, because every metric asks for those of the same sets.

    Args:
        volumes: A set whose images are ``(N, C, D, H, W)``; float in [-1, 1] or uint8.
        sequence: Which channel.
    """
    if volumes.parent is None or volumes.indices is None:
        return ImageSet(axial_slices(volumes.images, sequence))
    count = len(places(volumes.images.shape[2]))
    own = volumes.indices[:, None] * count + np.arange(count)
    return sliced(volumes.parent, sequence).subset(own.ravel())


def fid_slices(inputs: MetricInputs) -> float:
    """Frechet Inception distance of slices, the mean over sequences."""
    return _over_sequences(fid, inputs)


def fid_random_slices(inputs: MetricInputs) -> float:
    """Frechet distance of slices in features of an untrained network, the mean over sequences."""
    return _over_sequences(fid_random, inputs)


def kid_slices(inputs: MetricInputs) -> float:
    """Kernel inception distance of slices, the mean over sequences.

    Slices of one volume are alike, and so are more of the pairs within a set than independent
    pictures would be: the estimate is not without bias here, and 0 is not what equal
    distributions give. The floor, between disjoint volumes, has the same bias.
    """
    return _over_sequences(kid, inputs)


def kid_random_slices(inputs: MetricInputs) -> float:
    """`kid_slices` in features of an untrained network."""
    return _over_sequences(kid_random, inputs)


def _over_sequences(metric: Callable[[MetricInputs], float], inputs: MetricInputs) -> float:
    values = [
        metric(replace(inputs, real=sliced(inputs.real, number), fake=sliced(inputs.fake, number)))
        for number in range(inputs.real.images.shape[1])
    ]
    return float(np.mean(values))
