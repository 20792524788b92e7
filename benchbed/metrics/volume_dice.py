"""Dice of each case, and how it varies from case to case.

`benchbed.metrics.masks` pools the pixels of all cases, so that a large structure counts for more
than a small one; here every case counts the same, as papers on volumes have it.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import numpy.typing as npt

from benchbed.api.metric import MaskInputs
from benchbed.metrics.masks import HALF, Weights

Float = npt.NDArray[np.float64]


@lru_cache(maxsize=2)
def dice_of_cases(inputs: MaskInputs) -> Float:
    """The Dice coefficient of each case, of what exceeds 0.5 inside its field of view.

    Dice 1945, "Measures of the amount of ecologic association between species": twice what two
    masks share over what they hold together; 1 where neither holds anything.

    Args:
        inputs: Cases of any number of axes; of a volume with several structures, the probability
            of any of them and the mask of all of them, which gives the Dice of the whole tumour.

    Returns:
        ``(N,)`` in [0, 1].
    """
    values: list[float] = []
    for scores, truth, fov in zip(inputs.scores, inputs.truth, inputs.fov, strict=True):
        found, true = (scores > HALF) & fov, truth & fov
        held = int(np.count_nonzero(found)) + int(np.count_nonzero(true))
        values.append(2 * int(np.count_nonzero(found & true)) / held if held else 1.0)
    return np.array(values, np.float64)


def dice_per_case(inputs: MaskInputs, weights: Weights) -> Float:
    """The mean of `dice_of_cases`, each as often as its weight says.

    Args:
        inputs: The cases.
        weights: How often each counts, ``(R, N)``.

    Returns:
        ``(R,)``.
    """
    return np.asarray(weights @ dice_of_cases(inputs) / weights.sum(axis=1), np.float64)


def dice_per_case_sd(inputs: MaskInputs, weights: Weights) -> Float:
    """The standard deviation of `dice_of_cases`, as of all the cases there are (ddof 0).

    Args:
        inputs: The cases.
        weights: How often each counts, ``(R, N)``.

    Returns:
        ``(R,)``.
    """
    away = dice_of_cases(inputs) - dice_per_case(inputs, weights)[:, None]
    squares = (weights * np.square(away)).sum(axis=1)
    return np.asarray(np.sqrt(squares / weights.sum(axis=1)), np.float64)
