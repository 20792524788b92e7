"""Metrics of predicted masks: pixels of all cases pooled, inside the field of view.

Each function takes weights of the cases, ``(R, N)``, and returns a value per row: a row of ones
gives the metric, resampled counts its bootstrap.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from skimage.filters import threshold_otsu

from benchbed.api.metric import MaskInputs

Float = npt.NDArray[np.float64]
Weights = npt.NDArray[np.int64]
_Measure = Callable[[Float, Float], Float]

BINS = 2**16
REACH = 18.0
"""Scores are ranked by their logit in 65,536 steps from -18 to 18, beyond which float32
probabilities are 0 or 1. This is finer than an 8-bit map, and equal scores stay equal."""

HALF = 0.5

_ROWS = 32
"""Resamples per chunk of curves."""


class Counts(NamedTuple):
    """Pixel counts of each case, ``(N,)`` or, pooled, ``(R,)``."""

    tp: Float
    fp: Float
    fn: Float
    tn: Float


class Tally(NamedTuple):
    """Pixel counts from which all metrics are computed.

    Attributes:
        positive: Foreground pixels of each case by score rank ``(N, 65536)``.
        negative: Background pixels, likewise.
        half: Counts of each case at the threshold 0.5.
        otsu: Counts of each case at its own Otsu threshold.
    """

    positive: npt.NDArray[np.int32]
    negative: npt.NDArray[np.int32]
    half: Counts
    otsu: Counts


@lru_cache(maxsize=2)
def tally(inputs: MaskInputs) -> Tally:
    """Count the pixels of every case; cached."""
    positive, negative, half, otsu = [], [], [], []
    for scores, truth, fov in zip(inputs.scores, inputs.truth, inputs.fov, strict=True):
        score, true = scores[fov], truth[fov]
        rank = _rank(score)
        positive.append(np.bincount(rank[true], minlength=BINS).astype(np.int32))
        negative.append(np.bincount(rank[~true], minlength=BINS).astype(np.int32))
        half.append(_counts(score > HALF, true))
        # The Otsu threshold of a constant map is its value, so nothing exceeds it.
        otsu.append(_counts(score > threshold_otsu(score), true))
    return Tally(np.stack(positive), np.stack(negative), _columns(half), _columns(otsu))


def dice(inputs: MaskInputs, weights: Weights) -> Float:
    """Compute the Dice coefficient (F1) above 0.5."""
    return _dice(_pooled(tally(inputs).half, weights))


def dice_otsu(inputs: MaskInputs, weights: Weights) -> Float:
    """Compute the Dice coefficient above each image's Otsu threshold, inside its field of view."""
    return _dice(_pooled(tally(inputs).otsu, weights))


def dice_best(inputs: MaskInputs, weights: Weights) -> Float:
    """Compute the Dice coefficient at the best single threshold: an oracle."""
    return _over_curves(inputs, weights, _best)


def f1_macro(inputs: MaskInputs, weights: Weights) -> Float:
    """Compute the mean F1 of foreground and background above 0.5."""
    tp, fp, fn, tn = _pooled(tally(inputs).half, weights)
    return (_dice(Counts(tp, fp, fn, tn)) + _dice(Counts(tn, fn, fp, tp))) / 2


def auc_roc(inputs: MaskInputs, weights: Weights) -> Float:
    """Compute the area under the ROC curve; ties count half."""
    return _over_curves(inputs, weights, _roc)


def auc_pr(inputs: MaskInputs, weights: Weights) -> Float:
    """Compute the area under the precision-recall curve by the trapezoid rule, as in the papers."""
    return _over_curves(inputs, weights, _pr)


def sensitivity(inputs: MaskInputs, weights: Weights) -> Float:
    """Compute the share of the foreground above 0.5."""
    tp, _, fn, _ = _pooled(tally(inputs).half, weights)
    return _ratio(tp, tp + fn)


def specificity(inputs: MaskInputs, weights: Weights) -> Float:
    """Compute the share of the background not above 0.5."""
    _, fp, _, tn = _pooled(tally(inputs).half, weights)
    return _ratio(tn, tn + fp)


def accuracy(inputs: MaskInputs, weights: Weights) -> Float:
    """Compute the share of pixels classified correctly at 0.5."""
    counts = _pooled(tally(inputs).half, weights)
    return _ratio(counts.tp + counts.tn, sum(counts, np.zeros_like(counts.tp)))


def _rank(score: npt.NDArray[np.float32]) -> npt.NDArray[np.int64]:
    wide = score.astype(np.float64)
    with np.errstate(divide="ignore"):
        logit = np.log(wide) - np.log1p(-wide)
    share = (logit.clip(-REACH, REACH) + REACH) / (2 * REACH)
    return np.asarray(np.rint(share * (BINS - 1)), np.int64)


def _counts(predicted: npt.NDArray[np.bool_], true: npt.NDArray[np.bool_]) -> tuple[int, ...]:
    tp = int(np.count_nonzero(predicted & true))
    fp, fn = int(np.count_nonzero(predicted)) - tp, int(np.count_nonzero(true)) - tp
    return tp, fp, fn, true.size - tp - fp - fn


def _columns(rows: list[tuple[int, ...]]) -> Counts:
    return Counts(*np.asarray(rows, np.float64).T)


def _pooled(counts: Counts, weights: Weights) -> Counts:
    return Counts(*(weights @ column for column in counts))


def _ratio(part: Float, whole: Float) -> Float:
    """Divide; NaN where `whole` is 0."""
    return np.divide(part, whole, out=np.full_like(part, np.nan), where=whole > 0)


def _dice(counts: Counts) -> Float:
    """Compute 2 TP / (2 TP + FP + FN); 1 where both masks are empty."""
    tp, fp, fn, _ = counts
    whole = 2 * tp + fp + fn
    return np.divide(2 * tp, whole, out=np.ones_like(tp), where=whole > 0)


def _over_curves(inputs: MaskInputs, weights: Weights, measure: _Measure) -> Float:
    """Apply a measure to ``(tp, fp)`` at every threshold, in descending order."""
    pixels = tally(inputs)
    values: list[Float] = []
    for start in range(0, len(weights), _ROWS):
        rows = weights[start : start + _ROWS].astype(np.float64)
        tp = np.cumsum((rows @ pixels.positive)[:, ::-1], axis=1)
        fp = np.cumsum((rows @ pixels.negative)[:, ::-1], axis=1)
        values.append(measure(tp, fp))
    return np.concatenate(values)


def _best(tp: Float, fp: Float) -> Float:
    zero = np.zeros_like(tp)
    return np.asarray(_dice(Counts(tp, fp, tp[:, -1:] - tp, zero)).max(axis=1))


def _roc(tp: Float, fp: Float) -> Float:
    area = (np.diff(fp, prepend=0.0) * (tp - np.diff(tp, prepend=0.0) / 2)).sum(axis=1)
    return _ratio(area, tp[:, -1] * fp[:, -1])


def _pr(tp: Float, fp: Float) -> Float:
    # Precision is 1 at recall 0 by convention, as in scikit-learn.
    predicted = tp + fp
    precision = np.divide(tp, predicted, out=np.ones_like(tp), where=predicted > 0)
    previous = np.concatenate([np.ones_like(precision[:, :1]), precision[:, :-1]], axis=1)
    area = (np.diff(tp, prepend=0.0) * (precision + previous) / 2).sum(axis=1)
    return _ratio(area, tp[:, -1])
