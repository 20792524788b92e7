"""Cases at their own size, at which predictions are evaluated."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from benchbed.api.specs import DatasetSpec
from benchbed.api.types import LUMA_WEIGHTS, CropWindow
from benchbed.config.protocol import Framing
from benchbed.data.io.images import Pixels, read_image, read_mask
from benchbed.data.preprocessing.framing import Mask, compute_window
from benchbed.data.sources.cases import Case
from benchbed.errors import BenchbedError
from benchbed.registry.lookup import load_object

FovDetector = Callable[[Pixels], Mask]


@dataclass(frozen=True)
class NativeCase:
    """A case at the size of its files.

    Attributes:
        image: ``(H, W, C)`` uint8.
        masks: ``mask``, ``second_mask`` and ``fov`` where present, each bool ``(H, W)``.
        window: Window that becomes the square.
    """

    image: Pixels
    masks: Mapping[str, Mask]
    window: CropWindow


def read_native_case(
    case: Case, spec: DatasetSpec, *, channels: int, framing: Framing
) -> NativeCase:
    """Read the files of a case; a missing field of view is detected if its dataset can.

    Raises:
        BenchbedError: A file cannot be decoded, or a mask differs from its image in size.
    """
    image = read_image(case.image, channels, window=spec.intensity_window)
    masks = {role: read_mask(path) for role, path in case.files.items() if role != "image"}
    for role, mask in masks.items():
        if mask.shape != image.shape[:2]:
            raise BenchbedError(
                f"{case.files[role]} has {_format_size(mask)} pixels, but its image {case.image} "
                "has "
                f"{_format_size(image)}. A mask must have the size of its image."
            )
    if "fov" not in masks and spec.fov_detector is not None:
        detect: FovDetector = load_object(spec.fov_detector)
        masks["fov"] = detect(convert_channels(image, 3))
    part = compute_window((image.shape[0], image.shape[1]), framing, masks.get("fov"))
    return NativeCase(image, masks, part)


def convert_channels(image: Pixels, channels: int) -> Pixels:
    """Convert ``(H, W, C)`` to 1 or 3 channels; grey by BT.601 luma weights."""
    if image.shape[2] == channels:
        return image
    if channels == 3:
        return np.repeat(image, 3, axis=2)
    luma = image.astype(np.float32) @ np.asarray(LUMA_WEIGHTS, np.float32)
    return np.round(luma).astype(np.uint8)[..., None]


def _format_size(picture: npt.NDArray[np.generic]) -> str:
    return f"{picture.shape[1]} x {picture.shape[0]}"
