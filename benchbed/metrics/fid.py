"""FID, and the Fréchet distance in an untrained feature space."""

from __future__ import annotations

from benchbed.api.metric import MetricInputs
from benchbed.metrics.features import INCEPTION_WEIGHTS
from benchbed.metrics.frechet import compute_frechet_distance


def fid(inputs: MetricInputs) -> float:
    """Compute the Frechet Inception distance (Heusel et al. 2017, eq. 6): pool3 features."""
    return _compute_distance("inception", inputs)


def fid_random(inputs: MetricInputs) -> float:
    """Compute the Frechet distance in untrained features (after Naeem et al. 2020)."""
    return _compute_distance("random", inputs)


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


def _compute_distance(extractor: str, inputs: MetricInputs) -> float:
    real = inputs.features(extractor, inputs.real)
    return compute_frechet_distance(real, inputs.features(extractor, inputs.fake))
