"""What a method can do, as a picture, while it trains and when it is done."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from benchbed.api.method import Method
from benchbed.data.feed import to_pixels, to_signed
from benchbed.data.prepare import Split
from benchbed.training.pictures import image_grid, image_rows, sample_grid
from benchbed.training.sampling import apart, draw, foreground, probabilities

SEED = 1234
"""Seed of what is shown while a run trains: the same noise every time."""

Pixels = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Preview:
    """Draws a method's present ability, the same cases and noise every time.

    Attributes:
        method: The method.
        abilities: What it can do.
        split: The cases that are shown to a method that starts from a case.
        grid: Rows and columns.
    """

    method: Method[Any]
    abilities: frozenset[str]
    split: Split
    grid: tuple[int, int] = (4, 8)

    def __call__(self) -> Pixels:
        """Samples; else images with their masks and what is made of the one or the other."""
        rows, columns = self.grid
        if "sample" in self.abilities:
            return sample_grid(draw(self.method, rows * columns, SEED), columns)
        images = np.array(self.split.image[:columns])
        if "mask" not in self.split.arrays:
            return image_grid(images, columns)
        masks = self.split.arrays["mask"][:columns, None] * np.uint8(255)
        if "synthesize" in self.abilities:
            return image_rows([masks, self._synthesized(masks), images], columns)
        if "segment" in self.abilities:
            scores = foreground(probabilities(self.method, images, SEED))[:, None]
            return image_rows([images, np.round(scores * 255).astype(np.uint8), masks], columns)
        return image_rows([images, masks], columns)

    def _synthesized(self, masks: Pixels) -> Pixels:
        with apart(self.method, SEED) as rng:
            given = to_signed(torch.from_numpy(masks)).to(self.method.device)
            return to_pixels(self.method.synthesize(given, rng))
