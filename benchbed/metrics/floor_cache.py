"""Floors of metrics, computed once for the same real images and kept by all they depend on."""

from __future__ import annotations

import hashlib
import inspect
import sys
from dataclasses import dataclass, field
from functools import cache
from importlib import import_module
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from benchbed import paths
from benchbed.api.metric import ImageSet, MetricFunction, MetricInputs
from benchbed.api.specs import MetricSpec
from benchbed.files import digest
from benchbed.metrics.feature_cache import FeatureCache, kept


@dataclass(frozen=True, eq=False)
class Asked:
    """Kept features that note in which spaces they were asked for: a metric's spec does not say.

    Attributes:
        cache: Gives the features.
        spaces: Names of the spaces.
    """

    cache: FeatureCache
    spaces: set[str] = field(default_factory=set)

    def __call__(self, extractor: str, images: ImageSet) -> npt.NDArray[np.float32]:
        """Features ``(N, d)``."""
        self.spaces.add(self.cache.space(extractor))
        return self.cache(extractor, images)


def kept_floor(spec: MetricSpec, function: MetricFunction, inputs: MetricInputs) -> float:
    """The mean of a metric between two parts of the real images; kept where its features are.

    It depends on the metric and its code, the seed, the images, and the feature spaces and their
    weights; its last digits also on the libraries and on how many threads share a sum.

    Args:
        spec: The metric.
        function: Its function.
        inputs: The two parts. Features that are `Asked` have been asked for all that the metric
            looks at: the floor comes after the value.
    """

    def computed() -> npt.NDArray[np.float64]:
        return np.asarray([np.mean(function(inputs))], np.float64)

    if not isinstance(inputs.features, Asked):
        return float(computed()[0])
    name = digest(
        [
            spec.name,
            spec.recipe,
            spec.implementation,
            _code(spec.implementation.partition(":")[0]),
            inputs.seed,
            inputs.real.content,
            inputs.fake.content,
            sorted(inputs.features.spaces),
            np.__version__,
            torch.__version__,
            torch.get_num_threads(),
        ],
        24,
    )
    path = paths.cache() / "floors" / f"{name}.npy"
    # A cache that cannot be written to must not end a trained run.
    return float(kept(path, computed, count=1, dims=1, dtype=np.float64, needed=False)[0])


@cache
def _code(module: str) -> str:
    """Hash of the source files beside a metric's own, and beside this one, that it may use."""
    import_module(module)
    folders = {Path(inspect.getfile(sys.modules[name])).parent for name in (module, __name__)}
    found = hashlib.sha256()
    for file in sorted(file for folder in folders for file in folder.glob("*.py")):
        found.update(file.read_bytes())
    return found.hexdigest()
