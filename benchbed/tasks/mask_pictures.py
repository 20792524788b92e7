"""Masks beside their images, as the methods saw them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from benchbed.api.task import Reference
from benchbed.api.types import Window
from benchbed.data.framing import cut, resize_image
from benchbed.training.pictures import image_rows

Scores = npt.NDArray[np.float32]
Pixels = npt.NDArray[np.uint8]


def comparison(cases: Sequence[Reference], scores: Sequence[Scores]) -> Pixels:
    """Rows of images, true masks and scores; ``(H, W, 3)`` uint8."""
    size = cases[0].image.shape[-1]
    truth = [case.mask.astype(np.float32) for case in cases]
    rows = [
        np.stack([case.image for case in cases]),
        np.stack([_shown(mask, case, size) for mask, case in zip(truth, cases, strict=True)]),
        np.stack([_shown(score, case, size) for score, case in zip(scores, cases, strict=True)]),
    ]
    return image_rows(rows, len(cases))


def _shown(plane: Scores, case: Reference, size: int) -> Pixels:
    """A plane of a case's own size as the square that the method saw, ``(1, size, size)``."""
    assert isinstance(case.part, Window)
    pixels = np.round(cut(plane, case.part) * 255).astype(np.uint8)
    return resize_image(pixels[..., None], size)[None, ..., 0]
