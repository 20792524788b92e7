"""Image metrics applied to the slices of volumes.

There is no established feature network for volumes, so distances between sets of volumes are
computed between axial slices, one sequence at a time, under separate names.
"""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from benchbed.api.metric import ImageSet, MetricInputs
from benchbed.data.loader import to_pixels
from benchbed.registry.lookup import load_object

Pixels = npt.NDArray[np.uint8]
Indices = npt.NDArray[np.int64]

MAX_SLICES = 8
"""Maximum number of slices per volume: neighbours are nearly equal, and features take time."""


def select_slices(depth: int) -> Indices:
    """Select the axial slices to score: up to 8, evenly spaced in the central half.

    The positions are the same in every volume. If they depended on content, a method with empty
    slices at the top would be scored at other heights than real volumes.

    Returns:
        Indices ``(K,)``, ascending.
    """
    half = max(1, depth // 2)
    count = min(MAX_SLICES, half)
    steps = (2 * np.arange(count) + 1) * half // (2 * count)
    return np.asarray((depth - half) // 2 + steps, np.int64)


def extract_axial_slices(volumes: npt.NDArray[Any], sequence: int) -> Pixels:
    """Extract the slices of one sequence of several volumes.

    Args:
        volumes: ``(N, C, D, H, W)``; float in [-1, 1] or uint8.
        sequence: Index of the channel.

    Returns:
        uint8 ``(N * K, 1, H, W)``, volume by volume, K from `select_slices`.
    """
    if volumes.ndim != 5:
        raise ValueError(f"The volumes have shape {volumes.shape}, expected (N, C, D, H, W).")
    chosen = np.asarray(volumes[:, sequence][:, select_slices(volumes.shape[2])])
    slices = chosen.reshape(-1, 1, *volumes.shape[3:])
    return slices if slices.dtype == np.uint8 else to_pixels(torch.from_numpy(slices))


@lru_cache(maxsize=32)
def make_slice_set(volumes: ImageSet, sequence: int) -> ImageSet:
    """Convert one sequence of a set of volumes to a set of slices.

    A subset becomes a subset of slices, so features are computed once. Cached, since every metric
    needs the same slices.

    Args:
        volumes: A set whose images are ``(N, C, D, H, W)``; float in [-1, 1] or uint8.
        sequence: Index of the channel.
    """
    if volumes.parent is None or volumes.indices is None:
        return ImageSet(extract_axial_slices(volumes.images, sequence))
    count = len(select_slices(volumes.images.shape[2]))
    rows = volumes.indices[:, None] * count + np.arange(count)
    return make_slice_set(volumes.parent, sequence).subset(rows.ravel())


def score_sequence(
    inputs: MetricInputs, *, sequence: int, implementation: str, **parameters: Any
) -> float:
    """Compute a metric of images between the slices of one sequence.

    Args:
        inputs: Sets of volumes.
        sequence: Index of the channel.
        implementation: ``"module:function"`` of the metric.
        parameters: Its parameters.
    """
    real, fake = (make_slice_set(side, sequence) for side in (inputs.real, inputs.fake))
    return float(load_object(implementation)(replace(inputs, real=real, fake=fake), **parameters))


def average_over_sequences(
    inputs: MetricInputs, *, implementation: str, **parameters: Any
) -> float:
    """Compute a metric of images between the slices of each sequence, and average.

    Slices of one volume are similar, so pairs within a set are more similar than independent
    images: KID is biased, and equal distributions do not give 0. The baseline, between disjoint
    volumes, has the same bias.

    Args:
        inputs: Sets of volumes.
        implementation: ``"module:function"`` of the metric.
        parameters: Its parameters.
    """
    values = [
        score_sequence(inputs, sequence=number, implementation=implementation, **parameters)
        for number in range(inputs.real.images.shape[1])
    ]
    return float(np.mean(values))
