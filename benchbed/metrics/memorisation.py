"""Is a sample a copy of a training image?"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch.nn import functional as F

from benchbed.api.metric import ImageSet, MetricInputs, Terms

SIDE = 32
"""Images are compared at no more than this many pixels a side."""

_IMAGES = 2048
"""Images that are looked for at once: for each such part the training images are shrunk anew."""

_ROWS = 256
"""Images whose distances are held at once."""

_VALUES = 2**18
"""Values that are shrunk at once, and values of training images that are compared with at once.

Memory does not grow with the number of images; larger pieces leave gaps in the heap that add up.
"""


class Neighbours(NamedTuple):
    """The nearest training image of each image.

    Attributes:
        distance: Root mean square difference of pixels ``(N,)``, in [0, 255].
        place: Place in the training set ``(N,)``.
        mirrored: Whether the nearest is the training image seen in a mirror ``(N,)``.
    """

    distance: npt.NDArray[np.float64]
    place: npt.NDArray[np.int64]
    mirrored: npt.NDArray[np.bool_]


@lru_cache(maxsize=2)
def nearest(images: ImageSet, train: ImageSet) -> Neighbours:
    """The nearest training image of each image, in pixels, mirrored ones counted too.

    The picture and the metric both ask, and the last two answers are kept.

    Pixels are those of area means at 32 px: a copy stays one under a little noise, and no network
    says what counts as alike.

    Args:
        images: ``(N, C, H, W)``.
        train: ``(M, C, H, W)``.

    Raises:
        ValueError: There is no training image, or shapes differ.
    """
    if len(train) == 0 or images.images.shape[1:] != train.images.shape[1:]:
        raise ValueError(
            f"Nearest-neighbour search needs images of one shape, got {images.images.shape[1:]} "
            f"and {len(train)} training images of {train.images.shape[1:]}."
        )
    parts = [
        _nearest(_small(images.images[start : start + _IMAGES]), train.images)
        for start in range(0, len(images), _IMAGES)
    ]
    distance, place, mirrored = (torch.cat(part).numpy() for part in zip(*parts, strict=True))
    values = np.prod(_side(train.images)) * train.images.shape[1]
    return Neighbours(distance / np.sqrt(values), place, mirrored)


def _nearest(
    small: torch.Tensor, train: npt.NDArray[np.uint8]
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Distance, place, and whether it is a mirrored one; of equals the first, mirrored ones last.

    Args:
        small: Images ``(N, C, h, w)``.
        train: Training images ``(M, C, H, W)``, not shrunk yet.
    """
    rows = small.flatten(1)
    # Of the training images as they are, and of those seen in a mirror.
    distance = torch.full((2, len(rows)), torch.inf, dtype=rows.dtype)
    place = torch.zeros((2, len(rows)), dtype=torch.int64)
    step = max(1, _VALUES // rows.shape[1])
    for start in range(0, len(train), step):
        known = _small(train[start : start + step])
        for side, seen in enumerate((known, known.flip(3))):
            found = [torch.cdist(part, seen.flatten(1)).min(dim=1) for part in rows.split(_ROWS)]
            values = torch.cat([part.values for part in found])
            nearer = values < distance[side]
            distance[side, nearer] = values[nearer]
            place[side, nearer] = start + torch.cat([part.indices for part in found])[nearer]
    mirrored = distance[1] < distance[0]
    return (
        torch.where(mirrored, distance[1], distance[0]),
        torch.where(mirrored, place[1], place[0]),
        mirrored,
    )


def memorisation(inputs: MetricInputs) -> Terms:
    """Whether samples lie nearer to training images than unseen real images do.

    Meehan, Chaudhuri and Dasgupta 2020, "A non-parametric test to detect data-copying in
    generative models", section 3.1, the statistic of Mann and Whitney over the whole space: the
    probability that a sample's distance to its nearest training image is below that of a held-out
    image, ties counted half. 0.5 is what new images give, 1 what copies give; below 0.5 the
    samples are further from the training images than real ones are. Blurred samples without detail
    of their own lie near to every image and come out above 0.5 too: the picture ``nearest`` tells
    them from copies.

    Returns:
        For each sample, the share of held-out images that lie further away, ``(N,)``.

    Raises:
        ValueError: Nothing was held out.
    """
    if inputs.unseen is None:
        raise ValueError("Memorisation needs real images excluded from training.")
    train, held_out = inputs.unseen.train, inputs.unseen.held_out
    made = nearest(inputs.fake, train).distance
    real = np.sort(nearest(held_out, train).distance)
    below = np.searchsorted(real, made, side="left")
    ties = np.searchsorted(real, made, side="right") - below
    return np.asarray(1 - (below + ties / 2) / len(real), np.float64)


def _small(images: npt.NDArray[np.uint8]) -> torch.Tensor:
    """``(N, C, h, w)`` of at most 32 px a side, float64 so that equal images have distance 0."""
    small = torch.empty(len(images), images.shape[1], *_side(images), dtype=torch.float64)
    rows = max(1, _VALUES // images[:1].size)
    for start in range(0, len(images), rows):
        part = torch.from_numpy(np.array(images[start : start + rows])).double()
        small[start : start + rows] = F.adaptive_avg_pool2d(part, _side(images))
    return small


def _side(images: npt.NDArray[np.uint8]) -> tuple[int, int]:
    """Height and width at which images are compared."""
    return min(SIDE, images.shape[2]), min(SIDE, images.shape[3])
