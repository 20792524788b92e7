"""The contract of a task."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

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
        reference_split: The split that samples are compared with.
        samples: Number of samples to score.
        metrics: The metrics to report.
        features: Gives features of image sets.
        seed: Seed of all that is drawn.
        counted: Told what is being done, how much is done and how much there is.
    """

    method: Method[Any]
    real: Mapping[str, ImageSet]
    reference_split: str
    samples: int
    metrics: Sequence[MetricSpec]
    features: Features
    seed: int
    counted: Callable[[str, int, int], None]


class Task(ABC):
    """A way to judge a trained method."""

    @abstractmethod
    def evaluate(self, evaluation: Evaluation) -> list[MetricValue]:
        """Score the method.

        Args:
            evaluation: The method, the data and what to report.
        """
