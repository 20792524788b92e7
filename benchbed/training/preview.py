"""Previews of what a method can do, during training and at its end."""

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
"""Seed of previews during training: the same noise every time."""

VOLUMES = 3
"""Number of volumes, each shown in three planes."""

Pixels = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Preview:
    """Draws what a method can do, with the same cases and noise every time.

    Attributes:
        method: The method.
        abilities: Its capabilities.
        split: Cases for methods that start from a case.
        grid: Rows and columns of images.
    """

    method: Method[Any]
    abilities: frozenset[str]
    split: Split
    grid: tuple[int, int] = (4, 8)

    def __call__(self) -> Pixels:
        """Draw samples; otherwise images, their masks, and the method's output for one of them."""
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
        """Draw the real sequences of each case with their mask, and the method's output below."""
        images = np.array(self.split.image[:VOLUMES])
        codes = self.split.arrays.get("mask")
        codes = None if codes is None else np.array(codes[:VOLUMES])
        real = Layer(images, codes)
        has_all_structures = (
            codes is not None and self.split.structures == self.method.data.mask_channels
        )
        if "synthesize" in self.abilities and has_all_structures and codes is not None:
            generated = self._synthesized(codes).cpu().numpy()
            return montage([real, Layer(generated)])
        if "segment" in self.abilities:
            predicted = structures(probabilities(self.method, images, SEED))
            return montage([real, Layer(images, predicted)])
        if "sample" in self.abilities:
            samples = draw(self.method, VOLUMES, SEED)
            labels = None if samples.mask is None else to_codes(samples.mask)
            return montage([Layer(samples.image.numpy(), labels, "contour")])
        return montage([real])

    def _synthesized(self, codes: Pixels) -> torch.Tensor:
        with apart(self.method, SEED) as rng:
            masks = to_channels(torch.from_numpy(codes), self.split.structures)
            images = self.method.synthesize(masks.to(self.method.device), rng)
        check_finite(self.method, {"image": images})
        return images
