"""Decode pages of image files to stored values, safely."""

from __future__ import annotations

import gzip
import io
import re
import struct
import sys
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps, UnidentifiedImageError

from benchbed.api.dataset import GZIP_SUFFIX
from benchbed.data.io.dicom import decode_dicom_frames, is_dicom, read_dicom_header
from benchbed.errors import BenchbedError, describe_error

Values = npt.NDArray[Any]

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

_SKIPPED_PAGES = 1 | 4
"""Bits of TIFF's NewSubfileType: a smaller copy of another page, or its transparency mask."""

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


@dataclass(frozen=True)
class Page:
    """One page of an image file, upright. Either `picture` or `values` is set.

    Attributes:
        bits: Depth of a channel as stored: ``"1"``, ``"8"``, ``"16"``, ``"32"``, or ``"32f"`` for
            floats.
        picture: The page if it has at most 8 bits per channel.
        values: A deeper page, ``(H, W)`` or ``(H, W, 3)``, in the file's units, higher is brighter.
        alpha: Opacity of a deeper page, ``(H, W)`` integers from 0 to ``2**bits - 1``, or None.
        full_grey: The stored grey value that became 255 in `picture`.
    """

    bits: str
    picture: Image.Image | None = None
    values: Values | None = None
    alpha: Values | None = None
    full_grey: int = 255


def decode_page(path: Path, page: int | None = None) -> Page:
    """Decode one page of an image file.

    Args:
        path: The file.
        page: Index of the page; None for the first. Files of one page and animations have only
            their first, whatever the index.

    Raises:
        BenchbedError: The file cannot be decoded or unpacked, has too many pixels, or has several
            pages but not this one.
    """
    frames = list_frames(path)
    index = 0 if page is None or len(frames) == 1 else page
    if not 0 <= index < len(frames):
        raise BenchbedError(
            f"{path} has no page {index + 1}: it has {len(frames)} pages. Correct the page, or use "
            "the original file."
        )
    return next(_decode_frames(path, frames[index : index + 1]))


def iter_pages(path: Path) -> Iterator[Page]:
    """Iterate over the decoded pages of an image file; of an animation, the first frame.

    Raises:
        BenchbedError: A page cannot be decoded.
    """
    return _decode_frames(path, list_frames(path))


def list_frames(path: Path) -> tuple[int, ...]:
    """Return the frames of a file that are pages: no thumbnails, no later frames of animations.

    Raises:
        BenchbedError: The file cannot be decoded or unpacked.
    """
    try:
        status = path.stat()
    except OSError as error:
        raise BenchbedError(f"{path} cannot be read: {describe_error(error)}.") from error
    return _list_frames(path, status.st_size, status.st_mtime_ns)


# Every page of a stack is a case, and each of its readings needs the list.
@lru_cache(maxsize=1024)
def _list_frames(path: Path, size: int, time: int) -> tuple[int, ...]:
    if is_dicom(path):
        return tuple(range(read_dicom_header(path).frames))
    with name_decode_errors(path):
        source = _open_source(path)
        try:
            with _open_picture(source) as picture:
                if picture.format != "TIFF":
                    return (0,)
                _check_declared_pages(path, picture)
                return _list_tiff_pages(picture)
        except (UnidentifiedImageError, SyntaxError):
            if not _is_tiff(source):
                raise
            from benchbed.data.io.tiff import list_tiff_pages

            return list_tiff_pages(source, _SKIPPED_PAGES)


def count_frames(path: Path) -> int:
    """Count the frames of an animation; 1 for other files that can be decoded."""
    if is_dicom(path):
        return 1
    with (
        name_decode_errors(path),
        suppress(UnidentifiedImageError),
        _open_picture(_open_source(path)) as picture,
    ):
        if picture.format in ("GIF", "PNG", "WEBP"):
            return int(getattr(picture, "n_frames", 1))
    return 1


def _list_tiff_pages(picture: Any) -> tuple[int, ...]:
    frames = []
    for frame in range(picture.n_frames):
        picture.seek(frame)
        if not int(picture.tag_v2.get(254, 0)) & _SKIPPED_PAGES:
            frames.append(frame)
    return tuple(frames) or (0,)


