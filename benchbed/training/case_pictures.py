"""Pictures of prepared cases."""

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
"""Images per row."""

VOLUMES = 4
"""Number of volumes, each shown in three planes."""


def real_picture(split: Split, grid: tuple[int, int]) -> Pixels:
    """Draw the first cases of a split: a grid of images, or volumes with their structures."""
    if split.image.ndim == 5:
        return _volumes(split)
    rows, columns = grid
    return image_grid(np.array(split.image[: rows * columns]), columns)


def pairs_picture(split: Split) -> Pixels:
    """Draw the first cases of a split with masks: masks above images, or over volumes."""
    if split.image.ndim == 5:
        return _volumes(split)
    masks = split.arrays["mask"][:COLUMNS, None] * np.uint8(255)
    return image_rows([masks, np.array(split.image[:COLUMNS])], COLUMNS)


def own_figure(method: Method[Any], seed: int) -> Pixels | None:
    """Draw the figure that a method defines; None if it defines none."""
    with apart(method, seed) as rng:
        figure = method.figure(rng)
    if figure is None:
        return None
    rows = figure.rows.to("cpu")
    if rows.mask is None or rows.image.ndim == 4:
        return sample_grid(rows, len(rows))
    images = rows.image.float().numpy()
    return surgery_figure(list(to_codes(rows.mask)), list(images), focus=figure.focus)


def _volumes(split: Split) -> Pixels:
    codes = split.arrays.get("mask")
    mask = None if codes is None else np.array(codes[:VOLUMES])
    return montage([Layer(np.array(split.image[:VOLUMES]), mask)])
