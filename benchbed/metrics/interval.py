"""Bootstrap intervals of metrics that are means over the scored images."""

from __future__ import annotations

import numpy as np
from scipy.stats import bootstrap

from benchbed.api.metric import Terms

CONFIDENCE = 0.95
RESAMPLES = 2000

_AT_ONCE = 2**22
"""Resampled values that are held at once."""


def interval(terms: Terms, seed: int) -> tuple[float, float] | None:
    """The 95 % percentile interval of a mean (Efron 1979), by 2000 resamples.

    Only a metric that is a mean over images or pairs has one. A resampled set holds copies, and
    copies move a distance between two sets (FID, KID, SWD) upwards: such an interval would lie
    beside its own value. What those vary by is seen over seeds.

    Args:
        terms: Independent contributions ``(N,)``.
        seed: Seed of the resamples.

    Returns:
        Its ends, or None below two terms.
    """
    if len(terms) < 2:
        return None
    if np.ptp(terms) == 0:
        return float(terms[0]), float(terms[0])
    ends = bootstrap(
        (terms,),
        np.mean,
        confidence_level=CONFIDENCE,
        n_resamples=RESAMPLES,
        batch=max(1, _AT_ONCE // len(terms)),
        method="percentile",
        rng=np.random.default_rng(seed),
    ).confidence_interval
    return float(ends.low), float(ends.high)
