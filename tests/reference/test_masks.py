"""Metrics of predicted masks against scikit-learn, and against numbers worked by hand."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
import pytest
import torch
from skimage.filters import threshold_otsu
from sklearn import metrics as sklearn

from benchbed.api.metric import MaskInputs
from benchbed.metrics import masks
from benchbed.nn import mask_above_otsu

METRICS = (
    *("dice", "dice_best", "f1_macro", "auc_roc", "auc_pr", "average_precision"),
    *("sensitivity", "specificity", "accuracy"),
)

dice_otsu = partial(masks.dice, threshold="otsu")

Function = Callable[[MaskInputs, np.ndarray], np.ndarray]


def inputs(cases: int = 3, size: int = 40, seed: int = 0) -> MaskInputs:
    """Return random masks, scores correlated with them, and a round field of view."""
    rng = np.random.default_rng(seed)
    truth = [rng.random((size, size)) < 0.15 for _ in range(cases)]
    noise = [rng.normal(0, 1.5, (size, size)) for _ in range(cases)]
    scores = [1 / (1 + np.exp(-(4 * t - 3 + n))) for t, n in zip(truth, noise, strict=True)]
    down, across = np.mgrid[:size, :size] - size / 2
    fov = np.hypot(down, across) < size / 2.2
    return MaskInputs([s.astype(np.float32) for s in scores], truth, [fov] * cases)


def value(function: Function, given: MaskInputs) -> float:
    return float(function(given, np.ones((1, len(given)), np.int64))[0])


def pooled(given: MaskInputs) -> tuple[np.ndarray, np.ndarray]:
    scores = np.concatenate([s[f] for s, f in zip(given.probabilities, given.fov, strict=True)])
    truth = np.concatenate([t[f] for t, f in zip(given.targets, given.fov, strict=True)])
    return truth, scores


@pytest.mark.parametrize("seed", range(3))
def test_curves_equal_scikit_learns(seed: int) -> None:
    """Exactly: there are fewer different scores than levels."""
    given = inputs(seed=seed)
    truth, scores = pooled(given)
    precision, recall, _ = sklearn.precision_recall_curve(truth, scores)
    assert value(masks.auc_roc, given) == pytest.approx(
        sklearn.roc_auc_score(truth, scores), abs=1e-4
    )
    assert value(masks.auc_pr, given) == pytest.approx(sklearn.auc(recall, precision), abs=1e-4)
    f1 = 2 * precision * recall / np.maximum(precision + recall, 1e-12)
    assert value(masks.dice_best, given) == pytest.approx(f1.max(), abs=1e-4)


def test_thresholded_metrics_equal_scikit_learns() -> None:
    given = inputs()
    truth, scores = pooled(given)
    predicted = scores > 0.5
    expected = {
        masks.dice: sklearn.f1_score(truth, predicted),
        masks.f1_macro: sklearn.f1_score(truth, predicted, average="macro"),
        masks.sensitivity: sklearn.recall_score(truth, predicted),
        masks.specificity: sklearn.recall_score(~truth, ~predicted),
        masks.accuracy: sklearn.accuracy_score(truth, predicted),
    }
    for function, number in expected.items():
        assert value(function, given) == pytest.approx(number, abs=1e-12)


def test_otsu_threshold_is_per_image_inside_its_field_of_view() -> None:
    given = inputs()
    hit = missed = wrong = 0
    for score, truth, fov in zip(given.probabilities, given.targets, given.fov, strict=True):
        predicted = score[fov] > threshold_otsu(score[fov])
        hit += np.count_nonzero(predicted & truth[fov])
        wrong += np.count_nonzero(predicted & ~truth[fov])
        missed += np.count_nonzero(~predicted & truth[fov])
    assert value(dice_otsu, given) == pytest.approx(2 * hit / (2 * hit + wrong + missed))


ROWS = ("1100 0100 0000 0001", "1000 0110 0000 0001")


@pytest.mark.parametrize(
    ("last_row", "expected"),
    [
        (True, {"dice": 0.75, "f1_macro": 0.833333, "accuracy": 0.875, "sensitivity": 0.75}),
        (
            False,
            {
                "dice": 0.666667,
                "f1_macro": 0.777778,
                "accuracy": 0.833333,
                "sensitivity": 0.666667,
                "specificity": 0.888889,
            },
        ),
    ],
)
def test_a_worked_square(last_row: bool, expected: dict[str, float]) -> None:
    """Four by four pixels, counted by hand, with and without the last row in the field of view."""
    truth, predicted = (
        np.array([[int(c) for c in row] for row in text.split()]) > 0 for text in ROWS
    )
    fov = np.ones((4, 4), bool)
    fov[3] = last_row
    given = MaskInputs([predicted.astype(np.float32)], [truth], [fov])
    for name, number in expected.items():
        assert value(getattr(masks, name), given) == pytest.approx(number, abs=1e-6)


def test_a_worked_curve() -> None:
    """Six pixels: ROC 5/6, PR 0.877778 by trapezoids, best F1 0.8."""
    truth = np.array([[0, 0, 1, 1, 0, 1]]) > 0
    scores = np.array([[0.1, 0.4, 0.35, 0.8, 0.35, 0.9]], np.float32)
    given = MaskInputs([scores], [truth], [np.ones((1, 6), bool)])
    assert value(masks.auc_roc, given) == pytest.approx(0.833333, abs=1e-6)
    assert value(masks.auc_pr, given) == pytest.approx(0.877778, abs=1e-6)
    assert value(masks.dice_best, given) == pytest.approx(0.8, abs=1e-6)


def test_scores_near_0_and_1_keep_their_order() -> None:
    """Sigmoid scores are dense near 0 and 1; ranks are computed where they still differ."""
    truth = np.array([[0, 1, 0, 1]]) > 0
    scores = np.array([[1e-6, 2e-6, 1 - 2e-6, 1 - 1e-6]], np.float32)
    given = MaskInputs([scores], [truth], [np.ones((1, 4), bool)])
    assert value(masks.auc_roc, given) == pytest.approx(0.75)


def test_weights_are_repeated_cases() -> None:
    """A weight of 2 equals a repeated case, as the bootstrap resamples."""
    given = inputs()
    doubled = MaskInputs(
        [*given.probabilities, given.probabilities[1]],
        [*given.targets, given.targets[1]],
        [*given.fov, given.fov[1]],
    )
    for function in (dice_otsu, masks.dice_best, masks.auc_roc, masks.auc_pr, masks.accuracy):
        weighted = function(given, np.array([[1, 2, 1], [1, 1, 1]]))
        assert weighted[0] == pytest.approx(value(function, doubled), abs=1e-9)
        assert weighted[1] == pytest.approx(value(function, given), abs=1e-9)


def test_masks_without_foreground() -> None:
    """Nothing to find gives no value, which would be perfect or 0 by luck."""
    for predicted in (0.0, 1.0):
        given = MaskInputs(
            [np.full((4, 4), predicted, np.float32)] * 2,
            [np.zeros((4, 4), bool)] * 2,
            [np.ones((4, 4), bool)] * 2,
        )
        for name in METRICS:
            assert np.isnan(value(getattr(masks, name), given)), name
        assert np.isnan(value(dice_otsu, given))


def test_one_empty_mask_among_others_counts_its_false_positives() -> None:
    """Pooled metrics use its pixels; a resample that has only this mask has no value."""
    truth = np.zeros((4, 4), bool)
    truth[0] = True
    found = truth.astype(np.float32)
    given = MaskInputs([found, found], [truth, np.zeros((4, 4), bool)], [np.ones((4, 4), bool)] * 2)
    values = masks.dice(given, np.array([[1, 1], [0, 2]]))
    assert values[0] == pytest.approx(2 * 4 / (2 * 4 + 4))
    assert np.isnan(values[1])


def _make_inputs(scores: np.ndarray, truth: np.ndarray) -> MaskInputs:
    shape = (1, -1)
    given = scores.astype(np.float32).reshape(shape), truth.reshape(shape)
    return MaskInputs([given[0]], [given[1]], [np.ones_like(given[1])])


TRUTH = np.arange(1000) < 100
HARD = (np.arange(1000) < 80) | (np.arange(1000) >= 980)
"""A hard mask of precision and recall .8 at a prevalence of .1."""


@pytest.mark.parametrize(
    ("scores", "precision", "trapezoid", "roc"),
    [
        (np.zeros(1000), 0.1, 0.55, 0.5),
        (HARD, 0.66, 0.81, 0.8889),
        (TRUTH, 1.0, 1.0, 1.0),
        (~TRUTH, 0.1, 0.05, 0.0),
    ],
    ids=["nothing", "hard", "perfect", "inverted"],
)
def test_known_areas(scores: np.ndarray, precision: float, trapezoid: float, roc: float) -> None:
    """Closed forms for one threshold: P R + pi (1 - R), and the trapezoid through (0, 1)."""
    given = _make_inputs(scores, TRUTH)
    assert value(masks.average_precision, given) == pytest.approx(precision, abs=1e-4)
    assert value(masks.auc_pr, given) == pytest.approx(trapezoid, abs=1e-4)
    assert value(masks.auc_roc, given) == pytest.approx(roc, abs=1e-4)


@pytest.mark.parametrize("spread", [0.5, 5e-3, 5e-5, 1e-6])
def test_scores_that_are_close_are_told_apart(spread: float) -> None:
    """Ranks by logit in fixed steps gave .650 for .755 at 0.5 +- 5e-5."""
    rng = np.random.default_rng(0)
    truth = rng.random(20_000) < 0.15
    noise = rng.random(20_000) + 0.4 * truth
    scores = (0.5 + spread * (noise / 1.4 - 0.5)).astype(np.float32)
    given = _make_inputs(scores, truth)
    assert value(masks.auc_roc, given) == pytest.approx(
        sklearn.roc_auc_score(truth, scores), abs=1e-12
    )
    assert value(masks.average_precision, given) == pytest.approx(
        sklearn.average_precision_score(truth, scores), abs=1e-12
    )


def test_many_different_scores_share_levels_of_equal_rank() -> None:
    rng = np.random.default_rng(0)
    truth = rng.random(400_000) < 0.1
    scores = (rng.random(400_000) ** 8 * np.where(truth, 1, 0.4)).astype(np.float32)
    given = _make_inputs(scores, truth)
    assert masks.count_pixels(given).positive.shape[1] == masks.MAX_LEVELS
    assert value(masks.auc_roc, given) == pytest.approx(
        sklearn.roc_auc_score(truth, scores), abs=2e-5
    )
    assert value(masks.average_precision, given) == pytest.approx(
        sklearn.average_precision_score(truth, scores), abs=2e-4
    )


@pytest.mark.parametrize("base", [0.0, 0.3, 1.0])
def test_maps_that_are_nearly_constant_have_an_otsu_threshold(base: float) -> None:
    """scikit-image raised "Too many bins for data range" after training."""
    scores = np.full(1000, base, np.float32)
    scores[:10] = np.nextafter(np.float32(base), np.float32(2))
    assert value(dice_otsu, _make_inputs(scores, TRUTH)) == 0
    assert value(dice_otsu, _make_inputs(np.full(1000, base), TRUTH)) == 0
    maps = torch.from_numpy(scores).reshape(1, 1, 40, 25)
    assert not mask_above_otsu(maps).any()
