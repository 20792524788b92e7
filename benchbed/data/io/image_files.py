"""Open image files safely: formats that start no programs, bounded sizes, named errors."""

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
from typing import IO

from PIL import Image

from benchbed.api.dataset import GZIP_SUFFIX
from benchbed.errors import BenchbedError, describe_error
from benchbed.utils.regular_files import open_regular_file

Source = Path | io.BytesIO
"""A file, or its content if it is unpacked."""

DECODED_FORMATS = (
    *("BMP", "DIB", "GIF", "JPEG", "JPEG2000", "PCX", "PNG", "PPM", "SGI", "TIFF", "WEBP"),
)
"""Decoded formats, by content. Pillow's other readers may start programs (EPS)."""

_TGA_SUFFIX = ".tga"
"""Suffix of the format that has no signature, and is decoded only by its name."""

MAX_PIXELS = 2**28 // 3
"""Maximum number of pixels of an image: about 9,450 squared."""

MAX_UNPACKED_BYTES = 2**28
"""Maximum size of an unpacked image: `MAX_PIXELS` in 8-bit RGB."""

MAX_IMAGE_FILE_BYTES = 2**36
"""Maximum size of an image file in bytes; metadata and further pages are not read."""

# What the decoders raise for damaged files and for files of other kinds.
_DECODE_ERRORS = (
    OSError,
    EOFError,
    AttributeError,
    IndexError,
    KeyError,
    MemoryError,
    OverflowError,
    RuntimeError,
    SyntaxError,
    TypeError,
    ValueError,
    ZeroDivisionError,
    struct.error,
    zlib.error,
)

# Filters hold for all threads, and images are decoded in several: set them once, here. Images with
# too many pixels are refused below; other decoder warnings are of no use to the user.
warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)
warnings.filterwarnings("ignore", category=UserWarning, module=r"PIL\.")


def open_source(path: Path) -> Source:
    """Return a file, or the unpacked content of one that is compressed with gzip.

    Raises:
        BenchbedError: It cannot be unpacked, or exceeds `MAX_UNPACKED_BYTES`.
    """
    if path.suffix.lower() != GZIP_SUFFIX:
        return path
    try:
        with (
            open_regular_file(path, MAX_IMAGE_FILE_BYTES, follow_links=True) as file,
            gzip.open(file) as packed,
        ):
            content = packed.read(MAX_UNPACKED_BYTES + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise BenchbedError(
            f"{path} cannot be decompressed with gzip: {_describe_reason(error)}."
        ) from error
    if len(content) > MAX_UNPACKED_BYTES:
        raise BenchbedError(
            f"{path} decompresses to more than {MAX_UNPACKED_BYTES} bytes, the limit for one image."
        )
    return io.BytesIO(content)


def is_tiff(source: Source) -> bool:
    """Return whether a file begins as TIFF or BigTIFF does."""
    if isinstance(source, Path):
        with open_regular_file(source, MAX_IMAGE_FILE_BYTES, follow_links=True) as file:
            start = file.read(4)
    else:
        start = source.getvalue()[:4]
    return start in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")


@contextmanager
def name_decode_errors(path: Path) -> Iterator[None]:
    """Turn the errors of decoders into a `BenchbedError` that names the file."""
    try:
        yield
    except Image.DecompressionBombError as error:
        raise BenchbedError(f"{path} has too many pixels: {_describe_reason(error)}.") from error
    except _DECODE_ERRORS as error:
        raise BenchbedError(
            f"{path} cannot be decoded as an image: {_describe_reason(error)}."
        ) from error


@contextmanager
def open_picture(source: Source) -> Iterator[Image.Image]:
    """Open an image without decoding it."""
    if isinstance(source, io.BytesIO):
        source.seek(0)
        with _open_stream(source, DECODED_FORMATS) as picture:
            yield picture
        return
    is_tga = source.suffix.lower() == _TGA_SUFFIX
    # Given the path, Pillow 13 maps the file to memory, and scrambles rotated TIFFs.
    with (
        open_regular_file(source, MAX_IMAGE_FILE_BYTES, follow_links=True) as file,
        _open_stream(file, (*DECODED_FORMATS, "TGA") if is_tga else DECODED_FORMATS) as picture,
    ):
        yield picture


@contextmanager
def _open_stream(stream: IO[bytes], formats: tuple[str, ...]) -> Iterator[Image.Image]:
    with Image.open(stream, formats=formats) as picture:
        check_size(picture)
        yield picture


def check_size(picture: Image.Image) -> None:
    """Raise `DecompressionBombError` if an image has more than `MAX_PIXELS`."""
    width, height = picture.size
    if width * height > MAX_PIXELS:
        raise Image.DecompressionBombError(f"{width} x {height}")


def _describe_reason(error: BaseException) -> str:
    """Return the reason, without the file object or its name that Pillow appends."""
    return re.split(" ['<]", describe_error(error))[0].rstrip(".") or type(error).__name__
