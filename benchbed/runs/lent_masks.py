"""Pseudo-labels: masks predicted by a network that was trained on another dataset."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from benchbed.api.method import Method
from benchbed.data.feed import CaseLoader, StagedLoader
from benchbed.data.prepare import PreparedDataset
from benchbed.training.sampling import predict_probabilities, select_structures

ANNOTATION_SEED_OFFSET = 300_000
"""Added to the run's seed for random numbers of the annotator."""


def annotate_split(
    prepared: PreparedDataset,
    split: str,
    annotator: Method[Any],
    seed: int,
    counted: Callable[[str, int, int], None],
) -> PreparedDataset:
    """Return the data with pseudo-labels in one split; the splits for evaluation get none.

    If the cases have their own masks, such as tumours in brains, the predicted structures are
    numbered before those, and the own masks overwrite them.
    """
    cases = prepared.get_split(split)
    image = cases.arrays["image"]
    # The annotator was trained on the first of the sequences only.
    scores = predict_probabilities(
        annotator,
        image[:, : annotator.data.channels],
        ANNOTATION_SEED_OFFSET + seed,
        lambda done: counted("predicting masks", done, len(cases)),
    )
    mask = select_structures(scores)
    predicted_count, own_mask = scores.shape[1], cases.arrays.get("mask")
    if own_mask is not None:
        mask = np.where(own_mask > 0, own_mask + np.uint8(predicted_count), mask)
    if "fov" in cases.arrays:
        mask *= cases.arrays["fov"]
    arrays: dict[str, npt.NDArray[Any]] = {**cases.arrays, "mask": mask}
    count = predicted_count if own_mask is None else predicted_count + cases.structure_count
    completed = replace(cases, arrays=arrays, structure_count=count)
    return replace(prepared, splits={**prepared.splits, split: completed})


def build_staged_loader(masks: CaseLoader, then: CaseLoader, share: float, kimg: float) -> StagedLoader:
    """Return a loader of the dataset with masks for a share of the budget, then of `then`."""
    # Rounded first: in floating point 0.65 * 40 is slightly above 26, which ceil would make 27.
    return StagedLoader(masks, then, math.ceil(round(share * kimg * 1000, 6)))
