"""Prepared cases as pictures."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from benchbed.data.prepare import Split
from benchbed.training.montage import Layer, montage
from benchbed.training.pictures import image_grid, image_rows

Pixels = npt.NDArray[np.uint8]

COLUMNS = 8
"""Pictures in a row."""

VOLUMES = 4
"""Volumes that are shown, each in three planes."""


def real_picture(split: Split, grid: tuple[int, int]) -> Pixels:
    """The first cases of a split: a grid of pictures, or volumes with their structures."""
    if split.image.ndim == 5:
        return _volumes(split)
    rows, columns = grid
    return image_grid(np.array(split.image[: rows * columns]), columns)


def pairs_picture(split: Split) -> Pixels:
    """The first cases of a split that has masks: masks above pictures, or over volumes."""
    if split.image.ndim == 5:
        return _volumes(split)
    masks = split.arrays["mask"][:COLUMNS, None] * np.uint8(255)
    return image_rows([masks, np.array(split.image[:COLUMNS])], COLUMNS)


def _volumes(split: Split) -> Pixels:
    codes = split.arrays.get("mask")
    mask = None if codes is None else np.array(codes[:VOLUMES])
    return montage([Layer(np.array(split.image[:VOLUMES]), mask)])
