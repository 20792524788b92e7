"""The inputs and outputs of a metric's function."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

Pixels = npt.NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class ImageSet:
    """A set of images to score; instances compare by identity.

    Attributes:
        images: Images, uint8 ``(N, C, H, W)`` with C of 1 or 3, or volumes ``(N, C, D, H, W)``,
            uint8 or float in [-1, 1]; may be a read-only memory map.
        fov: Field of view, uint8 ``(N, H, W)`` in {0, 1}, or None if every pixel counts.
        parent: The set that this one is a subset of, or None.
        indices: Positions in the parent.
    """

    images: npt.NDArray[Any]
    fov: Pixels | None = None
    parent: ImageSet | None = None
    indices: npt.NDArray[np.int64] | None = None

    def __len__(self) -> int:
        return len(self.images)

    def subset(self, indices: npt.NDArray[np.int64]) -> ImageSet:
        """Return the images at `indices`; their features are taken from the whole set's."""
        fov = None if self.fov is None else self.fov[indices]
        return ImageSet(self.images[indices], fov, parent=self, indices=indices)

    @cached_property
    def pixel_hash(self) -> str:
        """Hash of the pixels: the key under which features are cached."""
        return _hash_images(self.images)

    @cached_property
    def content_hash(self) -> str:
        """Hash of the pixels and of the field of view."""
        fov = "" if self.fov is None else f"-{_hash_images(self.fov)}"
        return f"{self.pixel_hash}{fov}"


def _hash_images(images: npt.NDArray[Any]) -> str:
    digest = hashlib.sha256(repr((images.shape, images.dtype.str)).encode())
    for image in images:
        digest.update(image.tobytes())
    return digest.hexdigest()[:24]


class FeatureProvider(Protocol):
    """Function that returns the features of a set of images, computed once per set."""

    def __call__(self, extractor: str, images: ImageSet) -> npt.NDArray[np.float32]:
        """Return features ``(N, d)`` of `images` from the named extractor."""


@dataclass(frozen=True)
class MemorisationSets:
    """Images that distinguish memorisation from generalisation.

    Attributes:
        train: The images that the method was trained on.
        held_out: Real images that were not used in training.
    """

    train: ImageSet
    held_out: ImageSet


@dataclass(frozen=True)
class MetricInputs:
    """Input of a metric on image sets; the metric returns a float or `MetricTerms`.

    Attributes:
        real: The reference images.
        fake: The images to score.
        features: From an extractor's name and an image set to features ``(N, d)``.
        seed: Random seed of what the metric draws (patches, pairs).
        memorisation_sets: The training images and held-out real images, or None if nothing was
            held out.
    """

    real: ImageSet
    fake: ImageSet
    features: FeatureProvider
    seed: int = 0
    memorisation_sets: MemorisationSets | None = None


@dataclass(frozen=True, eq=False)
class MaskInputs:
    """Input of a metric on masks.

    Attributes:
        probabilities: For each case the foreground probability, float32 ``(H, W)`` in [0, 1], at
            the case's original size.
        targets: For each case its mask, bool ``(H, W)``.
        fov: For each case the pixels that count, bool ``(H, W)``.
    """

    probabilities: Sequence[npt.NDArray[np.float32]]
    targets: Sequence[npt.NDArray[np.bool_]]
    fov: Sequence[npt.NDArray[np.bool_]]

    def __len__(self) -> int:
        return len(self.probabilities)


@dataclass(frozen=True, eq=False)
class PairedInputs:
    """Input of a metric that compares each image with its target.

    Attributes:
        real: The real images, float32 ``(N, C, ...)`` in [-1, 1].
        fake: The images generated for the same cases, in the same format.
    """

    real: npt.NDArray[np.float32]
    fake: npt.NDArray[np.float32]


MetricTerms = npt.NDArray[np.float64]
"""Independent contributions ``(N,)``, one per image or pair, whose mean is the value."""

MetricFunction = Callable[[MetricInputs], float | MetricTerms]

PairedFunction = Callable[[PairedInputs], MetricTerms]
"""A metric that compares image with image: returns one value per case."""

MaskFunction = Callable[[MaskInputs, npt.NDArray[np.int64]], npt.NDArray[np.float64]]
"""A metric on masks. Called with case counts ``(R, N)``, one row per bootstrap resample, it
returns one value per row, ``(R,)``."""


@dataclass(frozen=True)
class MetricValue:
    """A measured value as stored in a record.

    Attributes:
        metric: Name of the metric.
        value: The value; None if it could not be computed, with the reason in `note`.
        recipe: The metric's definition in one line.
        n_real: Number of reference images used.
        n_fake: Number of scored images used.
        baseline: Real-vs-real baseline: the metric between two disjoint parts of the reference, or
            None.
        n_baseline: Images in each of these parts.
        ci_low: Lower end of the 95 % bootstrap interval over the scored images; None if the metric
            is not a mean over them, or they are too few for an interval that keeps its coverage.
        ci_high: Its upper end.
        note: Caveat for the reader.
    """

    metric: str
    value: float | None
    recipe: str
    n_real: int
    n_fake: int
    baseline: float | None = None
    n_baseline: int = 0
    ci_low: float | None = None
    ci_high: float | None = None
    note: str = ""

    @property
    def interval(self) -> tuple[float, float] | None:
        """95 % interval over the scored images, or None."""
        if self.ci_low is None or self.ci_high is None:
            return None
        return self.ci_low, self.ci_high

    def as_dict(self) -> dict[str, Any]:
        """Return the JSON object of a record."""
        return {
            "metric": self.metric,
            "value": self.value,
            "recipe": self.recipe,
            "n_real": self.n_real,
            "n_fake": self.n_fake,
            "floor": self.baseline,
            "n_floor": self.n_baseline,
            "low": self.ci_low,
            "high": self.ci_high,
            "note": self.note,
        }
