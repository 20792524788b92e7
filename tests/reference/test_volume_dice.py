"""Dice per case against scikit-learn and worked numbers; pooled metrics on volumes."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import f1_score

from benchbed.api.metric import MaskInputs
from benchbed.metrics import masks
from benchbed.metrics.masks import compute_case_dice, dice_per_case, dice_per_case_sd


def case(shared: int, found: int, true: int) -> tuple[np.ndarray, np.ndarray]:
    """Return scores and truth of 1000 voxels: `found` and `true` voxels, `shared` in both."""
    scores, truth = np.zeros(1000, np.float32), np.zeros(1000, bool)
    scores[:found] = 0.9
    truth[found - shared : found - shared + true] = True
    return scores.reshape(10, 10, 10), truth.reshape(10, 10, 10)


def inputs(*cases: tuple[np.ndarray, np.ndarray]) -> MaskInputs:
    scores, truth = zip(*cases, strict=True)
    return MaskInputs(scores, truth, [np.ones((10, 10, 10), bool)] * len(cases))


ONCE = np.ones((1, 3), np.int64)
# Twice the shared voxels over all: 0.9, 0.6 and 0.75.
WORKED = inputs(case(90, 100, 100), case(30, 20 + 30, 50), case(75, 100, 100))


def random_inputs(seed: int = 0) -> MaskInputs:
    rng = np.random.default_rng(seed)
    truth = [rng.random((6, 20, 24)) < share for share in (0.3, 0.05, 0.15)]
    scores = [np.clip(0.5 * t + rng.random(t.shape) * 0.6, 0, 1).astype(np.float32) for t in truth]
    fov = [rng.random(t.shape) < 0.8 for t in truth]
    return MaskInputs(scores, truth, fov)


def test_worked_cases() -> None:
    """0.9, 0.6 and 0.75 have mean 0.75 and population deviation 0.122474 (not 0.15)."""
    assert compute_case_dice(WORKED) == pytest.approx([0.9, 0.6, 0.75])
    assert dice_per_case(WORKED, ONCE) == pytest.approx([0.75])
    assert dice_per_case_sd(WORKED, ONCE) == pytest.approx([0.122474], abs=5e-7)


def test_an_empty_mask_has_no_dice_and_is_left_out() -> None:
    """An empty prediction would be perfect there; other cases keep their mean and deviation."""
    given = inputs(case(0, 0, 0), case(0, 10, 0), case(5, 10, 10), case(10, 10, 10))
    np.testing.assert_equal(compute_case_dice(given), [np.nan, np.nan, 0.5, 1.0])
    weights = np.ones((1, 4), int)
    assert dice_per_case(given, weights) == pytest.approx([0.75])
    assert dice_per_case_sd(given, weights) == pytest.approx([0.25])


def test_only_empty_masks_have_no_value() -> None:
    given = inputs(case(0, 0, 0), case(0, 0, 0))
    assert np.isnan(dice_per_case(given, ONCE[:, :2])).all()
    assert np.isnan(dice_per_case_sd(given, ONCE[:, :2])).all()


def test_dice_matches_the_published_formula() -> None:
    """(2 |A and B| + 1e-10) / (|A| + |B| + 1e-10), as in the authors' code, to 1e-9.

    It is 1 for two empty masks, which have no value here.
    """
    given = inputs(case(90, 100, 100), case(0, 0, 1), case(3, 700, 3))
    expected = [
        (2 * np.sum((s > 0.5) & t) + 1e-10) / (np.sum(s > 0.5) + np.sum(t) + 1e-10)
        for s, t in zip(given.probabilities, given.targets, strict=True)
    ]
    assert compute_case_dice(given) == pytest.approx(expected, abs=1e-9)


def test_dice_of_a_case_equals_scikit_learns_f1_in_the_field_of_view() -> None:
    given = random_inputs()
    expected = [
        f1_score(t[f], s[f] > 0.5)
        for s, t, f in zip(given.probabilities, given.targets, given.fov, strict=True)
    ]
    assert compute_case_dice(given) == pytest.approx(expected, abs=1e-12)
    assert dice_per_case(given, ONCE)[0] == pytest.approx(np.mean(expected))
    assert dice_per_case_sd(given, ONCE)[0] == pytest.approx(np.std(expected))


def test_weights_are_repeated_cases() -> None:
    """A weight of 2 equals a repeated case, as the bootstrap resamples."""
    weights = np.array([[1, 2, 0], [1, 1, 1], [3, 0, 0]])
    drawn = [np.repeat([0.9, 0.6, 0.75], row) for row in weights]
    assert dice_per_case(WORKED, weights) == pytest.approx([np.mean(row) for row in drawn])
    assert dice_per_case_sd(WORKED, weights) == pytest.approx([np.std(row) for row in drawn])


def test_cases_of_different_size_weigh_the_same() -> None:
    """Pooled Dice is dominated by the case of 800 voxels; Dice per case is not."""
    given = inputs(case(800, 800, 800), case(0, 2, 2))
    assert dice_per_case(given, ONCE[:, :2]) == pytest.approx([0.5])
    assert masks.dice(given, ONCE[:, :2])[0] > 0.99


@pytest.mark.parametrize(
    "name",
    [
        "dice",
        "dice_best",
        "f1_macro",
        "auc_roc",
        "auc_pr",
        "sensitivity",
        "specificity",
        "accuracy",
    ],
)
def test_pooled_metrics_of_volumes_equal_those_of_images(name: str) -> None:
    """The same voxels as a 2-D image give the same value, bit for bit."""
    given = random_inputs(seed=4)
    flat = MaskInputs(
        *([volume.reshape(6 * 20, 24) for volume in side] for side in vars(given).values())
    )
    weights = np.array([[1, 1, 1], [0, 2, 1]])
    function = getattr(masks, name)
    np.testing.assert_array_equal(function(given, weights), function(flat, weights))


def test_stored_histograms_do_not_grow_with_the_volume() -> None:
    """Curves need only the histogram of scores."""
    small, large = random_inputs(), WORKED
    for given in (small, large):
        tallied = masks.count_pixels(given)
        size = sum(array.nbytes for array in (tallied.positive, tallied.negative))
        assert size <= 3 * 2 * masks.MAX_LEVELS * 4
