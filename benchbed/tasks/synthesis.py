"""Task ``synthesis``: are the samples like the real images?"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from torch import Tensor

from benchbed.api.metric import ImageSet, MetricValue
from benchbed.api.task import EvaluationContext, Task
from benchbed.data.loader import to_pixels
from benchbed.data.preprocessing.framing import compute_common_fov
from benchbed.tasks.pictures import draw_histograms, draw_nearest_grid, draw_overview
from benchbed.tasks.scoring import score_generated_set
from benchbed.training.sampling import draw_samples


class SynthesisTask(Task):
    """Draws samples from noise and compares them with the reference split."""

    def evaluate(self, evaluation: EvaluationContext) -> list[MetricValue]:
        """Score as many samples as the protocol requests.

        If the real images have fields of view, samples get the pixels inside most of them. The
        picture ``overview`` shows samples next to real images, ``nearest`` those nearest to a
        training image, ``nearest-masks`` the same for generated masks, and ``intensities`` the
        histograms of both sets.
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
        train = evaluation.real_images[evaluation.train_split]
        evaluation.save_picture("overview", draw_overview(fake, real, train))
        evaluation.save_picture("intensities", draw_histograms(real, fake))
        if samples.mask is not None and (masks := _load_training_masks(evaluation)) is not None:
            generated = ImageSet(_draw_foreground(samples.mask))
            evaluation.save_picture("nearest-masks", draw_nearest_grid(generated, masks, None))
        return score_generated_set(evaluation, fake, evaluation.metrics)


def _load_training_masks(evaluation: EvaluationContext) -> ImageSet | None:
    """Return the masks of the training split as images, or None if it has none."""
    parts: list[npt.NDArray[np.uint8]] = []
    for batch, _ in evaluation.iter_batches(evaluation.train_split):
        if batch.mask is None:
            return None
        parts.append(_draw_foreground(batch.mask))
    return ImageSet(np.concatenate(parts)) if parts else None


def _draw_foreground(mask: Tensor) -> npt.NDArray[np.uint8]:
    """Return masks ``(B, M, H, W)`` in [-1, 1] as ``(B, 1, H, W)``, white in any structure."""
    return to_pixels(mask.amax(1, keepdim=True))
