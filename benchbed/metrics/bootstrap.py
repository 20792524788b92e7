"""Bootstrap intervals. Free of torch: reports use them too."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import stats

_CHUNK_VALUES = 2**22
"""Resampled values at once, which bounds the memory."""


def bootstrap_intervals(
    samples: npt.NDArray[Any],
    statistic: Callable[..., npt.NDArray[np.floating]] = np.mean,
    *,
    resamples: int = 9999,
    seed: int = 0,
) -> list[tuple[float, float]]:
    """Return 95 % percentile bootstrap intervals (Efron 1979) of a statistic.

    Resamples without a value (NaN) are ignored.

    Args:
        samples: ``(n,)``, n of 2 or more, or rows ``(M, n)``, which are resampled alike.
        statistic: Reduces the last axis of ``(..., n)``; called with ``axis=-1``.
        resamples: Number of resamples.
        seed: Random seed of the resamples.

    Returns:
        Lower and upper end for each row.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", stats.DegenerateDataWarning)  # of NaN
        result = stats.bootstrap(
            (samples,), statistic, axis=-1, vectorized=True, method="percentile",
            n_resamples=resamples, random_state=np.random.default_rng(seed),
            batch=max(1, min(resamples, _CHUNK_VALUES // samples.size)),
        )  # fmt: skip
    ends: Any = result.confidence_interval
    if np.isnan(ends).any():
        ends = np.nanpercentile(result.bootstrap_distribution, [2.5, 97.5], axis=-1)
    return [(float(low), float(high)) for low, high in zip(*map(np.atleast_1d, ends), strict=True)]
