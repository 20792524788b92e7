"""Task ``segmentation``: how well are structures found in unseen images?"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from benchbed.api.method import Method
from benchbed.api.metric import MaskInputs, MetricValue
from benchbed.api.task import EvaluationContext, ReferenceCase, Task
from benchbed.api.types import CropBox
from benchbed.data.boxes import restore_volume
from benchbed.data.framing import restore_image
from benchbed.tasks.mask_pictures import draw_comparison
from benchbed.tasks.mask_scoring import score_masks
from benchbed.training.sampling import reduce_to_foreground, predict_probabilities

SHOWN_COUNT = 8
"""Number of cases shown with their masks."""

Scores = npt.NDArray[np.float32]


class SegmentationTask(Task):
    """Predicts every case of the reference split and scores it at the case's own size."""

    def evaluate(self, evaluation: EvaluationContext) -> list[MetricValue]:
        """Score the method's masks, or the second annotator's for the capability ``annotate``.

        Raises:
            BenchbedError: The split has no masks.
        """
        cases = list(evaluation.load_references(evaluation.reference_split))
        if "annotate" in evaluation.capabilities:
            scores = [_get_second_mask(case) for case in cases]
        else:
            scores = predict_cases(evaluation.method, cases, evaluation.seed, evaluation.report_progress)
        evaluation.save_picture("segmentation", draw_comparison(cases[:SHOWN_COUNT], scores[:SHOWN_COUNT]))
        return evaluate_scores(evaluation, cases, scores)


def evaluate_scores(
    evaluation: EvaluationContext, cases: Sequence[ReferenceCase], scores: Sequence[Scores]
) -> list[MetricValue]:
    """Compute the task's metrics of scores at the cases' own size."""
    inputs = MaskInputs(scores, [case.mask for case in cases], [case.fov for case in cases])
    return score_masks(evaluation.metrics, inputs, seed=evaluation.seed, counted=evaluation.report_progress)


def predict_cases(
    method: Method[Any],
    cases: Sequence[ReferenceCase],
    seed: int,
    counted: Callable[[str, int, int], None],
) -> list[Scores]:
    """Predict the foreground probability of every case, ``(H, W)`` at its own size."""
    total = len(cases)
    images = np.stack([case.image for case in cases])
    predicted = predict_probabilities(method, images, seed, lambda done: counted("segmenting", done, total))
    return [
        _resize_to_native(values, case) for values, case in zip(reduce_to_foreground(predicted), cases, strict=True)
    ]


def _resize_to_native(values: Scores, case: ReferenceCase) -> Scores:
    if isinstance(case.region, CropBox):
        depth, height, width = case.mask.shape
        return restore_volume(values, case.region, (depth, height, width))
    height, width = case.mask.shape
    return restore_image(values, case.region, (height, width))


def _get_second_mask(case: ReferenceCase) -> Scores:
    assert case.second_mask is not None  # planning refuses splits without one
    return case.second_mask.astype(np.float32)
