"""Pictures of generated images next to their nearest training images."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch

from benchbed.api.metric import ImageSet, MemorisationSets
from benchbed.data.feed import to_pixels
from benchbed.metrics.memorisation import find_nearest
from benchbed.metrics.volume_memorisation import find_nearest_volumes
from benchbed.training.pictures import draw_image_rows

Pixels = npt.NDArray[np.uint8]

SHOWN_COUNT = 8
"""Number of samples, and of held-out images, shown with their nearest training images."""


def draw_nearest_grid(fake: ImageSet, train: ImageSet, unseen: MemorisationSets | None) -> Pixels:
    """Draw the images nearest to a training image, each above that image.

    The first two rows are samples; the next two, if images were held out, are the nearest held-out
    images for comparison. Volumes show the central axial slice of their first sequence.

    Args:
        fake: Images ``(N, C, H, W)`` uint8, or volumes ``(N, C, D, H, W)``, uint8 or float in [-1,
            1].
        train: Training images, likewise.
        unseen: Training and held-out images, or None if none were held out.

    Returns:
        ``(H, W, 3)`` uint8.
    """
    sides = [fake] if unseen is None else [fake, unseen.held_out]
    return draw_image_rows([row for side in sides for row in _find_nearest_pairs(side, train)], SHOWN_COUNT)


def _find_nearest_pairs(images: ImageSet, train: ImageSet) -> tuple[Pixels, Pixels]:
    """Return the images nearest to a training image, nearest first, and those training images."""
    neighbours = (find_nearest_volumes if images.images.ndim == 5 else find_nearest)(images, train)
    closest = np.argsort(neighbours.distance, kind="stable")[:SHOWN_COUNT]
    partners = _select_pictures(train, neighbours.train_index[closest])
    mirrored = neighbours.mirrored[closest, None, None, None]
    return _select_pictures(images, closest), np.where(mirrored, partners[..., ::-1], partners)


def _select_pictures(images: ImageSet, indices: npt.NDArray[np.intp]) -> Pixels:
    """Select images, or central slices of volumes, as ``(N, C, H, W)`` uint8."""
    chosen = np.asarray(images.images[indices])
    if chosen.ndim == 5:
        chosen = chosen[:, :1, chosen.shape[2] // 2]
    return chosen if chosen.dtype == np.uint8 else to_pixels(torch.from_numpy(chosen).float())
