"""Bootstrap interval over cases. Free of torch: reports use it too."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from benchbed.utils.statistics import MIN_BOOTSTRAP_CASES

_CHUNK_VALUES = 2**22
"""Resampled values at once, which bounds the memory."""


def bootstrap_interval(
    samples: npt.NDArray[Any],
    statistic: Callable[..., npt.NDArray[np.floating]] = np.mean,
    *,
    resamples: int = 9999,
    seed: int = 0,
) -> tuple[float, float] | None:
    """Return the 95 % percentile bootstrap interval (Efron 1979) of a statistic over cases.

    Resamples without a value (NaN) are ignored.

    Args:
        samples: ``(n,)``.
        statistic: Reduces the last axis of ``(..., n)``; called with ``axis=-1``.
        resamples: Number of resamples.
        seed: Random seed of the resamples.

    Returns:
        Lower and upper end; None below `MIN_BOOTSTRAP_CASES` cases.
    """
    if len(samples) < MIN_BOOTSTRAP_CASES:
        return None
    # Imported late: slow to load, and reports need only the minimum.
    from scipy import stats

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", stats.DegenerateDataWarning)  # of NaN
        result = stats.bootstrap(
            (samples,), statistic, axis=-1, vectorized=True, method="percentile",
            n_resamples=resamples, random_state=np.random.default_rng(seed),
            batch=max(1, min(resamples, _CHUNK_VALUES // samples.size)),
        )  # fmt: skip
    low, high = result.confidence_interval
    if np.isnan(low) or np.isnan(high):
        low, high = np.nanpercentile(result.bootstrap_distribution, [2.5, 97.5])
    return float(low), float(high)
