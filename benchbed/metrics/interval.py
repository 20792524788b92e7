"""Bootstrap intervals of metrics that are means over images."""

from __future__ import annotations

import numpy as np
from scipy.stats import bootstrap

from benchbed.api.metric import MetricTerms

CONFIDENCE = 0.95
RESAMPLES = 2000

_CHUNK_VALUES = 2**22
"""Resampled values per batch."""


def bootstrap_interval(terms: MetricTerms, seed: int) -> tuple[float, float] | None:
    """Return the 95 % percentile interval of a mean (Efron 1979), from 2000 resamples.

    Only for metrics that are means over images or pairs. Resampled sets have duplicates, which
    increase distances between sets (FID, KID, SWD): the interval would exclude the value. Their
    variation is seen over seeds.

    Returns:
        Lower and upper end, or None for fewer than two terms.
    """
    if len(terms) < 2:
        return None
    if np.ptp(terms) == 0:
        return float(terms[0]), float(terms[0])
    result = bootstrap(
        (terms,),
        np.mean,
        confidence_level=CONFIDENCE,
        n_resamples=RESAMPLES,
        batch=max(1, _CHUNK_VALUES // len(terms)),
        method="percentile",
        rng=np.random.default_rng(seed),
    ).confidence_interval
    return float(result.low), float(result.high)
