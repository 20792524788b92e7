"""Decode pages of image files to stored values."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps, UnidentifiedImageError

from benchbed.data.io.deep_colours import decode_deep_colours, holds_deep_colours
from benchbed.data.io.dicom import decode_dicom_frames, is_dicom, read_dicom_header
from benchbed.data.io.image_files import (
    MAX_PIXELS,
    Source,
    check_size,
    is_tiff,
    name_decode_errors,
    open_picture,
    open_source,
)
from benchbed.errors import BenchbedError, describe_error

Values = npt.NDArray[Any]

_SKIPPED_PAGES = 1 | 4
"""Bits of TIFF's NewSubfileType: a smaller copy of another page, or its transparency mask."""


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
        source = open_source(path)
        try:
            with open_picture(source) as picture:
                if picture.format != "TIFF":
                    return (0,)
                _check_declared_pages(path, picture)
                return _list_tiff_pages(picture)
        except (UnidentifiedImageError, SyntaxError):
            if not is_tiff(source):
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
        open_picture(open_source(path)) as picture,
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
    source = open_source(path)
    with name_decode_errors(path):
        try:
            with open_picture(source) as picture:
                for frame in frames:
                    yield _decode_frame(picture, source, frame)
        except UnidentifiedImageError:
            if not is_tiff(source):
                raise
            for frame in frames:
                yield _decode_with_tifffile(source, frame)


def _wrap_dicom_values(values: Values, bits: str) -> Page:
    if bits == "1":
        return Page(bits, Image.fromarray((values * 255).astype(np.uint8)))
    if bits == "8":
        return Page(bits, Image.fromarray(values.clip(0, 255).astype(np.uint8)))
    return Page(bits, values=values)


def _decode_frame(picture: Image.Image, source: Source, frame: int) -> Page:
    try:
        picture.seek(frame)
    except SyntaxError:  # a page of a kind that Pillow does not know
        if not is_tiff(source):
            raise
        return _decode_with_tifffile(source, frame)
    check_size(picture)
    if _needs_tifffile(picture):
        return _decode_with_tifffile(source, frame)
    return _decode_picture(picture, source, frame)


def _decode_with_tifffile(source: Source, frame: int) -> Page:
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


def _decode_picture(picture: Any, source: Source, frame: int) -> Page:
    tags = getattr(picture, "tag_v2", {})
    full_grey = _find_full_grey(picture)
    if holds_deep_colours(picture):
        values, alpha = decode_deep_colours(source, frame)
        return Page("16", values=values, alpha=alpha)
    picture.load()
    upright = ImageOps.exif_transpose(picture)
    if not upright.mode.startswith(("I", "F")):
        return Page("1" if upright.mode == "1" else "8", upright, full_grey=full_grey)
    values = np.asarray(upright)
    bits = "32f" if upright.mode == "F" else "16" if picture.format != "TIFF" else ""
    bits = bits or str(max(tags.get(258, (1,))))
    if bits == "32" and tags.get(339, (1,))[0] == 1:
        values = values.view(np.uint32)  # Pillow has no mode for unsigned integers of 32 bits
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


def read_stored_size(path: Path) -> tuple[int, int]:
    """Return width and height of the first page in pixels, before rotation.

    Raises:
        BenchbedError: The file is no image, or cannot be unpacked.
    """
    if is_dicom(path):
        rows, columns = read_dicom_header(path).shape
        return columns, rows
    with name_decode_errors(path):
        source = open_source(path)
        try:
            with open_picture(source) as picture:
                return picture.size
        except UnidentifiedImageError:
            if not is_tiff(source):
                raise
            from benchbed.data.io.tiff import read_tiff_size

            return read_tiff_size(source)
