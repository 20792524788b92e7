"""The contract of a task."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from benchbed.api.metric import Features, ImageSet, MetricValue
from benchbed.api.specs import MetricSpec

if TYPE_CHECKING:
    from benchbed.api.method import Method


@dataclass(frozen=True)
class Evaluation:
    """What a task is given once a method is trained.

    Attributes:
        method: The trained method.
        real: The data set's images by split.
        train_split: The split that the method was trained on.
        reference_split: The split that samples are compared with.
        held_out_split: A split that it never saw, or None.
        samples: Number of samples to score.
        metrics: The metrics to report.
        features: Gives features of image sets.
        seed: Seed of all that is drawn.
        counted: Told what is being done, how much is done and how much there is.
        picture: Keeps a picture, ``(H, W, 3)`` uint8, under a name.
    """

    method: Method[Any]
    real: Mapping[str, ImageSet]
    train_split: str
    reference_split: str
    held_out_split: str | None
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
