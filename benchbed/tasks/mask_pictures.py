"""Pictures of masks next to their images, at the size that the methods see."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from benchbed.api.task import Reference
from benchbed.api.types import Box, Window
from benchbed.data.boxes import cut_box, resample_codes
from benchbed.data.framing import cut, resize_image
from benchbed.training.montage import Layer, montage
from benchbed.training.pictures import image_rows

Scores = npt.NDArray[np.float32]
Pixels = npt.NDArray[np.uint8]

HALF = 0.5


def comparison(cases: Sequence[Reference], scores: Sequence[Scores]) -> Pixels:
    """Draw rows of images, reference masks and scores; ``(H, W, 3)`` uint8.

    For volumes, each with its reference foreground, and below with the prediction.
    """
    if cases[0].image.ndim == 4:
        return _volumes(cases, scores)
    size = cases[0].image.shape[-1]
    truth = [case.mask.astype(np.float32) for case in cases]
    rows = [
        np.stack([case.image for case in cases]),
        np.stack([_shown(mask, case, size) for mask, case in zip(truth, cases, strict=True)]),
        np.stack([_shown(score, case, size) for score, case in zip(scores, cases, strict=True)]),
    ]
    return image_rows(rows, len(cases))


def _volumes(cases: Sequence[Reference], scores: Sequence[Scores]) -> Pixels:
    images = np.stack([case.image for case in cases])
    layers = [
        np.stack([_block(mask, case) for mask, case in zip(masks, cases, strict=True)])
        for masks in ([case.mask for case in cases], [score > HALF for score in scores])
    ]
    return montage([Layer(images, codes) for codes in layers])


def _block(mask: npt.NDArray[np.bool_], case: Reference) -> Pixels:
    """Resize a mask from the case's size to the method's block, ``(D, size, size)``."""
    assert isinstance(case.part, Box)
    depth, height, width = case.image.shape[1:]
    return resample_codes(cut_box(mask.astype(np.uint8), case.part), (depth, height, width))


def _shown(plane: Scores, case: Reference, size: int) -> Pixels:
    """Resize a plane from the case's size to the method's square, ``(1, size, size)``."""
    assert isinstance(case.part, Window)
    pixels = np.round(cut(plane, case.part) * 255).astype(np.uint8)
    return resize_image(pixels[..., None], size)[None, ..., 0]