def _check_declared_pages(path: Path, picture: Any) -> None:
    """Raise if ImageJ stored more pages than the file lists, as it does in large files."""
    description = str(picture.tag_v2.get(270, ""))
    declared = re.search(r"^images=(\d+)", description, re.MULTILINE)
    if description.startswith("ImageJ=") and declared and int(declared[1]) > picture.n_frames:
        raise BenchbedError(
            f"{path} declares {declared[1]} pages but lists {picture.n_frames}, as large files of "
            "ImageJ do. Save its pages as separate files."
        )


def _decode_frames(path: Path, frames: tuple[int, ...]) -> Iterator[Page]:
    if is_dicom(path):
        for values, bits in decode_dicom_frames(path, frames):
            yield _wrap_dicom_values(values, bits)
        return
    source = _open_source(path)
    for frame in frames:
        with name_decode_errors(path):
            page = _decode_frame(source, frame)
        yield page


def _wrap_dicom_values(values: Values, bits: str) -> Page:
    if bits == "1":
        return Page(bits, Image.fromarray((values * 255).astype(np.uint8)))
    if bits == "8":
        return Page(bits, Image.fromarray(values.astype(np.uint8)))
    return Page(bits, values=values)


def _decode_frame(source: Path | io.BytesIO, frame: int) -> Page:
    try:
        with _open_picture(source) as picture:
            if frame:
                picture.seek(frame)
                _check_size(picture)
            if not _needs_tifffile(picture):
                return _decode_picture(picture, source, frame)
    except (UnidentifiedImageError, SyntaxError):
        if not _is_tiff(source):
            raise
    from benchbed.data.io.tiff import decode_tiff_page

    values, alpha, bits = decode_tiff_page(source, frame, MAX_PIXELS)
    if bits in ("1", "8") and alpha is None:
        return Page(bits, Image.fromarray(values))
    return Page(bits, values=values, alpha=alpha)


def _needs_tifffile(picture: Any) -> bool:
    """Return whether Pillow would decode this page wrongly."""
    if picture.format != "TIFF":
        return False
    tags = picture.tag_v2
    bits = max(tags.get(258, (1,)))
    samples = int(tags.get(277, 1))
    # Signed bytes wrap, planes of 16 bits are taken for 8, and unknown samples are dropped.
    return (
        (bits == 8 and tags.get(339, (1,))[0] == 2)
        or (bits > 8 and int(tags.get(284, 1)) == 2)
        or (samples > len(picture.getbands()) and picture.mode != "P")
    )


def _decode_picture(picture: Any, source: Path | io.BytesIO, frame: int) -> Page:
    tags = getattr(picture, "tag_v2", {})
    full_grey = _find_full_grey(picture)
    if _holds_deep_colours(picture):
        return _decode_deep_colours(source, frame)
    picture.load()
    upright = ImageOps.exif_transpose(picture)
    if not upright.mode.startswith(("I", "F")):
        return Page("1" if upright.mode == "1" else "8", upright, full_grey=full_grey)
    values = np.asarray(upright)
    bits = "32f" if upright.mode == "F" else "16" if picture.format != "TIFF" else ""
    bits = bits or str(max(tags.get(258, (1,))))
    # Pillow inverts WhiteIsZero only up to 8 bits.
    return Page(bits, values=_invert_deep(values) if tags.get(262) == 0 else values)


def _invert_deep(values: Values) -> Values:
    """Invert WhiteIsZero values, which are unsigned 16-bit integers or floats in Pillow."""
    return -values if values.dtype.kind == "f" else 2**16 - 1 - values


def _find_full_grey(picture: Any) -> int:
    """Return the stored value that Pillow scales to 255."""
    if picture.mode != "L" or not picture.tile:
        return 255
    args = picture.tile[0][3]
    if picture.format == "PPM" and isinstance(args, tuple) and isinstance(args[1], int):
        return min(args[1], 255)
    raw = args if isinstance(args, str) else args[0] if isinstance(args, tuple) and args else ""
    return {"L;2": 3, "L;2I": 3, "L;4": 15, "L;4I": 15}.get(str(raw), 255)


