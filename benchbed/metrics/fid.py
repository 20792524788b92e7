"""The Fréchet distance between features: FID."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from benchbed.api.metric import MetricInputs
from benchbed.metrics.features.inception import INCEPTION_WEIGHTS

Float = npt.NDArray[np.float64]


def compute_frechet_distance(real: npt.NDArray[Any], fake: npt.NDArray[Any]) -> float:
    """Compute the squared Fréchet distance of Gaussian fits of two feature sets.

    Heusel et al. 2017 (arXiv:1706.08500), equation 6, after Dowson and Landau 1982:
    ``|m1 - m2|^2 + Tr(S1 + S2 - 2 (S1 S2)^(1/2))``, with unbiased covariances, in float64.

    No root of a d x d product is taken. With ``S1 = A'A`` and ``S2 = B'B`` the trace of the root is
    the sum of the singular values of ``AB'``, which is exact for any number of samples and needs no
    term added to a singular covariance.

    Args:
        real: Features ``(N, d)``, any real dtype, N >= 2.
        fake: Features ``(M, d)``, M >= 2.

    Returns:
        The distance, at least 0, in squared units of the features.

    Raises:
        ValueError: A set has fewer than 2 samples, is not a matrix, holds NaN or infinite values,
            or the sets differ in d.
    """
    first, second = _validate_features(real, "real"), _validate_features(fake, "fake")
    if first.shape[1] != second.shape[1]:
        raise ValueError(
            f"The real features have {first.shape[1]} dimensions, the fake features "
            f"{second.shape[1]}. Use the same extractor for both."
        )
    root1, root2 = _compute_root(first), _compute_root(second)
    # The eigenvalues of S1 S2 are the squared singular values of AB'.
    cross = np.linalg.svd(root1 @ root2.T, compute_uv=False).sum()
    offset = np.square(first.mean(0) - second.mean(0)).sum()
    spread = np.square(root1).sum() + np.square(root2).sum() - 2 * cross
    # Rounding can give -1e-13 of the spread instead of 0.
    return max(0.0, float(offset + spread))


def _validate_features(features: npt.NDArray[Any], name: str) -> Float:
    matrix = np.asarray(features, np.float64)
    if matrix.ndim != 2:
        raise ValueError(f"The {name} features have shape {matrix.shape}, expected (N, d).")
    if len(matrix) < 2:
        raise ValueError(
            f"The {name} set has {len(matrix)} sample(s), but a covariance needs at least 2."
        )
    if not np.isfinite(matrix).all():
        raise ValueError(f"The {name} features contain NaN or infinity.")
    return matrix


def _compute_root(features: Float) -> Float:
    """Return R with R'R equal to the covariance (ddof 1) of features ``(N, d)``."""
    centred: Float = features - features.mean(0)
    centred /= np.sqrt(len(features) - 1)
    if len(features) <= features.shape[1]:
        return centred
    # With more samples than dimensions the R of a QR decomposition is the smaller root. It never
    # squares the data, so it is accurate for a nearly singular covariance.
    triangle: Float = torch.linalg.qr(torch.from_numpy(centred), mode="r").R.numpy()
    return triangle


def fid(inputs: MetricInputs, *, extractor: str) -> float:
    """Compute the Frechet distance of features (Heusel et al. 2017, eq. 6; Naeem et al. 2020)."""
    real, fake = (inputs.features(extractor, side) for side in (inputs.real, inputs.fake))
    return compute_frechet_distance(real, fake)


def has_inception_weights() -> bool:
    """Return whether the Inception weights are available, after trying to download them.

    Raises:
        BenchbedError: The file on this machine is damaged or another one.
    """
    try:
        INCEPTION_WEIGHTS.ensure_file()
    except OSError:
        return False
    return True
