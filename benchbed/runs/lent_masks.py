"""Masks, or structures, that a data set lacks: drawn by a network that learnt from another."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from benchbed.api.method import Method
from benchbed.data.feed import Feed, StagedFeed
from benchbed.data.prepare import Prepared
from benchbed.training.sampling import probabilities, structures

ANNOTATION_SEED = 300_000
"""Added to the run's seed for whatever the annotator draws."""


def annotated(
    prepared: Prepared,
    split: str,
    annotator: Method[Any],
    seed: int,
    counted: Callable[[str, int, int], None],
) -> Prepared:
    """The data with drawn masks in one split; the others are for judging and get none.

    Where the cases have masks of their own, as brains have of tumours, the drawn structures come
    before those and give way to them.

    Args:
        prepared: The data set that lacks masks or structures.
        split: Name of the split.
        annotator: A trained method with the ability ``segment``.
        seed: The run's seed.
        counted: Told how far it is.
    """
    cases = prepared.split(split)
    image = cases.arrays["image"]
    # Of the sequences, the annotator knows those that its own data had, which come first.
    scores = probabilities(
        annotator,
        image[:, : annotator.data.channels],
        ANNOTATION_SEED + seed,
        lambda done: counted("drawing masks", done, len(cases)),
    )
    mask = structures(scores)
    drawn, own = scores.shape[1], cases.arrays.get("mask")
    if own is not None:
        mask = np.where(own > 0, own + np.uint8(drawn), mask)
    if "fov" in cases.arrays:
        mask *= cases.arrays["fov"]
    arrays: dict[str, npt.NDArray[Any]] = {**cases.arrays, "mask": mask}
    count = drawn if own is None else drawn + cases.structures
    completed = replace(cases, arrays=arrays, structures=count)
    return replace(prepared, splits={**prepared.splits, split: completed})


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
