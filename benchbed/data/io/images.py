"""Decode image files to arrays."""

from __future__ import annotations

import gzip
import io
import re
import struct
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps

from benchbed.api.dataset import GZIP_SUFFIX
from benchbed.errors import BenchbedError, describe_error

ROBUST_PERCENTILES = (0.5, 99.5)
"""Percentiles that become the ends of the range where values have no agreed one: of all pixels of
an image with more than 8 bits per channel, of the foreground of a volume."""

Pixels = npt.NDArray[np.uint8]

DECODED_FORMATS = ("BMP", "GIF", "JPEG", "PNG", "PPM", "TIFF", "WEBP")
"""Decoded formats, by content. Pillow's other readers may start programs (EPS)."""

MAX_PIXELS = 2**28 // 3
"""Maximum number of pixels of an image: about 9,450 squared."""

MAX_UNPACKED_BYTES = 2**28
"""Maximum size of an unpacked image: `MAX_PIXELS` in 8-bit RGB."""

# What the decoders raise for damaged files and for files of other kinds.
_DECODE_ERRORS = (
    OSError,
    EOFError,
    IndexError,
    KeyError,
    OverflowError,
    RuntimeError,
    SyntaxError,
    TypeError,
    ValueError,
    struct.error,
    zlib.error,
)

# Filters hold for all threads, and images are decoded in several: set them once, here. Images with
# too many pixels are refused below; other decoder warnings are of no use to the user.
warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)
warnings.filterwarnings("ignore", category=UserWarning, module=r"PIL\.")


def read_image(path: Path, channels: int, window: tuple[float, float] | None = None) -> Pixels:
    """Read an image as uint8, rotated upright by its EXIF orientation.

    Gzip is unpacked, palettes are applied, transparency becomes black, CMYK is converted, and the
    first frame of an animation is used. Grey images of 16 bits or floats have no agreed range:
    their 0.5th to 99.5th percentile becomes 0 to 255, unless a window is given.

    Args:
        path: The file.
        channels: 1 for grey, 3 for RGB.
        window: Values that become 0 and 255 in images of more than 8 bits, in their own units.

    Returns:
        ``(H, W, channels)`` in [0, 255].

    Raises:
        BenchbedError: The file cannot be decoded or unpacked, has too many pixels or no finite one;
            or the window begins below 0 and the image has no value there.
    """
    with _open_image(path) as picture:
        if picture.mode.startswith(("I", "F")):
            grey = _scale_to_uint8(np.asarray(picture), path, window)
            pixels = np.repeat(grey[..., None], channels, axis=2)
        else:
            converted = _convert_mode(_remove_alpha(picture), "L" if channels == 1 else "RGB", path)
            pixels = np.asarray(converted, dtype=np.uint8)
    return pixels if pixels.ndim == 3 else pixels[..., None]


def read_mask(path: Path) -> npt.NDArray[np.bool_]:
    """Read a mask: pixels brighter than the middle of the file's own range.

    Masks come as {0, 255}, {0, 1}, palettes and 1-bit files. A constant image is all background if
    its value is 0, else all foreground.

    Returns:
        ``(H, W)`` bool.

    Raises:
        BenchbedError: The file cannot be decoded, or has NaN pixels.
    """
    with _open_image(path) as picture:
        deep = picture.mode.startswith(("I", "F"))
        grey = np.asarray(picture if deep else _convert_mode(picture, "L", path))
    low, high = float(grey.min()), float(grey.max())
    if not np.isfinite((low, high)).all():
        raise BenchbedError(f"{path} is a mask with NaN pixels.")
    return np.asarray(grey > (low + high) / 2 if high > low else grey > 0)


def read_image_size(path: Path) -> tuple[int, int]:
    """Return width and height of an image in pixels, as stored.

    Raises:
        BenchbedError: The file is no image, or cannot be unpacked.
    """
    with _open_undecoded(path) as picture:
        return picture.size


def _open_source(path: Path) -> Path | io.BytesIO:
    if path.suffix.lower() != GZIP_SUFFIX:
        return path
    try:
        with gzip.open(path) as packed:
            content = packed.read(MAX_UNPACKED_BYTES + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise BenchbedError(
            f"{path} cannot be decompressed with gzip: {_describe_error(error)}."
        ) from error
    if len(content) > MAX_UNPACKED_BYTES:
        raise BenchbedError(
            f"{path} decompresses to more than {MAX_UNPACKED_BYTES} bytes, the limit for one image."
        )
    return io.BytesIO(content)


def _open_image(path: Path) -> Image.Image:
    with _open_undecoded(path) as picture:
        picture.load()
        return ImageOps.exif_transpose(picture)


@contextmanager
def _open_undecoded(path: Path) -> Iterator[Image.Image]:
    """Open an image without decoding it; turn its errors into `BenchbedError`."""
    source = _open_source(path)
    try:
        with Image.open(source, formats=DECODED_FORMATS) as picture:
            width, height = picture.size
            if width * height > MAX_PIXELS:
                raise Image.DecompressionBombError(f"{width} x {height}")
            yield picture
    except _DECODE_ERRORS as error:
        raise BenchbedError(
            f"{path} cannot be decoded as an image: {_describe_error(error)}."
        ) from error
    except Image.DecompressionBombError as error:
        raise BenchbedError(f"{path} has too many pixels: {_describe_error(error)}.") from (error)


def _describe_error(error: BaseException) -> str:
    """Return the reason, without the file object or its name that Pillow appends."""
    return re.split(" ['<]", describe_error(error))[0].rstrip(".") or type(error).__name__


def _remove_alpha(picture: Image.Image) -> Image.Image:
    """Blend transparency with black, the background of medical images."""
    if picture.mode in ("RGBA", "LA", "PA") or "transparency" in picture.info:
        rgba = picture.convert("RGBA")
        black = Image.new("RGBA", rgba.size, (0, 0, 0, 255))
        return Image.alpha_composite(black, rgba).convert("RGB")
    if picture.mode == "P":
        return picture.convert("RGB")
    return picture


def _convert_mode(picture: Image.Image, mode: str, path: Path) -> Image.Image:
    try:
        # Pillow converts LAB only to RGB.
        return (picture.convert("RGB") if picture.mode == "LAB" else picture).convert(mode)
    except ValueError as error:
        raise BenchbedError(f"{path} has an unsupported colour mode ({picture.mode}).") from error


def _scale_to_uint8(
    values: npt.NDArray[np.generic], path: Path, window: tuple[float, float] | None
) -> Pixels:
    numbers = values.astype(np.float64)
    finite = numbers[np.isfinite(numbers)]
    if finite.size == 0:
        raise BenchbedError(f"{path} cannot be decoded as an image: all pixels are NaN.")
    if window is not None and window[0] < 0 <= finite.min():
        raise BenchbedError(
            f"{path} has no value below 0, but its dataset has values from {window[0]:g} to "
            f"{window[1]:g}, so it was shifted or rescaled. Use the original file."
        )
    low, high = window or np.percentile(finite, ROBUST_PERCENTILES)
    if high <= low:
        return np.zeros(numbers.shape, np.uint8)
    scaled = np.nan_to_num((numbers - low) / (high - low), nan=0.0, posinf=1.0, neginf=0.0)
    return np.asarray(np.round(scaled.clip(0, 1) * 255), dtype=np.uint8)
