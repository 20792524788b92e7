"""Memorisation: are generated volumes copies of training volumes?"""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache

import numpy as np
import torch
from torch.nn import functional as F

from benchbed.api.metric import ImageSet, MetricInputs, MetricTerms, MemorisationSets
from benchbed.data.feed import to_pixels, to_signed
from benchbed.metrics.memorisation import MAX_SIDE, NearestNeighbours, memorisation, find_nearest

MAX_DEPTH = 16
"""Maximum number of slices at which volumes are compared, of at most 32 x 32 voxels."""


def find_nearest_volumes(volumes: ImageSet, train: ImageSet) -> NearestNeighbours:
    """Find the nearest training volume of each volume, including those mirrored left to right.

    As `benchbed.metrics.memorisation.find_nearest`, in area means of at most 16 x 32 x 32 voxels.

    Args:
        volumes: ``(N, C, D, H, W)``; float in [-1, 1] or uint8.
        train: ``(M, C, D, H, W)``.
    """
    return find_nearest(shrink_volumes(volumes), shrink_volumes(train))


def memorisation_of_volumes(inputs: MetricInputs) -> MetricTerms:
    """Compute whether volumes are nearer to training volumes than held-out real ones are.

    As `benchbed.metrics.memorisation.memorisation`, in area means of at most 16 x 32 x 32 voxels.

    Returns:
        For each generated volume, the share of held-out ones that are further away, ``(N,)``.

    Raises:
        ValueError: There are no held-out volumes.
    """
    if inputs.memorisation_sets is None:
        raise ValueError("Memorisation needs real volumes excluded from training.")
    unseen = MemorisationSets(shrink_volumes(inputs.memorisation_sets.train), shrink_volumes(inputs.memorisation_sets.held_out))
    return memorisation(replace(inputs, fake=shrink_volumes(inputs.fake), memorisation_sets=unseen))


@lru_cache(maxsize=3)
def shrink_volumes(volumes: ImageSet) -> ImageSet:
    """Shrink volumes to images ``(N, C * d, h, w)`` whose channels are slices.

    Cached for the scored, training and held-out sets, since the picture and the metric need them.

    Args:
        volumes: A set whose images are ``(N, C, D, H, W)``; float in [-1, 1] or uint8.
    """
    if volumes.images.ndim != 5:
        raise ValueError(
            f"The volumes have shape {volumes.images.shape}, expected (N, C, D, H, W)."
        )
    count, channels, depth, height, width = volumes.images.shape
    smallest = (min(MAX_DEPTH, depth), min(MAX_SIDE, height), min(MAX_SIDE, width))
    small = np.empty((count, channels, *smallest), np.uint8)
    for number, volume in enumerate(volumes.images):
        signed = to_signed(torch.from_numpy(np.array(volume)))
        small[number] = to_pixels(F.adaptive_avg_pool3d(signed, smallest))
    return ImageSet(small.reshape(count, channels * smallest[0], *smallest[1:]))
