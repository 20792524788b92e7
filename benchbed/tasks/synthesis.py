"""Task ``synthesis``: are the samples like the real images?"""

from __future__ import annotations

import numpy as np

from benchbed.api.metric import ImageSet, MetricValue
from benchbed.api.task import Evaluation, Task
from benchbed.data.feed import to_pixels
from benchbed.tasks.scoring import score
from benchbed.training.sampling import draw


class Synthesis(Task):
    """Draws samples from noise and compares them with the reference split."""

    def evaluate(self, evaluation: Evaluation) -> list[MetricValue]:
        """Score as many samples as the protocol says.

        Samples have no field of view of their own; where the real images have one, the samples
        get the pixels that lie inside it for most of the real images.
        """
        total = evaluation.samples
        samples = draw(
            evaluation.method,
            total,
            evaluation.seed,
            lambda done: evaluation.counted("sampling", done, total),
        )
        real = evaluation.real[evaluation.reference_split]
        fake = ImageSet(to_pixels(samples.image), common_fov(real, total))
        return score(
            evaluation.metrics,
            real,
            fake,
            evaluation.features,
            seed=evaluation.seed,
            counted=evaluation.counted,
        )


def common_fov(
    real: ImageSet, count: int
) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]] | None:
    """The pixels inside the field of view of most real images, once for each of `count` images."""
    if real.fov is None:
        return None
    common = (np.mean(real.fov, axis=0) > 0.5).astype(np.uint8)
    return np.broadcast_to(common, (count, *common.shape))
