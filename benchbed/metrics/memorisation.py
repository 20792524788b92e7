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

_ROWS = 256
"""Images whose distances are held at once."""

_VALUES = 2**24
"""Pixel values that are shrunk at once."""


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
            f"Images of {images.images.shape[1:]} cannot be looked for among {len(train)} of "
            f"{train.images.shape[1:]}."
        )
    small = _small(train.images)
    known = torch.cat([small, small.flip(3)]).flatten(1)
    distances: list[torch.Tensor] = []
    places: list[torch.Tensor] = []
    for part in _small(images.images).flatten(1).split(_ROWS):
        found = torch.cdist(part, known).min(dim=1)
        distances.append(found.values)
        places.append(found.indices)
    place = torch.cat(places).numpy()
    distance = torch.cat(distances).numpy() / np.sqrt(known.shape[1])
    return Neighbours(distance, place % len(train), place >= len(train))


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
        raise ValueError("Memorisation needs real images that were held out of training.")
    train, held_out = inputs.unseen.train, inputs.unseen.held_out
    made = nearest(inputs.fake, train).distance
    real = np.sort(nearest(held_out, train).distance)
    below = np.searchsorted(real, made, side="left")
    ties = np.searchsorted(real, made, side="right") - below
    return np.asarray(1 - (below + ties / 2) / len(real), np.float64)


def _small(images: npt.NDArray[np.uint8]) -> torch.Tensor:
    """``(N, C, h, w)`` of at most 32 px a side, float64 so that equal images have distance 0."""
    side = (min(SIDE, images.shape[2]), min(SIDE, images.shape[3]))
    rows = max(1, _VALUES // max(1, images[:1].size))
    parts = [
        F.adaptive_avg_pool2d(
            torch.from_numpy(np.array(images[start : start + rows])).double(), side
        )
        for start in range(0, len(images), rows)
    ]
    return torch.cat(parts)
