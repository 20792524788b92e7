"""The contract of a metric: what its function is given."""

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
    """A set of images to be scored; it is equal to itself alone.

    Attributes:
        images: Pictures, uint8 ``(N, C, H, W)`` with C of 1 or 3, or volumes
            ``(N, C, D, H, W)``, uint8 or float in [-1, 1]; may be a read-only memory map.
        fov: Field of view, uint8 ``(N, H, W)`` in {0, 1}, or None where every pixel counts.
        parent: The set of which this one is a part, or None.
        indices: Places in the parent.
    """

    images: npt.NDArray[Any]
    fov: Pixels | None = None
    parent: ImageSet | None = None
    indices: npt.NDArray[np.int64] | None = None

    def __len__(self) -> int:
        return len(self.images)

    def subset(self, indices: npt.NDArray[np.int64]) -> ImageSet:
        """The images at `indices`; their features are taken from the whole set's."""
        fov = None if self.fov is None else self.fov[indices]
        return ImageSet(self.images[indices], fov, parent=self, indices=indices)

    @cached_property
    def fingerprint(self) -> str:
        """Hash of the pixels, by which features are cached."""
        return _hash_of(self.images)

    @cached_property
    def content(self) -> str:
        """Hash of the pixels and of the field of view."""
        return self.fingerprint if self.fov is None else f"{self.fingerprint}-{_hash_of(self.fov)}"


def _hash_of(images: npt.NDArray[Any]) -> str:
    digest = hashlib.sha256(repr((images.shape, images.dtype.str)).encode())
    for image in images:
        digest.update(image.tobytes())
    return digest.hexdigest()[:24]


class Features(Protocol):
    """Gives the features of a set of images; computed once for a set."""

    def __call__(self, extractor: str, images: ImageSet) -> npt.NDArray[np.float32]:
        """Features ``(N, d)`` of `images` under the extractor of that name."""


@dataclass(frozen=True)
class Unseen:
    """What tells copying from learning.

    Attributes:
        train: The images that the method was trained on.
        held_out: Real images that it never saw.
    """

    train: ImageSet
    held_out: ImageSet


@dataclass(frozen=True)
class MetricInputs:
    """What a metric's function is called with; it returns a float, or `Terms`.

    Attributes:
        real: The reference images.
        fake: The images to be scored.
        features: Extractor name and image set to features ``(N, d)``.
        seed: Seed of what the metric draws (patches, pairs).
        unseen: The training images and real images that were held out of training, or None where
            nothing was held out.
    """

    real: ImageSet
    fake: ImageSet
    features: Features
    seed: int = 0
    unseen: Unseen | None = None


@dataclass(frozen=True, eq=False)
class MaskInputs:
    """What the function of a metric that judges masks is called with.

    Attributes:
        scores: For each case the probability of the foreground, float32 ``(H, W)`` in [0, 1], at
            the case's own size.
        truth: For each case its mask, bool ``(H, W)``.
        fov: For each case the pixels that count, bool ``(H, W)``.
    """

    scores: Sequence[npt.NDArray[np.float32]]
    truth: Sequence[npt.NDArray[np.bool_]]
    fov: Sequence[npt.NDArray[np.bool_]]

    def __len__(self) -> int:
        return len(self.scores)


@dataclass(frozen=True, eq=False)
class PairedInputs:
    """What the function of a metric that compares image with image is called with.

    Attributes:
        real: The real images, float32 ``(N, C, ...)`` in [-1, 1].
        fake: The images made for the same cases, likewise.
    """

    real: npt.NDArray[np.float32]
    fake: npt.NDArray[np.float32]


Terms = npt.NDArray[np.float64]
"""Independent contributions ``(N,)``, of an image or a pair each, whose mean is the value."""

MetricFunction = Callable[[MetricInputs], float | Terms]

PairedFunction = Callable[[PairedInputs], Terms]
"""A metric that compares image with image: a value for each case."""

MaskFunction = Callable[[MaskInputs, npt.NDArray[np.int64]], npt.NDArray[np.float64]]
"""A metric that judges masks: called with how often each case counts, ``(R, N)``, one row a
resample, it returns a value for each row, ``(R,)``."""


@dataclass(frozen=True)
class MetricValue:
    """A measured value, as it stands in a record.

    Attributes:
        metric: Name of the metric.
        value: The value; None where it could not be had, with the reason in `note`.
        recipe: The metric's definition in one line.
        n_real: Reference images used.
        n_fake: Scored images used.
        floor: The same metric between two disjoint parts of the reference, or None.
        n_floor: Images in each of these parts.
        low: Lower end of the 95 % bootstrap interval over the scored images; None for a metric
            that is no mean over them.
        high: Its upper end.
        note: What a reader must know.
    """

    metric: str
    value: float | None
    recipe: str
    n_real: int
    n_fake: int
    floor: float | None = None
    n_floor: int = 0
    low: float | None = None
    high: float | None = None
    note: str = ""

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return dict(vars(self))
