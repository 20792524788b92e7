"""Previews of what a method can do, during training and at its end."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from benchbed.api.method import Method
from benchbed.data.io.images import Pixels
from benchbed.data.loader import to_channels, to_codes, to_pixels
from benchbed.data.preprocessing.prepare import DataSplit
from benchbed.training.sampling import (
    check_finite,
    draw_samples,
    predict_probabilities,
    preserve_training_state,
    reduce_to_foreground,
    select_structures,
)
from benchbed.training.visualization.images import (
    draw_image_grid,
    draw_image_rows,
    draw_sample_grid,
)
from benchbed.training.visualization.volumes import MontageLayer, draw_montage

PREVIEW_SEED = 1234
"""Seed of previews during training: the same noise every time."""

VOLUME_COUNT = 3
"""Number of volumes, each shown in three planes."""


@dataclass(frozen=True)
class Preview:
    """Draws what a method can do, with the same cases and noise every time.

    Attributes:
        method: The method.
        capabilities: Its capabilities.
        split: Cases for methods that start from a case.
        grid_shape: Rows and columns of images.
    """

    method: Method[Any]
    capabilities: frozenset[str]
    split: DataSplit
    grid_shape: tuple[int, int] = (4, 8)

    def __call__(self) -> Pixels:
        """Draw samples; otherwise images, their masks, and the method's output for one of them."""
        return self._draw_volumes() if self.method.data.dimensions == 3 else self._draw_images()

    def _draw_images(self) -> Pixels:
        rows, columns = self.grid_shape
        if "sample" in self.capabilities:
            return draw_sample_grid(
                draw_samples(self.method, rows * columns, PREVIEW_SEED), columns
            )
        images = np.array(self.split.images[:columns])
        if "mask" not in self.split.arrays:
            return draw_image_grid(images, columns)
        codes = np.array(self.split.arrays["mask"][:columns])
        masks = codes[:, None] * np.uint8(255)
        if "synthesize" in self.capabilities:
            return draw_image_rows(
                [masks, to_pixels(self._translate_codes(codes)), images], columns
            )
        if "segment" in self.capabilities:
            scores = reduce_to_foreground(predict_probabilities(self.method, images, PREVIEW_SEED))[
                :, None
            ]
            return draw_image_rows(
                [images, np.round(scores * 255).astype(np.uint8), masks], columns
            )
        return draw_image_rows([images, masks], columns)

    def _draw_volumes(self) -> Pixels:
        """Draw the real sequences of each case with their mask, and the method's output below."""
        real = _make_layer(self.split, VOLUME_COUNT)
        images, codes = np.asarray(real.image), real.mask
        has_all_structures = (
            codes is not None and self.split.structure_count == self.method.data.mask_channels
        )
        if "synthesize" in self.capabilities and has_all_structures and codes is not None:
            generated = self._translate_codes(np.asarray(codes)).cpu().numpy()
            return draw_montage([real, MontageLayer(generated)])
        if "segment" in self.capabilities:
            predicted = select_structures(predict_probabilities(self.method, images, PREVIEW_SEED))
            return draw_montage([real, MontageLayer(images, predicted)])
        if "sample" in self.capabilities:
            samples = draw_samples(self.method, VOLUME_COUNT, PREVIEW_SEED)
            labels = None if samples.mask is None else to_codes(samples.mask)
            return draw_montage([MontageLayer(samples.image.numpy(), labels, "contour")])
        return draw_montage([real])

    def _translate_codes(self, codes: Pixels) -> torch.Tensor:
        with preserve_training_state(self.method, PREVIEW_SEED) as rng:
            masks = to_channels(torch.from_numpy(codes), self.split.structure_count)
            images = self.method.synthesize(masks.to(self.method.device), rng)
        check_finite(self.method, {"image": images})
        return images


COLUMN_COUNT = 8
"""Images per row."""

SCORED_VOLUME_COUNT = 4
"""Number of volumes, each shown in three planes."""


def draw_real_cases(split: DataSplit, grid: tuple[int, int]) -> Pixels:
    """Draw the first cases of a split: a grid of images, or volumes with their structures."""
    if split.images.ndim == 5:
        return draw_montage([_make_layer(split, SCORED_VOLUME_COUNT)])
    rows, columns = grid
    return draw_image_grid(np.array(split.images[: rows * columns]), columns)


def draw_pairs(split: DataSplit) -> Pixels:
    """Draw the first cases of a split with masks: masks above images, or over volumes."""
    if split.images.ndim == 5:
        return draw_montage([_make_layer(split, SCORED_VOLUME_COUNT)])
    masks = split.arrays["mask"][:COLUMN_COUNT, None] * np.uint8(255)
    return draw_image_rows([masks, np.array(split.images[:COLUMN_COUNT])], COLUMN_COUNT)


def draw_method_figure(method: Method[Any], seed: int) -> Pixels | None:
    """Draw the figure that a method defines; None if it defines none."""
    with preserve_training_state(method, seed) as rng:
        return method.draw_figure(rng)


def _make_layer(split: DataSplit, count: int) -> MontageLayer:
    codes = split.arrays.get("mask")
    mask = None if codes is None else np.array(codes[:count])
    return MontageLayer(np.array(split.images[:count]), mask)
