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
    """What a prediction is judged by.

    Attributes:
        id: Name of the case.
        image: The prepared image: ``(C, size, size)`` uint8, or of a volume
            ``(C, D, size, size)`` float16.
        mask: The first annotator's mask, bool ``(H, W)`` or ``(D, H, W)``, at the case's own size;
            of a volume, any structure.
        second_mask: The second annotator's, or None.
        fov: The pixels that count, bool, of the same shape.
        part: The part of the case that the prepared image shows.
    """

    id: str
    image: npt.NDArray[Any]
    mask: Mask
    second_mask: Mask | None
    fov: Mask
    part: Window | Box


References = Callable[[str], Iterator[Reference]]
"""From the name of a split to its cases."""


Batches = Callable[[str], "Iterator[tuple[Batch, int]]"]
"""From the name of a split to its cases as tensors on the CPU, and how many cases it has."""


@dataclass(frozen=True)
class Evaluation:
    """What a task is given once a method is trained.

    Attributes:
        method: The trained method.
        abilities: What it can do.
        real: The data set's images by split.
        train_split: The split that the method was trained on.
        reference_split: The split that samples are compared with.
        held_out_split: A split that it never saw, or None.
        references: From the name of a split to its cases with their masks at their own size.
        batches: From the name of a split to its cases as a method sees them, in their order, each
            few with the number of all.
        samples: Number of samples to score.
        metrics: The metrics to report.
        features: Gives features of image sets.
        seed: Seed of all that is drawn.
        counted: Told what is being done, how much is done and how much there is.
        picture: Keeps a picture, ``(H, W, 3)`` uint8, under a name.
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
    """A way to judge a trained method."""

    @abstractmethod
    def evaluate(self, evaluation: Evaluation) -> list[MetricValue]:
        """Score the method.

        Args:
            evaluation: The method, the data and what to report.
        """
