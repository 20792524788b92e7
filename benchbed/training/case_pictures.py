"""Pictures of prepared cases."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from benchbed.api.method import Method
from benchbed.data.feed import to_codes
from benchbed.data.prepare import DataSplit
from benchbed.training.montage import MontageLayer, draw_montage, draw_surgery_figure
from benchbed.training.pictures import draw_image_grid, draw_image_rows, draw_sample_grid
from benchbed.training.sampling import preserve_training_state

Pixels = npt.NDArray[np.uint8]

COLUMN_COUNT = 8
"""Images per row."""

SCORED_VOLUME_COUNT = 4
"""Number of volumes, each shown in three planes."""


def draw_real_cases(split: DataSplit, grid: tuple[int, int]) -> Pixels:
    """Draw the first cases of a split: a grid of images, or volumes with their structures."""
    if split.images.ndim == 5:
        return _draw_volumes(split)
    rows, columns = grid
    return draw_image_grid(np.array(split.images[: rows * columns]), columns)


def draw_pairs(split: DataSplit) -> Pixels:
    """Draw the first cases of a split with masks: masks above images, or over volumes."""
    if split.images.ndim == 5:
        return _draw_volumes(split)
    masks = split.arrays["mask"][:COLUMN_COUNT, None] * np.uint8(255)
    return draw_image_rows([masks, np.array(split.images[:COLUMN_COUNT])], COLUMN_COUNT)


def draw_method_figure(method: Method[Any], seed: int) -> Pixels | None:
    """Draw the figure that a method defines; None if it defines none."""
    with preserve_training_state(method, seed) as rng:
        figure = method.draw_figure(rng)
    if figure is None:
        return None
    rows = figure.rows.to("cpu")
    if rows.mask is None or rows.image.ndim == 4:
        return draw_sample_grid(rows, len(rows))
    images = rows.image.float().numpy()
    return draw_surgery_figure(list(to_codes(rows.mask)), list(images), focus=figure.highlighted_structures)


def _draw_volumes(split: DataSplit) -> Pixels:
    codes = split.arrays.get("mask")
    mask = None if codes is None else np.array(codes[:SCORED_VOLUME_COUNT])
    return draw_montage([MontageLayer(np.array(split.images[:SCORED_VOLUME_COUNT]), mask)])
