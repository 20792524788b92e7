"""Features of image sets, computed once for a set and kept by its content."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

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

    def space(self, extractor: str) -> str:
        """Name of an extractor's feature space; other weights are another space."""
        network = self._network(extractor)
        return f"{network.name}-{network.weights_hash}"

    def _kept(self, name: str, images: ImageSet) -> FeatureArray:
        network = self._network(name)
        path = paths.cache() / "features" / self.space(name) / f"{images.fingerprint}.npy"
        return kept(path, lambda: network(images.images, self.counted), len(images.images))

    def _network(self, name: str) -> Extractor:
        if name not in self._extractors:
            self._extractors[name] = extractor(name, self.device)
        return self._extractors[name]


def kept(
    path: Path,
    compute: Callable[[], npt.NDArray[Any]],
    count: int,
    dims: int = 2,
    dtype: npt.DTypeLike = np.float32,
    *,
    needed: bool = True,
) -> npt.NDArray[Any]:
    """An array from its file; computed and written whole where that is not there or is damaged.

    Args:
        path: The file; its name says all that the array depends on.
        compute: Gives the array.
        count: Its length.
        dims: Number of its axes.
        dtype: Its type.
        needed: Whether it must be kept; else it is no matter that it cannot be.

    Raises:
        OSError: It cannot be written.
    """
    if (known := _read(path, count, dims, dtype)) is not None:
        return known
    found = compute()
    content = io.BytesIO()
    np.save(content, found)
    # numpy does not say why a file of its own cannot be written, such as on a full disk.
    try:
        with whole(path) as temporary:
            temporary.write_bytes(content.getbuffer())
    except OSError:
        if needed:
            raise
    return found


def _read(
    path: Path, count: int, dims: int = 2, dtype: npt.DTypeLike = np.float32
) -> npt.NDArray[Any] | None:
    """A kept array of this length and kind; None where there is none, or where it is damaged."""
    try:
        found = read_array(path)
    except BenchbedError:
        return None
    if found.ndim != dims or len(found) != count or found.dtype != dtype:
        return None
    return np.array(found)
