"""Task ``segmentation``: how well are masks found in unseen images?"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from benchbed.api.method import Method
from benchbed.api.metric import MaskInputs, MetricValue
from benchbed.api.task import Evaluation, Reference, Task
from benchbed.data.framing import cut, put_back, resize_image
from benchbed.errors import BenchbedError
from benchbed.tasks.mask_scoring import score_masks
from benchbed.training.pictures import image_rows
from benchbed.training.sampling import probabilities

SHOWN = 8
"""Cases that are shown with their masks."""

Scores = npt.NDArray[np.float32]


class Segmentation(Task):
    """Predicts every case of the reference split and judges it at the case's own size."""

    def evaluate(self, evaluation: Evaluation) -> list[MetricValue]:
        """Score the method's masks, or the second annotator's where it has the ability for that.

        Raises:
            BenchbedError: The split has no masks, or a second annotator's are asked for where
                there is none.
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
    """The task's metrics of these scores, at the cases' own size."""
    inputs = MaskInputs(scores, [case.mask for case in cases], [case.fov for case in cases])
    return score_masks(evaluation.metrics, inputs, seed=evaluation.seed, counted=evaluation.counted)


def predict(
    method: Method[Any],
    cases: Sequence[Reference],
    seed: int,
    counted: Callable[[str, int, int], None],
) -> list[Scores]:
    """The probability of the foreground for every case, ``(H, W)`` at its own size."""
    total = len(cases)
    images = np.stack([case.image for case in cases])
    found = probabilities(method, images, seed, lambda done: counted("segmenting", done, total))
    return [
        put_back(values, case.part, (case.mask.shape[0], case.mask.shape[1]))
        for values, case in zip(found, cases, strict=True)
    ]


def comparison(cases: Sequence[Reference], scores: Sequence[Scores]) -> npt.NDArray[np.uint8]:
    """Rows of images, true masks and scores, as the methods saw them; ``(H, W, 3)`` uint8."""
    size = cases[0].image.shape[-1]
    truth = [case.mask.astype(np.float32) for case in cases]
    rows = [
        np.stack([case.image for case in cases]),
        np.stack([_shown(mask, case, size) for mask, case in zip(truth, cases, strict=True)]),
        np.stack([_shown(score, case, size) for score, case in zip(scores, cases, strict=True)]),
    ]
    return image_rows(rows, len(cases))


def _annotated(case: Reference) -> Scores:
    if case.second_mask is None:
        raise BenchbedError(f"The case {case.id} has no second annotator's mask.")
    return case.second_mask.astype(np.float32)


def _shown(plane: Scores, case: Reference, size: int) -> npt.NDArray[np.uint8]:
    """A plane of a case's own size as the square that the method saw, ``(1, size, size)``."""
    pixels = np.round(cut(plane, case.part) * 255).astype(np.uint8)
    return resize_image(pixels[..., None], size)[None, ..., 0]
