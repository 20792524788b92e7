"""Task ``synthesis``: are the samples like the real images?"""

from __future__ import annotations

from benchbed.api.metric import ImageSet, MetricValue
from benchbed.api.task import EvaluationContext, Task
from benchbed.data.loader import to_pixels
from benchbed.data.preprocessing.framing import compute_common_fov
from benchbed.tasks.scoring import score_generated_set
from benchbed.training.sampling import draw_samples


class SynthesisTask(Task):
    """Draws samples from noise and compares them with the reference split."""

    def evaluate(self, evaluation: EvaluationContext) -> list[MetricValue]:
        """Score as many samples as the protocol requests.

        If the real images have fields of view, samples get the pixels inside most of them. The
        picture ``nearest`` shows the samples nearest to a training image.
        """
        total = evaluation.sample_count
        samples = draw_samples(
            evaluation.method,
            total,
            evaluation.seed,
            lambda done: evaluation.report_progress("sampling", done, total),
        )
        real = evaluation.real_images[evaluation.reference_split]
        fov = None if real.fov is None else compute_common_fov(real.fov, total)
        fake = ImageSet(to_pixels(samples.image), fov)
        return score_generated_set(evaluation, fake, evaluation.metrics)
