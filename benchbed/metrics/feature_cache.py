"""Features of image sets, computed once for a set and kept by its content."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from benchbed import paths
from benchbed.api.metric import ImageSet
from benchbed.data.cache import read_array
from benchbed.errors import BenchbedError
from benchbed.files import whole
from benchbed.metrics.features import Extractor, extractor

FeatureArray = npt.NDArray[np.float32]


@dataclass
class FeatureCache:
    """Implements `Features`.

    Attributes:
        device: Where features are computed.
        counted: Told how far it is.
    """

    device: torch.device
    counted: Callable[[str, int, int], None] = lambda *_: None
    _extractors: dict[str, Extractor] = field(default_factory=dict)
    _known: dict[tuple[str, str], FeatureArray] = field(default_factory=dict)

    def __call__(self, extractor: str, images: ImageSet) -> FeatureArray:
        """Features ``(N, d)``; a part of a set takes its rows from the whole set's."""
        if images.parent is not None:
            return self(extractor, images.parent)[images.indices]
        key = (extractor, images.fingerprint)
        if key not in self._known:
            self._known[key] = self._kept(extractor, images)
        return self._known[key]

    def _kept(self, name: str, images: ImageSet) -> FeatureArray:
        if name not in self._extractors:
            self._extractors[name] = extractor(name, self.device)
        network = self._extractors[name]
        folder = paths.cache() / "features" / f"{network.name}-{network.weights_hash}"
        path = folder / f"{images.fingerprint}.npy"
        if (known := _read(path, len(images.images))) is not None:
            return known
        features = network(images.images, self.counted)
        content = io.BytesIO()
        np.save(content, features)
        # numpy does not say why a file of its own cannot be written, such as on a full disk.
        with whole(path) as temporary:
            temporary.write_bytes(content.getbuffer())
        return features


def _read(path: Path, count: int) -> FeatureArray | None:
    """Kept features of `count` images; None where there are none, or where they are damaged."""
    try:
        features = read_array(path)
    except BenchbedError:
        return None
    if features.ndim != 2 or len(features) != count or features.dtype != np.float32:
        return None
    return np.array(features)
