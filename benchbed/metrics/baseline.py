"""Baselines of metrics, computed once for the same real images and cached by their inputs."""

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

from benchbed.api.metric import ImageSet, MetricFunction, MetricInputs
from benchbed.api.specs import MetricSpec
from benchbed.config import paths
from benchbed.metrics.features.cache import FeatureCache, load_or_compute
from benchbed.utils.files import hash_json


@dataclass(frozen=True, eq=False)
class FeatureSpaceTracker:
    """Feature cache that notes which spaces a metric uses, since its spec does not say."""

    cache: FeatureCache
    spaces: set[str] = field(default_factory=set)

    def __call__(self, extractor: str, images: ImageSet) -> npt.NDArray[np.float32]:
        """Return features ``(N, d)``."""
        self.spaces.add(self.cache.get_space_name(extractor))
        return self.cache(extractor, images)


def load_or_compute_baseline(
    spec: MetricSpec, function: MetricFunction, inputs: MetricInputs
) -> float:
    """Return the mean of a metric between two halves of the real images, cached with the features.

    The cache key includes the metric and its code, the seed, the images, the feature spaces and
    their weights; also the libraries and the number of threads, which change the last digits.

    Args:
        spec: The metric.
        function: Its function, with the parameters set.
        inputs: The two halves. A `FeatureSpaceTracker` must have seen all spaces of the metric:
            compute the value before the baseline.
    """

    def compute() -> npt.NDArray[np.float64]:
        return np.asarray([np.mean(function(inputs))], np.float64)

    if not isinstance(inputs.features, FeatureSpaceTracker):
        return float(compute()[0])
    name = hash_json(
        [
            spec.name,
            spec.recipe,
            spec.implementation,
            spec.parameters,
            _hash_source(spec.implementation.partition(":")[0]),
            inputs.seed,
            inputs.real.content_hash,
            inputs.fake.content_hash,
            sorted(inputs.features.spaces),
            np.__version__,
            torch.__version__,
            torch.get_num_threads(),
        ],
        24,
    )
    path = paths.get_cache_folder() / "floors" / f"{name}.npy"
    # A cache that is not writable must not fail a trained run.
    return float(load_or_compute(path, compute, count=1, dims=1, dtype=np.float64, needed=False)[0])


@cache
def _hash_source(module: str) -> str:
    """Hash the source files in the folders of a metric's module and of this one."""
    import_module(module)
    folders = {Path(inspect.getfile(sys.modules[name])).parent for name in (module, __name__)}
    state = hashlib.sha256()
    for file in sorted(file for folder in folders for file in folder.rglob("*.py")):
        state.update(file.read_bytes())
    return state.hexdigest()
