"""Prepared cases as pictures."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from benchbed.api.method import Method
from benchbed.data.feed import to_codes
from benchbed.data.prepare import Split
from benchbed.training.montage import Layer, montage, surgery_figure
from benchbed.training.pictures import image_grid, image_rows, sample_grid
from benchbed.training.sampling import apart

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


def own_figure(method: Method[Any], seed: int) -> Pixels | None:
    """The figure that a method has of its own; None where it has none.

    Args:
        method: A trained method.
        seed: The same seed gives the same figure.
    """
    with apart(method, seed) as rng:
        shown = method.figure(rng)
    if shown is None:
        return None
    rows = shown.rows.to("cpu")
    if rows.mask is None or rows.image.ndim == 4:
        return sample_grid(rows, len(rows))
    images = rows.image.float().numpy()
    return surgery_figure(list(to_codes(rows.mask)), list(images), focus=shown.focus)


def _volumes(split: Split) -> Pixels:
    codes = split.arrays.get("mask")
    mask = None if codes is None else np.array(codes[:VOLUMES])
    return montage([Layer(np.array(split.image[:VOLUMES]), mask)])
