"""Pictures of masks next to their images, at the size that the methods see."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from benchbed.api.task import ReferenceCase
from benchbed.api.types import CropBox, CropWindow
from benchbed.data.boxes import crop_box, resize_labels
from benchbed.data.framing import crop_window, resize_image
from benchbed.training.montage import MontageLayer, draw_montage
from benchbed.training.pictures import draw_image_rows

Scores = npt.NDArray[np.float32]
Pixels = npt.NDArray[np.uint8]

DEFAULT_THRESHOLD = 0.5


def draw_comparison(cases: Sequence[ReferenceCase], scores: Sequence[Scores]) -> Pixels:
    """Draw rows of images, reference masks and scores; ``(H, W, 3)`` uint8.

    For volumes, each with its reference foreground, and below with the prediction.
    """
    if cases[0].image.ndim == 4:
        return _draw_volumes(cases, scores)
    size = cases[0].image.shape[-1]
    truth = [case.mask.astype(np.float32) for case in cases]
    rows = [
        np.stack([case.image for case in cases]),
        np.stack([_resize_plane(mask, case, size) for mask, case in zip(truth, cases, strict=True)]),
        np.stack([_resize_plane(score, case, size) for score, case in zip(scores, cases, strict=True)]),
    ]
    return draw_image_rows(rows, len(cases))


def _draw_volumes(cases: Sequence[ReferenceCase], scores: Sequence[Scores]) -> Pixels:
    images = np.stack([case.image for case in cases])
    layers = [
        np.stack([_resize_mask_volume(mask, case) for mask, case in zip(masks, cases, strict=True)])
        for masks in ([case.mask for case in cases], [score > DEFAULT_THRESHOLD for score in scores])
    ]
    return draw_montage([MontageLayer(images, codes) for codes in layers])


def _resize_mask_volume(mask: npt.NDArray[np.bool_], case: ReferenceCase) -> Pixels:
    """Resize a mask from the case's size to the method's block, ``(D, size, size)``."""
    assert isinstance(case.region, CropBox)
    depth, height, width = case.image.shape[1:]
    return resize_labels(crop_box(mask.astype(np.uint8), case.region), (depth, height, width))


def _resize_plane(plane: Scores, case: ReferenceCase, size: int) -> Pixels:
    """Resize a plane from the case's size to the method's square, ``(1, size, size)``."""
    assert isinstance(case.region, CropWindow)
    pixels = np.round(crop_window(plane, case.region) * 255).astype(np.uint8)
    return resize_image(pixels[..., None], size)[None, ..., 0]
