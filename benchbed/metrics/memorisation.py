"""Memorisation: are samples copies of training images?"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch.nn import functional as F

from benchbed.api.metric import ImageSet, MetricInputs, MetricTerms
from benchbed.data.loader import to_pixels, to_signed

MAX_SIDE = 32
"""Maximum side in pixels at which images are compared."""

MAX_DEPTH = 16
"""Maximum number of slices at which volumes are compared."""

_CHUNK_IMAGES = 2048
"""Images per search: the training images are shrunk again for each such chunk."""

_CHUNK_ROWS = 256
"""Rows of distances in memory at once."""

_CHUNK_VALUES = 2**18
"""Values shrunk or compared per chunk. Memory does not grow with the number of images; larger
chunks would fragment the heap."""


class NearestNeighbours(NamedTuple):
    """The nearest training image of each image.

    Attributes:
        distance: Root mean square difference of pixels ``(N,)``, in [0, 255].
        train_index: Index in the training set ``(N,)``.
        mirrored: Whether the nearest is the mirrored training image ``(N,)``.
    """

    distance: npt.NDArray[np.float64]
    train_index: npt.NDArray[np.int64]
    mirrored: npt.NDArray[np.bool_]


@lru_cache(maxsize=2)
def find_nearest(images: ImageSet, train: ImageSet) -> NearestNeighbours:
    """Find the nearest training image of each image, in pixels, including mirrored ones.

    Cached: the picture and the metric need the same result.

    Pixels are area means at 32 px: tolerates a little noise, and involves no network's notion of
    similarity. Volumes are compared in area means of at most 16 x 32 x 32 voxels.

    Args:
        images: uint8 ``(N, C, H, W)``, or volumes ``(N, C, D, H, W)``, uint8 or float in [-1, 1].
        train: Training images, likewise.

    Raises:
        ValueError: There are no training images, or shapes differ.
    """
    if images.images.ndim == 5:
        images, train = shrink_volumes(images), shrink_volumes(train)
    if len(train) == 0 or images.images.shape[1:] != train.images.shape[1:]:
        raise ValueError(
            f"Nearest-neighbour search needs images of one shape, got {images.images.shape[1:]} "
            f"and {len(train)} training images of {train.images.shape[1:]}."
        )
    parts = [
        _search_nearest(_shrink_images(images.images[start : start + _CHUNK_IMAGES]), train.images)
        for start in range(0, len(images), _CHUNK_IMAGES)
    ]
    distance, index, mirrored = (torch.cat(part).numpy() for part in zip(*parts, strict=True))
    values = np.prod(_compute_side(train.images)) * train.images.shape[1]
    return NearestNeighbours(distance / np.sqrt(values), index, mirrored)


def _search_nearest(
    small: torch.Tensor, train: npt.NDArray[np.uint8]
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return distance, index and mirroring of the nearest; ties go to the first, unmirrored one."""
    rows = small.flatten(1)
    # Row 0: training images as they are; row 1: mirrored.
    distance = torch.full((2, len(rows)), torch.inf, dtype=rows.dtype)
    index = torch.zeros((2, len(rows)), dtype=torch.int64)
    step = max(1, _CHUNK_VALUES // rows.shape[1])
    for start in range(0, len(train), step):
        chunk = _shrink_images(train[start : start + step])
        for side, candidates in enumerate((chunk, chunk.flip(3))):
            minima = [
                torch.cdist(part, candidates.flatten(1)).min(dim=1)
                for part in rows.split(_CHUNK_ROWS)
            ]
            values = torch.cat([part.values for part in minima])
            nearer = values < distance[side]
            distance[side, nearer] = values[nearer]
            index[side, nearer] = start + torch.cat([part.indices for part in minima])[nearer]
    mirrored = distance[1] < distance[0]
    return (
        torch.where(mirrored, distance[1], distance[0]),
        torch.where(mirrored, index[1], index[0]),
        mirrored,
    )


def memorisation(inputs: MetricInputs) -> MetricTerms:
    """Compute whether samples are nearer to training images than held-out real images are.

    Meehan, Chaudhuri and Dasgupta 2020, "A non-parametric test to detect data-copying in generative
    models", section 3.1, the Mann-Whitney statistic over the whole space: the probability that a
    sample's distance to its nearest training image is below that of a held-out image, ties counted
    half. New images give 0.5, copies 1; below 0.5 the samples are further from the training images
    than real ones are. Blurred samples are near to every image and also give more than 0.5: the
    picture ``nearest`` distinguishes them from copies.

    Returns:
        For each sample, the share of held-out images that are further away, ``(N,)``.

    Raises:
        ValueError: There are no held-out images.
    """
    if inputs.memorisation_sets is None:
        raise ValueError("Memorisation needs real images excluded from training.")
    train, held_out = inputs.memorisation_sets.train, inputs.memorisation_sets.held_out
    fake = find_nearest(inputs.fake, train).distance
    real = np.sort(find_nearest(held_out, train).distance)
    below = np.searchsorted(real, fake, side="left")
    ties = np.searchsorted(real, fake, side="right") - below
    return np.asarray(1 - (below + ties / 2) / len(real), np.float64)


def _shrink_images(images: npt.NDArray[np.uint8]) -> torch.Tensor:
    """Shrink to ``(N, C, h, w)`` of at most 32 px; float64, so equal images have distance 0."""
    small = torch.empty(len(images), images.shape[1], *_compute_side(images), dtype=torch.float64)
    rows = max(1, _CHUNK_VALUES // images[:1].size)
    for start in range(0, len(images), rows):
        part = torch.from_numpy(np.array(images[start : start + rows])).double()
        small[start : start + rows] = F.adaptive_avg_pool2d(part, _compute_side(images))
    return small


def _compute_side(images: npt.NDArray[np.uint8]) -> tuple[int, int]:
    return min(MAX_SIDE, images.shape[2]), min(MAX_SIDE, images.shape[3])


@lru_cache(maxsize=3)
def shrink_volumes(volumes: ImageSet) -> ImageSet:
    """Shrink volumes to images ``(N, C * d, h, w)`` whose channels are slices.

    Cached for the scored, training and held-out sets, since the picture and the metric need them.

    Args:
        volumes: A set whose images are ``(N, C, D, H, W)``; float in [-1, 1] or uint8.
    """
    count, channels, depth, height, width = volumes.images.shape
    smallest = (min(MAX_DEPTH, depth), min(MAX_SIDE, height), min(MAX_SIDE, width))
    small = np.empty((count, channels, *smallest), np.uint8)
    for number, volume in enumerate(volumes.images):
        signed = to_signed(torch.from_numpy(np.array(volume)))
        small[number] = to_pixels(F.adaptive_avg_pool3d(signed, smallest))
    return ImageSet(small.reshape(count, channels * smallest[0], *smallest[1:]))
