"""Is a made volume a copy of a training volume?"""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache

import numpy as np
import torch
from torch.nn import functional as F

from benchbed.api.metric import ImageSet, MetricInputs, Terms, Unseen
from benchbed.data.feed import to_pixels, to_signed
from benchbed.metrics.memorisation import SIDE, Neighbours, memorisation, nearest

DEPTH = 16
"""Volumes are compared at no more than this many slices, of 32 x 32 voxels at most."""


def nearest_volumes(volumes: ImageSet, train: ImageSet) -> Neighbours:
    """The nearest training volume of each volume, those mirrored left to right counted too.

    As `benchbed.metrics.memorisation.nearest`, in area means of at most 16 x 32 x 32 voxels.

    Args:
        volumes: ``(N, C, D, H, W)``; float in [-1, 1] or uint8.
        train: ``(M, C, D, H, W)``.

    Raises:
        ValueError: There is no training volume, or shapes differ.
    """
    return nearest(coarse(volumes), coarse(train))


def memorisation_of_volumes(inputs: MetricInputs) -> Terms:
    """Whether volumes lie nearer to training volumes than unseen real ones do.

    As `benchbed.metrics.memorisation.memorisation`, in area means of at most 16 x 32 x 32 voxels.

    Returns:
        For each made volume, the share of held-out ones that lie further away, ``(N,)``.

    Raises:
        ValueError: Nothing was held out.
    """
    if inputs.unseen is None:
        raise ValueError("Memorisation needs real volumes excluded from training.")
    unseen = Unseen(coarse(inputs.unseen.train), coarse(inputs.unseen.held_out))
    return memorisation(replace(inputs, fake=coarse(inputs.fake), unseen=unseen))


@lru_cache(maxsize=3)
def coarse(volumes: ImageSet) -> ImageSet:
    """Volumes in area means, as pictures ``(N, C * d, h, w)`` whose channels are their slices.

    A set, its reference and what was held out are kept, because the picture and the metric ask.

    Args:
        volumes: A set whose images are ``(N, C, D, H, W)``; float in [-1, 1] or uint8.

    Raises:
        ValueError: These are no volumes.
    """
    if volumes.images.ndim != 5:
        raise ValueError(
            f"The volumes have shape {volumes.images.shape}, expected (N, C, D, H, W)."
        )
    count, channels, depth, height, width = volumes.images.shape
    smallest = (min(DEPTH, depth), min(SIDE, height), min(SIDE, width))
    small = np.empty((count, channels, *smallest), np.uint8)
    for number, volume in enumerate(volumes.images):
        signed = to_signed(torch.from_numpy(np.array(volume)))
        small[number] = to_pixels(F.adaptive_avg_pool3d(signed, smallest))
    return ImageSet(small.reshape(count, channels * smallest[0], *smallest[1:]))
