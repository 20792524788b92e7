"""Task ``segmentation``: how well are structures found in unseen images?"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from benchbed.api.metric import MaskFunction, MaskInputs, MetricValue
from benchbed.api.specs import MetricSpec
from benchbed.api.task import EvaluationContext, ReferenceCase, Task
from benchbed.api.types import CropBox
from benchbed.data.preprocessing.framing import restore_image
from benchbed.data.preprocessing.volume_cases import restore_volume
from benchbed.metrics.bootstrap import bootstrap_interval
from benchbed.metrics.masks import DEFAULT_THRESHOLD
from benchbed.tasks.pictures import draw_comparison
from benchbed.tasks.scoring import score_each
from benchbed.training.sampling import predict_probabilities, reduce_to_foreground
from benchbed.utils.progress import ProgressCallback, ignore_progress

Scores = npt.NDArray[np.float32]

RESAMPLES = 500


def score_masks(
    metrics: Sequence[MetricSpec],
    inputs: MaskInputs,
    *,
    seed: int = 0,
    progress: ProgressCallback = ignore_progress,
) -> list[MetricValue]:
    """Compute metrics of predicted masks.

    Intervals are over 500 resamples of the cases, whose pixels are pooled as in the metric.
    """

    def score(spec: MetricSpec, function: MaskFunction) -> MetricValue:
        return _score_metric(spec, function, inputs, seed)

    return score_each(metrics, score, progress)


def _score_metric(
    spec: MetricSpec, function: MaskFunction, inputs: MaskInputs, seed: int
) -> MetricValue:
    count = len(inputs)
    if count < spec.min_samples:
        note = f"needs at least {spec.min_samples} cases, got {count}"
        return MetricValue(spec.name, None, spec.recipe, count, count, note=note)

    if spec.needs_graded_scores and not _are_graded(inputs):
        note = "hard masks: predictions of two values have no curve"
        return MetricValue(spec.name, None, spec.recipe, count, count, note=note)

    def measure(cases: npt.NDArray[np.int64], axis: int = -1) -> npt.NDArray[np.float64]:
        # Resampled cases to weights, which cost less than pooling their pixels again.
        weights = [np.bincount(row, minlength=count) for row in cases.reshape(-1, count)]
        return function(inputs, np.stack(weights)).reshape(cases.shape[:-1])

    cases = np.arange(count)
    value = float(measure(cases))
    if np.isnan(value):
        note = "the masks contain only one class inside the field of view"
        return MetricValue(spec.name, None, spec.recipe, count, count, note=note)
    interval = bootstrap_interval(cases, measure, resamples=RESAMPLES, seed=seed)
    low, high = interval or (None, None)
    return MetricValue(
        spec.name, value, spec.recipe, count, count, ci_low=low, ci_high=high,
        note=_describe_empty(inputs),
    )  # fmt: skip


def _are_graded(inputs: MaskInputs) -> bool:
    """Return whether some prediction has more than two values inside the field of view."""
    return any(
        ((inside != inside.min()) & (inside != inside.max())).any()
        for scores, fov in zip(inputs.probabilities, inputs.fov, strict=True)
        for inside in [scores[fov]]
    )


def _describe_empty(inputs: MaskInputs) -> str:
    """Count the cases without foreground, true or predicted, inside the field of view."""
    cases = list(zip(inputs.probabilities, inputs.targets, inputs.fov, strict=True))
    true = sum(not (truth & fov).any() for _, truth, fov in cases)
    predicted = sum(not (scores[fov] > DEFAULT_THRESHOLD).any() for scores, _, fov in cases)
    notes = []
    if true:
        notes.append(f"{true} of {len(cases)} masks are empty inside the field of view")
    if predicted:
        notes.append(f"{predicted} of {len(cases)} predictions have no foreground above 0.5")
    return "; ".join(notes)


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
            scores = _predict_cases(evaluation, cases)
        evaluation.save_picture("segmentation", draw_comparison(cases, scores))
        inputs = MaskInputs(scores, [case.mask for case in cases], [case.fov for case in cases])
        return score_masks(
            evaluation.metrics, inputs, seed=evaluation.seed, progress=evaluation.report_progress
        )


def _predict_cases(evaluation: EvaluationContext, cases: Sequence[ReferenceCase]) -> list[Scores]:
    """Predict the foreground probability of every case, ``(H, W)`` at its own size."""
    predicted = predict_probabilities(
        evaluation.method,
        np.stack([case.image for case in cases]),
        evaluation.seed,
        lambda done: evaluation.report_progress("segmenting", done, len(cases)),
    )
    foreground = reduce_to_foreground(predicted)
    return [_resize_to_native(*pair) for pair in zip(foreground, cases, strict=True)]


def _resize_to_native(values: Scores, case: ReferenceCase) -> Scores:
    if isinstance(case.region, CropBox):
        depth, height, width = case.mask.shape
        return restore_volume(values, case.region, (depth, height, width))
    height, width = case.mask.shape
    return restore_image(values, case.region, (height, width))


def _get_second_mask(case: ReferenceCase) -> Scores:
    assert case.second_mask is not None  # planning refuses splits without one
    return case.second_mask.astype(np.float32)
