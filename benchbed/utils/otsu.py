"""Otsu's threshold, also of maps that are nearly constant."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from skimage.filters import threshold_otsu

_BINS = 256


def find_otsu_threshold(score: npt.NDArray[np.float32]) -> float:
    """Find the threshold of Otsu 1979; of a map that is constant or nearly so, its largest value.

    Nothing exceeds the largest value, as nothing was predicted.
    """
    if score.max() - score.min() < _BINS * np.spacing(np.abs(score).max()):
        return float(score.max())
    return float(threshold_otsu(score, nbins=_BINS))
