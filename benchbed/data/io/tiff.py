"""Decode the TIFF pages that Pillow cannot: 64 bits, float colours, signed WhiteIsZero, planes."""

from __future__ import annotations

import io
import logging
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import tifffile
from PIL import Image

Values = npt.NDArray[Any]

_WHITE_IS_ZERO, _RGB = 0, 2
_GREY_OR_RGB = (_WHITE_IS_ZERO, 1, _RGB)
_ALPHA = (1, 2)
"""Values of ExtraSamples for opacity, premultiplied or not."""

# It logs what is wrong with a damaged file, which the error says as well.
logging.getLogger("tifffile").setLevel(logging.CRITICAL)


def list_tiff_pages(source: Path | io.BytesIO, skipped: int) -> tuple[int, ...]:
    """Return the indices of pages whose NewSubfileType has none of the bits `skipped`."""
    with _open_tiff(source) as file:
        pages = list(file.pages)
        return tuple(n for n, page in enumerate(pages) if not page.subfiletype & skipped)


def read_tiff_size(source: Path | io.BytesIO) -> tuple[int, int]:
    """Return width and height of the first page."""
    with _open_tiff(source) as file:
        page = file.pages[0]
        return int(page.imagewidth), int(page.imagelength)


def decode_tiff_page(
    source: Path | io.BytesIO, frame: int, max_pixels: int
) -> tuple[Values, Values | None, str]:
    """Decode a page.

    Returns:
        Values ``(H, W)`` or ``(H, W, 3)``, higher is brighter; opacity ``(H, W)`` or None; and the
        bits per channel, such as ``"16"`` or ``"64f"``.

    Raises:
        ValueError: The page has more channels than RGB with alpha, or a compression that cannot be
            decoded here.
        Image.DecompressionBombError: It has more than `max_pixels` pixels.
    """
    with _open_tiff(source) as file:
        page: Any = file.pages[frame]
        if page.imagewidth * page.imagelength > max_pixels:
            raise Image.DecompressionBombError(f"{page.imagewidth} x {page.imagelength}")
        if page.photometric not in _GREY_OR_RGB or page.imagedepth != 1:
            raise ValueError("colours other than grey and RGB need 8 bits per channel")
        values = page.asarray()
    if page.planarconfig == 2 and values.ndim == 3:
        values = np.moveaxis(values, 0, -1)
    values = _turn_upright(values, int(page.tags.valueof(274, 1)))
    colour, alpha = _split_channels(page, values)
    bits = "1" if colour.dtype == bool else str(colour.dtype.itemsize * 8)
    if colour.dtype.kind == "f":
        bits += "f"
    if page.photometric == _WHITE_IS_ZERO:
        colour = _invert(colour)
    return colour, alpha, "16" if bits == "8" and colour.dtype.kind == "i" else bits


def _open_tiff(source: Path | io.BytesIO) -> Any:
    if isinstance(source, io.BytesIO):
        source.seek(0)
    return tifffile.TiffFile(source)


def _split_channels(page: Any, values: Values) -> tuple[Values, Values | None]:
    """Split values into grey or RGB, and opacity."""
    colours = 3 if page.photometric == _RGB else 1
    channels = 1 if values.ndim == 2 else values.shape[-1]
    extra = tuple(int(kind) for kind in page.extrasamples)
    if channels == colours:
        return values.reshape(values.shape[:2]) if colours == 1 else values, None
    if channels != colours + 1 or len(extra) != 1 or extra[0] not in _ALPHA:
        raise ValueError(f"it has {channels} channels, but only grey and RGB, with alpha, are read")
    if values.dtype.kind != "u":
        raise ValueError("alpha is read only with unsigned integers")
    return values[..., 0] if colours == 1 else values[..., :3], values[..., -1]


def _turn_upright(values: Values, orientation: int) -> Values:
    """Apply TIFF's Orientation, 1 to 8."""
    if orientation in (5, 6, 7, 8):
        values = values.swapaxes(0, 1)
    if orientation in (3, 4, 7, 8):
        values = values[::-1]
    return values[:, ::-1] if orientation in (2, 3, 6, 7) else values


def _invert(values: Values) -> Values:
    """Invert WhiteIsZero values; in the same way for all files of a type."""
    if values.dtype.kind == "f":
        return -values
    return ~values  # the largest unsigned value minus this one; -1 minus it if signed
