"""Dice of each case, and its variation over cases.

`benchbed.metrics.masks` pools the pixels of all cases, so large structures count for more; here
every case has the same weight, as in papers on volumes.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import numpy.typing as npt

from benchbed.api.metric import MaskInputs
from benchbed.metrics.masks import DEFAULT_THRESHOLD, Weights

Float = npt.NDArray[np.float64]


@lru_cache(maxsize=2)
def compute_case_dice(inputs: MaskInputs) -> Float:
    """Compute the Dice coefficient of each case above 0.5, inside its field of view.

    Dice 1945, "Measures of the amount of ecologic association between species": twice the overlap
    of two masks over the sum of their sizes; 1 where both are empty.

    Args:
        inputs: Cases of any number of axes; for volumes with several structures, the probability
            and the mask of any of them, which gives the Dice of the whole tumour.

    Returns:
        ``(N,)`` in [0, 1].
    """
    values: list[float] = []
    for scores, truth, fov in zip(inputs.probabilities, inputs.targets, inputs.fov, strict=True):
        predicted, true = (scores > DEFAULT_THRESHOLD) & fov, truth & fov
        total = int(np.count_nonzero(predicted)) + int(np.count_nonzero(true))
        values.append(2 * int(np.count_nonzero(predicted & true)) / total if total else 1.0)
    return np.array(values, np.float64)


def dice_per_case(inputs: MaskInputs, weights: Weights) -> Float:
    """Average the Dice of each case, with weights ``(R, N)``; returns ``(R,)``."""
    return np.asarray(weights @ compute_case_dice(inputs) / weights.sum(axis=1), np.float64)


def dice_per_case_sd(inputs: MaskInputs, weights: Weights) -> Float:
    """Compute the population standard deviation of the cases' Dice, with weights ``(R, N)``.

    Returns:
        ``(R,)``.
    """
    deviations = compute_case_dice(inputs) - dice_per_case(inputs, weights)[:, None]
    squares = (weights * np.square(deviations)).sum(axis=1)
    return np.asarray(np.sqrt(squares / weights.sum(axis=1)), np.float64)
