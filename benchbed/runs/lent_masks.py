"""Masks for a data set that has none: drawn by a network that learnt from another data set."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from benchbed.api.method import Method
from benchbed.data.feed import Feed, StagedFeed
from benchbed.data.prepare import Prepared, Split
from benchbed.training.sampling import probabilities

ANNOTATION_SEED = 300_000
"""Added to the run's seed for whatever the annotator draws."""


def annotated(
    prepared: Prepared,
    split: str,
    annotator: Method[Any],
    seed: int,
    counted: Callable[[str, int, int], None],
) -> Prepared:
    """The data with masks in one split; the others are for judging and get none.

    Args:
        prepared: The data set that has no masks.
        split: Name of the split.
        annotator: A trained method with the ability ``segment``.
        seed: The run's seed.
        counted: Told how far it is.
    """
    cases = prepared.split(split)
    scores = probabilities(
        annotator,
        cases.image,
        ANNOTATION_SEED + seed,
        lambda done: counted("drawing masks", done, len(cases)),
    )
    mask = (scores > 0.5).astype(np.uint8)
    arrays: dict[str, npt.NDArray[Any]] = {**cases.arrays, "mask": mask}
    if "fov" in arrays:
        mask *= arrays["fov"]
    return replace(prepared, splits={**prepared.splits, split: Split(cases.ids, arrays)})


def masks_first(masks: Feed, then: Feed, share: float, kimg: float) -> StagedFeed:
    """The data set that lends its masks, for a share of the budget, then the run's own.

    Args:
        masks: Cases of the data set that lends.
        then: Cases of the run's own data set.
        share: Share of the budget in which the method learns masks alone.
        kimg: The budget in thousands of images.
    """
    # Rounded, for 0.65 of 40 images is a little more than 26 to a computer.
    return StagedFeed(masks, then, math.ceil(round(share * kimg * 1000, 6)))
