"""Metrics of predicted masks: pixels of all cases pooled, inside the field of view.

Each function takes weights of the cases, ``(R, N)``, and returns a value per row: a row of ones
gives the metric, resampled counts its bootstrap. A row without foreground in its true masks has no
value (NaN): an empty prediction would be perfect there.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from benchbed.api.metric import MaskInputs
from benchbed.utils.otsu import find_otsu_threshold

Float = npt.NDArray[np.float64]
Weights = npt.NDArray[np.int64]
_Measure = Callable[[Float, Float], Float]

MAX_LEVELS = 2**16
"""Maximum number of score levels. With more different scores, levels are so chosen that each holds
as many of them; equal scores stay equal."""

_SAMPLED_LEVELS = 2**18
"""Maximum number of different scores of a case from which the levels are chosen."""

DEFAULT_THRESHOLD = 0.5

_CHUNK_RESAMPLES = 32
"""Resamples per chunk of curves."""


class ConfusionCounts(NamedTuple):
    """Pixel counts of each case, ``(N,)`` or, pooled, ``(R,)``."""

    tp: Float
    fp: Float
    fn: Float
    tn: Float


class PixelTally(NamedTuple):
    """Pixel counts from which all metrics are computed.

    Attributes:
        positive: Foreground pixels of each case by score level ``(N, L)``, in ascending order.
        negative: Background pixels, likewise.
        counts: Counts of each case by threshold: ``"half"`` (0.5), ``"otsu"`` (of each case).
    """

    positive: npt.NDArray[np.int32]
    negative: npt.NDArray[np.int32]
    counts: Mapping[str, ConfusionCounts]


@lru_cache(maxsize=2)
def count_pixels(inputs: MaskInputs) -> PixelTally:
    """Count the pixels of every case; cached."""
    positive, negative, half, otsu = [], [], [], []
    levels = _find_levels(inputs)
    for scores, truth, fov in zip(inputs.probabilities, inputs.targets, inputs.fov, strict=True):
        score, true = scores[fov], truth[fov]
        rank = np.searchsorted(levels, score, side="right") - 1
        positive.append(np.bincount(rank[true], minlength=len(levels)).astype(np.int32))
        negative.append(np.bincount(rank[~true], minlength=len(levels)).astype(np.int32))
        half.append(_count_confusion(score > DEFAULT_THRESHOLD, true))
        otsu.append(_count_confusion(score > find_otsu_threshold(score), true))
    counts = {"half": _to_columns(half), "otsu": _to_columns(otsu)}
    return PixelTally(np.stack(positive), np.stack(negative), counts)


def dice(inputs: MaskInputs, weights: Weights, *, threshold: str = "half") -> Float:
    """Compute the Dice coefficient (F1).

    Args:
        inputs: The cases.
        weights: Weights of the cases.
        threshold: ``"half"`` for above 0.5, ``"otsu"`` for above each image's Otsu threshold,
            inside its field of view.
    """
    return _compute_dice(_pool_counts(inputs, weights, threshold))


def dice_best(inputs: MaskInputs, weights: Weights) -> Float:
    """Compute the Dice coefficient at the best single threshold: an oracle."""
    return _map_curves(inputs, weights, _find_best_dice)


def f1_macro(inputs: MaskInputs, weights: Weights) -> Float:
    """Compute the mean F1 of foreground and background above 0.5."""
    counts = _pool_counts(inputs, weights)
    return (_compute_dice(counts) + _compute_dice(ConfusionCounts(*counts[::-1]))) / 2


def auc_roc(inputs: MaskInputs, weights: Weights) -> Float:
    """Compute the area under the ROC curve; ties count half."""
    return _map_curves(inputs, weights, _compute_roc_area)


def average_precision(inputs: MaskInputs, weights: Weights) -> Float:
    """Compute the precision at every threshold, weighted by the recall that it adds."""
    return _map_curves(inputs, weights, _compute_average_precision)


def auc_pr(inputs: MaskInputs, weights: Weights) -> Float:
    """Compute the area under the precision-recall curve by the trapezoid rule, as some papers do.

    Between two thresholds the curve is no line (Davis, Goadrich 2006): where many pixels have one
    score, the area is too large.
    """
    return _map_curves(inputs, weights, _compute_pr_area)


def sensitivity(inputs: MaskInputs, weights: Weights) -> Float:
    """Compute the share of the foreground above 0.5."""
    counts = _pool_counts(inputs, weights)
    return _compute_ratio(counts.tp, counts.tp + counts.fn)


def specificity(inputs: MaskInputs, weights: Weights) -> Float:
    """Compute the share of the background not above 0.5."""
    counts = _pool_counts(inputs, weights)
    return _drop_empty(_compute_ratio(counts.tn, counts.tn + counts.fp), counts)


def accuracy(inputs: MaskInputs, weights: Weights) -> Float:
    """Compute the share of pixels classified correctly at 0.5."""
    counts = _pool_counts(inputs, weights)
    share = _compute_ratio(counts.tp + counts.tn, sum(counts, np.zeros_like(counts.tp)))
    return _drop_empty(share, counts)


def _find_levels(inputs: MaskInputs) -> npt.NDArray[np.float32]:
    """Return the lower ends of the score levels of all cases, in ascending order."""
    found = [
        _thin_out(np.unique(scores[fov]), _SAMPLED_LEVELS)
        for scores, fov in zip(inputs.probabilities, inputs.fov, strict=True)
    ]
    return _thin_out(np.unique(np.concatenate(found)), MAX_LEVELS)


def _thin_out(values: npt.NDArray[np.float32], count: int) -> npt.NDArray[np.float32]:
    """Return at most `count` of the sorted values at equal ranks, always with the smallest."""
    if len(values) <= count:
        return values
    return values[np.linspace(0, len(values) - 1, count).astype(np.int64)]


def _count_confusion(
    predicted: npt.NDArray[np.bool_], true: npt.NDArray[np.bool_]
) -> tuple[int, ...]:
    tp = int(np.count_nonzero(predicted & true))
    fp, fn = int(np.count_nonzero(predicted)) - tp, int(np.count_nonzero(true)) - tp
    return tp, fp, fn, true.size - tp - fp - fn


def _to_columns(rows: list[tuple[int, ...]]) -> ConfusionCounts:
    return ConfusionCounts(*np.asarray(rows, np.float64).T)


def _pool_counts(inputs: MaskInputs, weights: Weights, threshold: str = "half") -> ConfusionCounts:
    return ConfusionCounts(*(weights @ column for column in count_pixels(inputs).counts[threshold]))


def _compute_ratio(part: Float, whole: Float) -> Float:
    """Divide; NaN where `whole` is 0."""
    return np.divide(part, whole, out=np.full_like(part, np.nan), where=whole > 0)


def _drop_empty(values: Float, counts: ConfusionCounts) -> Float:
    """Replace values by NaN where the true masks have no foreground."""
    return np.where(counts.tp + counts.fn > 0, values, np.nan)


def _compute_dice(counts: ConfusionCounts) -> Float:
    """Compute 2 TP / (2 TP + FP + FN); NaN where the true mask is empty."""
    tp, fp, fn, _ = counts
    return _drop_empty(_compute_ratio(2 * tp, 2 * tp + fp + fn), counts)


def _map_curves(inputs: MaskInputs, weights: Weights, measure: _Measure) -> Float:
    """Apply a measure to ``(tp, fp)`` at every threshold, in descending order."""
    pixels = count_pixels(inputs)
    values: list[Float] = []
    for start in range(0, len(weights), _CHUNK_RESAMPLES):
        rows = weights[start : start + _CHUNK_RESAMPLES].astype(np.float64)
        tp = np.cumsum((rows @ pixels.positive)[:, ::-1], axis=1)
        fp = np.cumsum((rows @ pixels.negative)[:, ::-1], axis=1)
        values.append(measure(tp, fp))
    return np.concatenate(values)


def _find_best_dice(tp: Float, fp: Float) -> Float:
    zero = np.zeros_like(tp)
    return np.asarray(_compute_dice(ConfusionCounts(tp, fp, tp[:, -1:] - tp, zero)).max(axis=1))


def _compute_roc_area(tp: Float, fp: Float) -> Float:
    area = (np.diff(fp, prepend=0.0) * (tp - np.diff(tp, prepend=0.0) / 2)).sum(axis=1)
    return _compute_ratio(area, tp[:, -1] * fp[:, -1])


def _compute_average_precision(tp: Float, fp: Float) -> Float:
    gained = np.diff(tp, prepend=0.0)
    return _compute_ratio((gained * tp / np.maximum(tp + fp, 1)).sum(axis=1), tp[:, -1])


def _compute_pr_area(tp: Float, fp: Float) -> Float:
    # Precision is 1 at recall 0 by convention, as in scikit-learn.
    predicted = tp + fp
    precision = np.divide(tp, predicted, out=np.ones_like(tp), where=predicted > 0)
    previous = np.concatenate([np.ones_like(precision[:, :1]), precision[:, :-1]], axis=1)
    area = (np.diff(tp, prepend=0.0) * (precision + previous) / 2).sum(axis=1)
    return _compute_ratio(area, tp[:, -1])


@lru_cache(maxsize=2)
def compute_case_dice(inputs: MaskInputs) -> Float:
    """Compute the Dice coefficient of each case above 0.5, inside its field of view.

    Dice 1945, "Measures of the amount of ecologic association between species": twice the overlap
    of two masks over the sum of their sizes. Of several structures, any counts: the Dice of the
    whole tumour.

    Returns:
        ``(N,)`` in [0, 1], NaN where the true mask is empty.
    """
    values: list[float] = []
    for scores, truth, fov in zip(inputs.probabilities, inputs.targets, inputs.fov, strict=True):
        predicted, true = (scores > DEFAULT_THRESHOLD) & fov, truth & fov
        size = int(np.count_nonzero(true))
        overlap = int(np.count_nonzero(predicted & true))
        total = size + int(np.count_nonzero(predicted))
        values.append(2 * overlap / total if size else np.nan)
    return np.array(values, np.float64)


def dice_per_case(inputs: MaskInputs, weights: Weights) -> Float:
    """Average the Dice of the cases that have one, with weights ``(R, N)``; returns ``(R,)``."""
    values, used = _select_defined(inputs, weights)
    return _compute_ratio(used @ values, used.sum(axis=1))


def dice_per_case_sd(inputs: MaskInputs, weights: Weights) -> Float:
    """Compute the population standard deviation of the cases' Dice, with weights ``(R, N)``.

    Returns:
        ``(R,)``.
    """
    values, used = _select_defined(inputs, weights)
    deviations = values - dice_per_case(inputs, weights)[:, None]
    squares = (used * np.square(deviations)).sum(axis=1)
    return np.sqrt(_compute_ratio(squares, used.sum(axis=1)))


def _select_defined(inputs: MaskInputs, weights: Weights) -> tuple[Float, Float]:
    """Return the Dice of each case, and weights that are 0 where it is undefined."""
    values = compute_case_dice(inputs)
    is_defined = ~np.isnan(values)
    return np.where(is_defined, values, 0.0), np.asarray(weights * is_defined, np.float64)
