"""The contract of a task."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from benchbed.api.metric import Features, ImageSet, MetricValue
from benchbed.api.specs import MetricSpec
from benchbed.api.types import Box, Window

Pixels = npt.NDArray[np.uint8]
Mask = npt.NDArray[np.bool_]

if TYPE_CHECKING:
    from benchbed.api.method import Method
    from benchbed.api.types import Batch


@dataclass(frozen=True)
class Reference:
    """The real side of a prediction: one case at its original size.

    Attributes:
        id: Name of the case.
        image: The prepared image: ``(C, size, size)`` uint8, or for a volume
            ``(C, D, size, size)`` float16.
        mask: The first annotator's mask, bool ``(H, W)`` or ``(D, H, W)``, at the case's original
            size; for a volume, any structure.
        second_mask: The second annotator's mask, or None.
        fov: The pixels that count, bool, in the shape of the mask.
        part: The region of the case that the prepared image shows.
    """

    id: str
    image: npt.NDArray[Any]
    mask: Mask
    second_mask: Mask | None
    fov: Mask
    part: Window | Box


References = Callable[[str], Iterator[Reference]]
"""Function from the name of a split to its cases."""


Batches = Callable[[str], "Iterator[tuple[Batch, int]]"]
"""Function from the name of a split to its cases as CPU tensors, with the total case count."""


@dataclass(frozen=True)
class Evaluation:
    """What a task needs to evaluate a trained method.

    Attributes:
        method: The trained method.
        abilities: Its capabilities.
        real: The dataset's images by split.
        train_split: The split that the method was trained on.
        reference_split: The split that samples are compared with.
        held_out_split: A split not used in training, or None.
        references: From the name of a split to its cases, with masks at their original size.
        batches: From the name of a split to its cases as batches in order, each with the total
            case count.
        samples: Number of samples to score.
        metrics: The metrics to report.
        features: Returns features of image sets.
        seed: Random seed.
        counted: Receives progress: the activity, how much is done, and the total.
        picture: Saves a picture, ``(H, W, 3)`` uint8, under a name.
    """

    method: Method[Any]
    abilities: frozenset[str]
    real: Mapping[str, ImageSet]
    train_split: str
    reference_split: str
    held_out_split: str | None
    references: References
    batches: Batches
    samples: int
    metrics: Sequence[MetricSpec]
    features: Features
    seed: int
    counted: Callable[[str, int, int], None]
    picture: Callable[[str, npt.NDArray[np.uint8]], None]


class Task(ABC):
    """A way to evaluate a trained method."""

    @abstractmethod
    def evaluate(self, evaluation: Evaluation) -> list[MetricValue]:
        """Return the scores of the method."""
