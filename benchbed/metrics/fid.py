"""The Frechet distance in two feature spaces, under two names."""

from __future__ import annotations

from benchbed.api.metric import MetricInputs
from benchbed.metrics.features import INCEPTION
from benchbed.metrics.frechet import frechet_distance


def fid(inputs: MetricInputs) -> float:
    """Frechet Inception distance (Heusel et al. 2017, eq. 6): pool3 features, 2048-d."""
    return _distance("inception", inputs)


def fid_random(inputs: MetricInputs) -> float:
    """Frechet distance of features of an untrained network (after Naeem et al. 2020)."""
    return _distance("random", inputs)


def inception_there() -> bool:
    """Whether the Inception weights are on this machine, once it has tried to get them.

    Raises:
        BenchbedError: The file that is here is damaged or another one.
    """
    try:
        INCEPTION.obtain()
    except OSError:
        return False
    return True


def _distance(extractor: str, inputs: MetricInputs) -> float:
    real = inputs.features(extractor, inputs.real)
    return frechet_distance(real, inputs.features(extractor, inputs.fake))
