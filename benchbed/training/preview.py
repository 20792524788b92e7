"""What a method can do, as a picture, while it trains and when it is done."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from benchbed.api.method import Method
from benchbed.data.feed import to_channels, to_codes, to_pixels
from benchbed.data.prepare import Split
from benchbed.training.montage import Layer, montage
from benchbed.training.pictures import image_grid, image_rows, sample_grid
from benchbed.training.sampling import (
    apart,
    check_finite,
    draw,
    foreground,
    probabilities,
    structures,
)

SEED = 1234
"""Seed of what is shown while a run trains: the same noise every time."""

VOLUMES = 3
"""Volumes that are shown, each in three planes."""

Pixels = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Preview:
    """Draws a method's present ability, the same cases and noise every time.

    Attributes:
        method: The method.
        abilities: What it can do.
        split: The cases that are shown to a method that starts from a case.
        grid: Rows and columns of pictures.
    """

    method: Method[Any]
    abilities: frozenset[str]
    split: Split
    grid: tuple[int, int] = (4, 8)

    def __call__(self) -> Pixels:
        """Samples; else images with their masks and what is made of the one or the other."""
        return self._volumes() if self.method.data.dimensions == 3 else self._pictures()

    def _pictures(self) -> Pixels:
        rows, columns = self.grid
        if "sample" in self.abilities:
            return sample_grid(draw(self.method, rows * columns, SEED), columns)
        images = np.array(self.split.image[:columns])
        if "mask" not in self.split.arrays:
            return image_grid(images, columns)
        codes = np.array(self.split.arrays["mask"][:columns])
        masks = codes[:, None] * np.uint8(255)
        if "synthesize" in self.abilities:
            return image_rows([masks, to_pixels(self._synthesized(codes)), images], columns)
        if "segment" in self.abilities:
            scores = foreground(probabilities(self.method, images, SEED))[:, None]
            return image_rows([images, np.round(scores * 255).astype(np.uint8), masks], columns)
        return image_rows([images, masks], columns)

    def _volumes(self) -> Pixels:
        """Of every case the real sequences with their mask, and below what the method makes."""
        images = np.array(self.split.image[:VOLUMES])
        codes = self.split.arrays.get("mask")
        codes = None if codes is None else np.array(codes[:VOLUMES])
        real = Layer(images, codes)
        fits = codes is not None and self.split.structures == self.method.data.mask_channels
        if "synthesize" in self.abilities and fits and codes is not None:
            made = self._synthesized(codes).cpu().numpy()
            return montage([real, Layer(made)])
        if "segment" in self.abilities:
            found = structures(probabilities(self.method, images, SEED))
            return montage([real, Layer(images, found)])
        if "sample" in self.abilities:
            samples = draw(self.method, VOLUMES, SEED)
            labels = None if samples.mask is None else to_codes(samples.mask)
            return montage([Layer(samples.image.numpy(), labels, "contour")])
        return montage([real])

    def _synthesized(self, codes: Pixels) -> torch.Tensor:
        with apart(self.method, SEED) as rng:
            given = to_channels(torch.from_numpy(codes), self.split.structures)
            made = self.method.synthesize(given.to(self.method.device), rng)
        check_finite(self.method, {"image": made})
        return made
