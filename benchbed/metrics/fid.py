"""FID, and the Fréchet distance in an untrained feature space."""

from __future__ import annotations

from benchbed.api.metric import MetricInputs
from benchbed.metrics.features import INCEPTION
from benchbed.metrics.frechet import frechet_distance


def fid(inputs: MetricInputs) -> float:
    """Compute the Frechet Inception distance (Heusel et al. 2017, eq. 6): pool3 features."""
    return _distance("inception", inputs)


def fid_random(inputs: MetricInputs) -> float:
    """Compute the Frechet distance in untrained features (after Naeem et al. 2020)."""
    return _distance("random", inputs)


def inception_there() -> bool:
    """Return whether the Inception weights are available, after trying to download them.

    Raises:
        BenchbedError: The file on this machine is damaged or another one.
    """
    try:
        INCEPTION.obtain()
    except OSError:
        return False
    return True


def _distance(extractor: str, inputs: MetricInputs) -> float:
    real = inputs.features(extractor, inputs.real)
    return frechet_distance(real, inputs.features(extractor, inputs.fake))