_DEEP_COLOURS = re.compile(r"(RGB|RGBA|LA);16([BLN])")


def _get_raw_mode(tile: Any) -> str:
    return str(tile[3] if isinstance(tile[3], str) else (tile[3] or [""])[0])


def _holds_deep_colours(picture: Any) -> bool:
    return bool(picture.tile) and bool(_DEEP_COLOURS.fullmatch(_get_raw_mode(picture.tile[0])))


def _decode_deep_colours(source: Path | io.BytesIO, frame: int) -> Page:
    """Decode colours of 16 bits, of which Pillow reads either the high or the low bytes."""
    high = np.asarray(_load_bytes(source, frame, low=False), np.uint16)
    low = np.asarray(_load_bytes(source, frame, low=True), np.uint16)
    stored = high * 256 + low
    if stored.shape[2] == 4:
        return Page("16", values=stored[..., :3], alpha=stored[..., 3])
    return Page("16", values=stored)


def _load_bytes(source: Path | io.BytesIO, frame: int, *, low: bool) -> Image.Image:
    with _open_picture(source) as opened:
        picture: Any = opened
        picture.seek(frame)
        match = _DEEP_COLOURS.fullmatch(_get_raw_mode(picture.tile[0]))
        assert match is not None
        bands, order = match[1], match[2].replace("N", "L" if sys.byteorder == "little" else "B")
        if bands == "LA":  # read as four bytes: grey high and low, alpha high and low
            picture.tile = [_replace_raw_mode(tile, "RGBA") for tile in picture.tile]
        else:
            order = {"L": "B", "B": "L"}[order] if low else order
            raw = f"{bands};16{order}"
            picture.tile = [_replace_raw_mode(tile, raw) for tile in picture.tile]
        picture.load()
        upright = ImageOps.exif_transpose(picture)
        if bands != "LA":
            return upright
        channels = upright.split()
        grey, alpha = channels[int(low)], channels[2 + int(low)]
        return Image.merge("RGBA", (grey, grey, grey, alpha))


def _replace_raw_mode(tile: Any, raw: str) -> Any:
    args = raw if isinstance(tile[3], str) else (raw, *tile[3][1:])
    return tile._replace(args=args)


def _open_source(path: Path) -> Path | io.BytesIO:
    if path.suffix.lower() != GZIP_SUFFIX:
        return path
    try:
        with gzip.open(path) as packed:
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


def _is_tiff(source: Path | io.BytesIO) -> bool:
    if isinstance(source, Path):
        with source.open("rb") as file:
            start = file.read(4)
    else:
        start = source.getvalue()[:4]
    return start in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")


def read_stored_size(path: Path) -> tuple[int, int]:
    """Return width and height of the first page in pixels, before rotation.

    Raises:
        BenchbedError: The file is no image, or cannot be unpacked.
    """
    if is_dicom(path):
        rows, columns = read_dicom_header(path).shape
        return columns, rows
    with name_decode_errors(path):
        source = _open_source(path)
        try:
            with _open_picture(source) as picture:
                return picture.size
        except UnidentifiedImageError:
            if not _is_tiff(source):
                raise
            from benchbed.data.io.tiff import read_tiff_size

            return read_tiff_size(source)


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
def _open_picture(source: Path | io.BytesIO) -> Iterator[Image.Image]:
    """Open an image without decoding it."""
    formats: tuple[str, ...] = DECODED_FORMATS
    if isinstance(source, io.BytesIO):
        source.seek(0)
    elif source.suffix.lower() == _TGA_SUFFIX:
        formats = (*DECODED_FORMATS, "TGA")
    with Image.open(source, formats=formats) as picture:
        _check_size(picture)
        yield picture


def _check_size(picture: Image.Image) -> None:
    width, height = picture.size
    if width * height > MAX_PIXELS:
        raise Image.DecompressionBombError(f"{width} x {height}")


def _describe_reason(error: BaseException) -> str:
    """Return the reason, without the file object or its name that Pillow appends."""
    return re.split(" ['<]", describe_error(error))[0].rstrip(".") or type(error).__name__
