"""Task ``synthesis``: are the samples like the real images?"""

from __future__ import annotations

from benchbed.api.metric import ImageSet, MetricValue, Unseen
from benchbed.api.task import Evaluation, Task
from benchbed.data.feed import to_pixels
from benchbed.data.fov import common_fov
from benchbed.tasks.nearest import nearest_grid
from benchbed.tasks.scoring import score
from benchbed.training.sampling import draw


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
