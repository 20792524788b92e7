"""The contract of a task."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from benchbed.api.metric import FeatureProvider, ImageSet, MetricValue
from benchbed.api.specs import MetricSpec
from benchbed.api.types import CropBox, CropWindow
from benchbed.utils.progress import ProgressCallback

Pixels = npt.NDArray[np.uint8]
Mask = npt.NDArray[np.bool_]

if TYPE_CHECKING:
    from benchbed.api.method import Method
    from benchbed.api.types import Batch


@dataclass(frozen=True)
class ReferenceCase:
    """The real side of a prediction: one case at its original size.

    Attributes:
        id: Name of the case.
        image: The prepared image: ``(C, size, size)`` uint8, or for a volume
            ``(C, D, size, size)`` float16.
        mask: The first annotator's mask, bool ``(H, W)`` or ``(D, H, W)``, at the case's original
            size; for a volume, any structure.
        second_mask: The second annotator's mask, or None.
        fov: The pixels that count, bool, in the shape of the mask.
        region: The region of the case that the prepared image shows.
    """

    id: str
    image: npt.NDArray[Any]
    mask: Mask
    second_mask: Mask | None
    fov: Mask
    region: CropWindow | CropBox


ReferenceLoader = Callable[[str], Iterator[ReferenceCase]]
"""Function from the name of a split to its cases."""

BatchLoader = Callable[[str], "Iterator[tuple[Batch, int]]"]
"""Function from the name of a split to its cases as CPU tensors, with the total case count."""


@dataclass(frozen=True)
class EvaluationContext:
    """What a task needs to evaluate a trained method.

    Attributes:
        method: The trained method.
        capabilities: Its capabilities.
        real_images: The dataset's images by split.
        train_split: The split that the method was trained on.
        reference_split: The split that samples are compared with.
        held_out_split: A split not used in training, or None.
        load_references: From the name of a split to its cases, with masks at their original size.
        iter_batches: From the name of a split to its cases as batches in order, each with the total
            case count.
        sample_count: Number of samples to score.
        metrics: The metrics to report.
        feature_provider: Returns features of image sets.
        seed: Random seed.
        report_progress: Receives progress: the activity, how much is done, and the total.
        save_picture: Saves a picture, ``(H, W, 3)`` uint8, under a name.
    """

    method: Method[Any]
    capabilities: frozenset[str]
    real_images: Mapping[str, ImageSet]
    train_split: str
    reference_split: str
    held_out_split: str | None
    load_references: ReferenceLoader
    iter_batches: BatchLoader
    sample_count: int
    metrics: Sequence[MetricSpec]
    feature_provider: FeatureProvider
    seed: int
    report_progress: ProgressCallback
    save_picture: Callable[[str, npt.NDArray[np.uint8]], None]


class Task(ABC):
    """A way to evaluate a trained method."""

    @abstractmethod
    def evaluate(self, evaluation: EvaluationContext) -> list[MetricValue]:
        """Return the scores of the method."""
