"""Task ``translation``: does the image generated from a mask match the real one?"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch

from benchbed.api.metric import ImageSet, MetricValue, PairedFunction, PairedInputs
from benchbed.api.specs import MetricSpec
from benchbed.api.task import EvaluationContext, Task
from benchbed.data.loader import to_pixels
from benchbed.tasks.scoring import score_each, score_generated_set, summarize_terms
from benchbed.training.sampling import preserve_training_state
from benchbed.utils.progress import ProgressCallback, ignore_progress

Images = npt.NDArray[np.float32]


class TranslationTask(Task):
    """Generates an image from each mask of the reference split and compares the two."""

    def evaluate(self, evaluation: EvaluationContext) -> list[MetricValue]:
        """Score the images at the run's size, each against the real one of its case.

        Metrics of sets compare all generated with all real images. The picture ``nearest`` shows
        the generated images nearest to a training image.
        """
        real, fake = _translate_cases(evaluation)
        pairs = [spec for spec in evaluation.metrics if spec.input_kind == "pairs"]
        values = score_pairs(
            pairs,
            PairedInputs(real, fake),
            seed=evaluation.seed,
            progress=evaluation.report_progress,
        )
        generated = ImageSet(fake if fake.ndim == 5 else to_pixels(torch.from_numpy(fake)))
        sets = [spec for spec in evaluation.metrics if spec.input_kind != "pairs"]
        return [*values, *score_generated_set(evaluation, generated, sets)]


def _translate_cases(evaluation: EvaluationContext) -> tuple[Images, Images]:
    """Return real images and those generated from their masks, ``(N, C, ...)`` in [-1, 1]."""
    method = evaluation.method
    real: list[torch.Tensor] = []
    fake: list[torch.Tensor] = []
    done = 0
    with preserve_training_state(method, evaluation.seed) as rng:
        for batch, total in evaluation.iter_batches(evaluation.reference_split):
            assert batch.mask is not None
            real.append(batch.image)
            fake.append(method.synthesize(batch.mask.to(method.device), rng).float().cpu())
            done += len(batch)
            evaluation.report_progress("translating masks", done, total)
    return torch.cat(real).numpy(), torch.cat(fake).clamp(-1.0, 1.0).numpy()


def score_pairs(
    metrics: Sequence[MetricSpec],
    inputs: PairedInputs,
    *,
    seed: int = 0,
    progress: ProgressCallback = ignore_progress,
) -> list[MetricValue]:
    """Compute metrics between generated images and the real ones of their cases."""
    count = len(inputs.real)

    def score(spec: MetricSpec, function: PairedFunction) -> MetricValue:
        return summarize_terms(spec, function(inputs), seed, count, count)

    return score_each(metrics, score, progress)
