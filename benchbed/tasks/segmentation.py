"""Task ``segmentation``: how well are structures found in unseen images?"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from benchbed.api.method import Method
from benchbed.api.metric import MaskInputs, MetricValue
from benchbed.api.task import Evaluation, Reference, Task
from benchbed.api.types import Box
from benchbed.data.boxes import put_back_box
from benchbed.data.framing import put_back
from benchbed.tasks.mask_pictures import comparison
from benchbed.tasks.mask_scoring import score_masks
from benchbed.training.sampling import foreground, probabilities

SHOWN = 8
"""Number of cases shown with their masks."""

Scores = npt.NDArray[np.float32]


class Segmentation(Task):
    """Predicts every case of the reference split and scores it at the case's own size."""

    def evaluate(self, evaluation: Evaluation) -> list[MetricValue]:
        """Score the method's masks, or the second annotator's for the capability ``annotate``.

        Raises:
            BenchbedError: The split has no masks.
        """
        cases = list(evaluation.references(evaluation.reference_split))
        if "annotate" in evaluation.abilities:
            scores = [_annotated(case) for case in cases]
        else:
            scores = predict(evaluation.method, cases, evaluation.seed, evaluation.counted)
        evaluation.picture("segmentation", comparison(cases[:SHOWN], scores[:SHOWN]))
        return judge(evaluation, cases, scores)


def judge(
    evaluation: Evaluation, cases: Sequence[Reference], scores: Sequence[Scores]
) -> list[MetricValue]:
    """Compute the task's metrics of scores at the cases' own size."""
    inputs = MaskInputs(scores, [case.mask for case in cases], [case.fov for case in cases])
    return score_masks(evaluation.metrics, inputs, seed=evaluation.seed, counted=evaluation.counted)


def predict(
    method: Method[Any],
    cases: Sequence[Reference],
    seed: int,
    counted: Callable[[str, int, int], None],
) -> list[Scores]:
    """Predict the foreground probability of every case, ``(H, W)`` at its own size."""
    total = len(cases)
    images = np.stack([case.image for case in cases])
    predicted = probabilities(method, images, seed, lambda done: counted("segmenting", done, total))
    return [
        _native(values, case) for values, case in zip(foreground(predicted), cases, strict=True)
    ]


def _native(values: Scores, case: Reference) -> Scores:
    if isinstance(case.part, Box):
        depth, height, width = case.mask.shape
        return put_back_box(values, case.part, (depth, height, width))
    height, width = case.mask.shape
    return put_back(values, case.part, (height, width))


def _annotated(case: Reference) -> Scores:
    assert case.second_mask is not None  # planning refuses splits without one
    return case.second_mask.astype(np.float32)
