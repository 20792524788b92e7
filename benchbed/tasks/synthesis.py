"""Task ``synthesis``: are the samples like the real images?"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from benchbed.api.metric import ImageSet, MetricValue, Unseen
from benchbed.api.task import Evaluation, Task
from benchbed.data.feed import to_pixels
from benchbed.data.fov import common_fov
from benchbed.metrics.memorisation import nearest
from benchbed.tasks.scoring import score
from benchbed.training.pictures import image_rows
from benchbed.training.sampling import draw

Pixels = npt.NDArray[np.uint8]

SHOWN = 8
"""Samples, and held-out images, that are shown beside their nearest training images."""


class Synthesis(Task):
    """Draws samples from noise and compares them with the reference split."""

    def evaluate(self, evaluation: Evaluation) -> list[MetricValue]:
        """Score as many samples as the protocol says.

        Samples have no field of view of their own; where the real images have one, the samples
        get the pixels that lie inside it for most of the real images. The picture ``nearest``
        shows the samples that lie nearest to a training image.
        """
        total = evaluation.samples
        samples = draw(
            evaluation.method,
            total,
            evaluation.seed,
            lambda done: evaluation.counted("sampling", done, total),
        )
        real = evaluation.real[evaluation.reference_split]
        fov = None if real.fov is None else common_fov(real.fov, total)
        fake = ImageSet(to_pixels(samples.image), fov)
        train = evaluation.real[evaluation.train_split]
        held_out = evaluation.held_out_split
        unseen = Unseen(train, evaluation.real[held_out]) if held_out is not None else None
        evaluation.picture("nearest", nearest_grid(fake, train, unseen))
        return score(
            evaluation.metrics,
            real,
            fake,
            evaluation.features,
            seed=evaluation.seed,
            unseen=unseen,
            counted=evaluation.counted,
        )


def nearest_grid(fake: ImageSet, train: ImageSet, unseen: Unseen | None) -> Pixels:
    """The images that lie nearest to a training image, each above that image.

    The first two rows are samples; where something was held out, two more show the held-out
    images that lie nearest, as the yardstick.

    Returns:
        ``(H, W, 3)`` uint8.
    """
    sides = [fake] if unseen is None else [fake, unseen.held_out]
    return image_rows([row for side in sides for row in _beside_nearest(side, train)], SHOWN)


def _beside_nearest(images: ImageSet, train: ImageSet) -> tuple[Pixels, Pixels]:
    """The images nearest to a training image, nearest first, and those training images."""
    found = nearest(images, train)
    closest = np.argsort(found.distance, kind="stable")[:SHOWN]
    partners = train.images[found.place[closest]]
    mirrored = found.mirrored[closest, None, None, None]
    return images.images[closest], np.where(mirrored, partners[..., ::-1], partners)
