"""Crop and resize images to squares of the run's size, and back."""

from __future__ import annotations

from typing import TypeVar

import numpy as np
import numpy.typing as npt
from PIL import Image

from benchbed.api.types import CropWindow
from benchbed.config.protocol import Framing

Pixels = npt.NDArray[np.uint8]

Scores = npt.NDArray[np.float32]

PixelT = TypeVar("PixelT", np.uint8, np.bool_, np.float32)

Mask = npt.NDArray[np.bool_]


def compute_window(shape: tuple[int, int], framing: Framing, fov: Mask | None) -> CropWindow:
    """Return the window of an image that becomes the square.

    Args:
        shape: Height and width of the image.
        framing: ``"stretch"`` uses everything, ``"center"`` the central square, ``"pad"`` the
            square around everything, ``"fov"`` the square around the field of view.
        fov: Field of view ``(H, W)``; required for ``"fov"``.

    Returns:
        A square, or the whole image for ``"stretch"``.
    """
    height, width = shape
    if framing == "stretch":
        return CropWindow(0, 0, height, width)
    if framing == "fov" and fov is not None and fov.any():
        rows, columns = np.flatnonzero(fov.any(1)), np.flatnonzero(fov.any(0))
        top, bottom, left, right = rows[0], rows[-1] + 1, columns[0], columns[-1] + 1
        side = int(max(bottom - top, right - left))
        middle, centre = int(top + bottom) // 2, int(left + right) // 2
        return CropWindow(middle - side // 2, centre - side // 2, side, side)
    side = max(height, width) if framing in ("pad", "fov") else min(height, width)
    return CropWindow((height - side) // 2, (width - side) // 2, side, side)


def crop_window(picture: npt.NDArray[PixelT], part: CropWindow) -> npt.NDArray[PixelT]:
    """Crop a window of an image ``(H, W)`` or ``(H, W, C)``, zero beyond the edge."""
    height, width = picture.shape[:2]
    top, left = max(part.top, 0), max(part.left, 0)
    bottom, right = min(part.top + part.height, height), min(part.left + part.width, width)
    result = np.zeros((part.height, part.width, *picture.shape[2:]), picture.dtype)
    inside = picture[top:bottom, left:right]
    row, column = top - part.top, left - part.left
    result[row : row + inside.shape[0], column : column + inside.shape[1]] = inside
    return result


def restore_image(values: Scores, part: CropWindow, shape: tuple[int, int]) -> Scores:
    """Resize a square to its window and place it in the image: the inverse of `crop_window`.

    Args:
        values: ``(size, size)`` float32.
        part: Window that the square shows.
        shape: Height and width of the image.

    Returns:
        ``(H, W)`` float32, bilinear; 0 outside the window.
    """
    if values.shape != (part.height, part.width):
        size = (part.width, part.height)
        values = np.asarray(Image.fromarray(values).resize(size, Image.Resampling.BILINEAR))
    return crop_window(values, CropWindow(-part.top, -part.left, *shape))


def resize_image(picture: Pixels, size: int) -> Pixels:
    """Resize ``(H, W, C)`` uint8 to ``(size, size, C)``: bicubic, antialiased when shrinking."""
    if picture.shape[:2] == (size, size):
        return picture
    planes = [
        Image.fromarray(np.ascontiguousarray(picture[..., c])).resize(
            (size, size), Image.Resampling.BICUBIC
        )
        for c in range(picture.shape[2])
    ]
    return np.stack([np.asarray(plane) for plane in planes], axis=-1)


def resize_mask(mask: Mask, size: int) -> Mask:
    """Resize ``(H, W)`` bool to ``(size, size)``, preserving the share of foreground.

    Thin structures would vanish at a threshold of half a pixel's area; instead the pixels of
    largest coverage are taken until the foreground has its share.
    """
    if mask.shape == (size, size):
        return mask
    coverage = np.asarray(
        Image.fromarray(mask.astype(np.float32)).resize((size, size), Image.Resampling.BOX)
    )
    foreground = round(float(mask.mean()) * size * size)
    if foreground == 0:
        return np.zeros((size, size), bool)
    threshold = np.partition(coverage.ravel(), size * size - foreground)[size * size - foreground]
    return np.asarray((coverage >= threshold) & (coverage > 0))


def resize_classes(classes: Pixels, size: int) -> Pixels:
    """Resize classes ``(H, W)``, 0 for the background, to ``(size, size)``.

    The foreground keeps its share, and each of its pixels gets the class with the largest
    coverage.
    """
    foreground = resize_mask(classes > 0, size)
    numbers = np.unique(classes[classes > 0])
    if len(numbers) < 2:
        return np.asarray(foreground * (numbers[0] if len(numbers) else np.uint8(0)), np.uint8)
    coverage = [
        np.asarray(
            Image.fromarray((classes == number).astype(np.float32)).resize(
                (size, size), Image.Resampling.BOX
            )
        )
        for number in numbers
    ]
    return np.where(foreground, numbers[np.argmax(coverage, axis=0)], 0).astype(np.uint8)


def compute_common_fov(fovs: npt.NDArray[np.uint8], count: int) -> npt.NDArray[np.uint8]:
    """Repeat the pixels inside most real fields of view for `count` generated images.

    Args:
        fovs: Fields of view of real images, ``(N, H, W)`` in {0, 1}.
        count: Number of generated images.

    Returns:
        ``(count, H, W)`` in {0, 1}, read-only.
    """
    common = (np.mean(fovs, axis=0) > 0.5).astype(np.uint8)
    return np.broadcast_to(common, (count, *common.shape))
