"""The kernel distance between features: KID."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from benchbed.api.metric import MetricInputs

Float = npt.NDArray[np.float64]

_CHUNK_ROWS = 1024
"""Rows of the kernel matrix per chunk."""


def kid(inputs: MetricInputs, *, extractor: str) -> float:
    """Compute the kernel distance of features (Binkowski et al. 2018)."""
    real, fake = (inputs.features(extractor, side) for side in (inputs.real, inputs.fake))
    return compute_kernel_distance(real, fake)


def compute_kernel_distance(
    real: npt.NDArray[np.floating], fake: npt.NDArray[np.floating]
) -> float:
    """Compute the unbiased squared maximum mean discrepancy under the cubic kernel.

    Binkowski et al. 2018, "Demystifying MMD GANs", section 4: the kernel is ``(x.y / d + 1)^3``,
    the estimate the U-statistic of Gretton et al. 2012, eq. 3, over all images at once; the
    authors' mean over blocks of 1000 has the same expectation.

    Args:
        real: Features ``(n, d)``.
        fake: Features ``(m, d)``.

    Returns:
        The estimate; negative where the sets are closer than expected by chance.

    Raises:
        ValueError: A set has fewer than two rows, or the dimensions differ.
    """
    if min(len(real), len(fake)) < 2 or real.shape[1:] != fake.shape[1:]:
        raise ValueError(
            f"The features have shapes {real.shape} and {fake.shape}, expected two of shape (n "
            ">= 2, d)."
        )
    x, y = np.asarray(real, np.float64), np.asarray(fake, np.float64)
    n, m = len(x), len(y)
    within_real = (_compute_kernel_sum(x, x) - _compute_diagonal_sum(x)) / (n * (n - 1))
    within_fake = (_compute_kernel_sum(y, y) - _compute_diagonal_sum(y)) / (m * (m - 1))
    return within_real + within_fake - 2 * _compute_kernel_sum(x, y) / (n * m)


def _compute_kernel_sum(x: Float, y: Float) -> float:
    parts = (x[start : start + _CHUNK_ROWS] for start in range(0, len(x), _CHUNK_ROWS))
    return float(sum(((part @ y.T / x.shape[1] + 1) ** 3).sum() for part in parts))


def _compute_diagonal_sum(x: Float) -> float:
    return float(((np.square(x).sum(1) / x.shape[1] + 1) ** 3).sum())
