"""Features of image sets, computed once per set and cached by content."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from benchbed.api.metric import ImageSet
from benchbed.config import paths
from benchbed.data.stored_files import read_array
from benchbed.errors import BenchbedError
from benchbed.metrics.features.extractor import FeatureArray, FeatureExtractor
from benchbed.metrics.features.inception import create_inception_extractor
from benchbed.metrics.features.untrained import create_random_extractor
from benchbed.utils.files import write_atomically
from benchbed.utils.progress import ProgressCallback, ignore_progress


def create_extractor(kind: str, device: torch.device | str = "cpu") -> FeatureExtractor:
    """Create the extractor called ``"inception"`` or ``"random"``, on `device`."""
    makers: dict[str, Callable[..., FeatureExtractor]] = {
        "inception": create_inception_extractor,
        "random": create_random_extractor,
    }
    return makers[kind](device=device)


@dataclass
class FeatureCache:
    """Implementation of `FeatureProvider`.

    Attributes:
        device: Device of the extractors.
        report_progress: Receives progress.
    """

    device: torch.device
    report_progress: ProgressCallback = ignore_progress
    _extractors: dict[str, FeatureExtractor] = field(default_factory=dict)
    _computed_features: dict[tuple[str, str], FeatureArray] = field(default_factory=dict)

    def __call__(self, extractor: str, images: ImageSet) -> FeatureArray:
        """Return features ``(N, d)``; those of a subset are rows of the whole set's."""
        if images.parent is not None:
            return self(extractor, images.parent)[images.indices]
        key = (extractor, images.pixel_hash)
        if key not in self._computed_features:
            network = self._get_extractor(extractor)
            folder = paths.get_cache_folder() / "features" / self.get_space_name(extractor)
            self._computed_features[key] = load_or_compute(
                folder / f"{images.pixel_hash}.npy",
                lambda: network(images.images, self.report_progress),
                len(images),
            )
        return self._computed_features[key]

    def get_space_name(self, extractor: str) -> str:
        """Return the name of an extractor's feature space; it depends on the weights."""
        network = self._get_extractor(extractor)
        return f"{network.name}-{network.weights_hash}"

    def _get_extractor(self, name: str) -> FeatureExtractor:
        if name not in self._extractors:
            self._extractors[name] = create_extractor(name, self.device)
        return self._extractors[name]


def load_or_compute(
    path: Path,
    compute: Callable[[], npt.NDArray[Any]],
    count: int,
    dims: int = 2,
    dtype: npt.DTypeLike = np.float32,
    *,
    needed: bool = True,
) -> npt.NDArray[Any]:
    """Load an array; compute and write it if the file is missing or damaged.

    Args:
        path: The file; its name must include everything that the array depends on.
        compute: Computes the array.
        count: Expected length.
        dims: Expected number of axes.
        dtype: Expected dtype.
        needed: Whether to raise if the array cannot be written.

    Raises:
        OSError: The file cannot be written.
    """
    if (cached := _read_array(path, count, dims, dtype)) is not None:
        return cached
    result = compute()
    content = io.BytesIO()
    np.save(content, result)
    # Through memory: np.save to a file hides the reason of a failure, such as a full disk.
    try:
        with write_atomically(path) as temporary:
            temporary.write_bytes(content.getbuffer())
    except OSError:
        if needed:
            raise
    return result


def _read_array(
    path: Path, count: int, dims: int = 2, dtype: npt.DTypeLike = np.float32
) -> npt.NDArray[Any] | None:
    try:
        array = read_array(path)
    except BenchbedError:
        return None
    if array.ndim != dims or len(array) != count or array.dtype != dtype:
        return None
    return np.array(array)
