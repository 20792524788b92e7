"""The showcase of a run: small pictures and loss curves next to its record.

A run's folder is large and not committed. Its showcase is, and reports embed it.
"""

from __future__ import annotations

import csv
import io
import math
import re
import struct
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from benchbed.errors import BenchbedError
from benchbed.results.record import FILE_NAME_PATTERN
from benchbed.utils.files import write_atomically, write_text
from benchbed.utils.regular_files import check_run_files, open_regular_file, read_regular_file

if TYPE_CHECKING:
    from PIL.Image import Image as Picture

    from benchbed.results.store import ResultStore

MAX_PICTURE_BYTES = 60_000
"""Maximum size of a picture in bytes."""

MAX_SOURCE_BYTES = 64 * 2**20
"""Maximum size of a picture or history in a run's folder in bytes."""

MAX_CURVE_ROWS = 200
"""Maximum number of rows of the loss curves."""

MAX_CURVE_BYTES = 100_000
"""Maximum size of a curves file in bytes; larger files are not read."""

PICTURE_SIDES = (960, 800, 640, 480, 320, 200)
"""Longest sides in pixels to try, until the picture is small enough."""

JPEG_QUALITIES = (85, 75, 65)
"""JPEG qualities to try for each side."""

PICTURE_SOURCES = {"grid": ("final.png", "*-kimg.png"), "nearest": ("nearest.png",)}
"""From a picture's name to patterns of the run's files; the first existing one is used.

A diverged run has no final samples; its last preview is used instead.
"""


@dataclass(frozen=True)
class LossCurves:
    """The loss curves of a run.

    Attributes:
        columns: ``kimg`` and the losses.
        rows: Their values, None where a column has none.
    """

    columns: tuple[str, ...]
    rows: tuple[tuple[float | None, ...], ...]


@dataclass(frozen=True)
class Showcase:
    """Pictures and curves of one run.

    Attributes:
        pictures: JPEG content by name: ``"grid"`` and ``"nearest"``, if they exist.
        curves: The loss curves, or None.
    """

    pictures: Mapping[str, bytes]
    curves: LossCurves | None


def get_showcase_folder(root: Path, run: str) -> Path:
    """Return the folder of a run's showcase."""
    return root / "showcase" / run


def write_showcase(store: ResultStore, run: str, log: Callable[[str], None]) -> None:
    """Write the showcase of a run from its folder: ``grid.jpg``, ``nearest.jpg``, ``curves.csv``.

    Errors are only reported: a picture is not part of the result.
    """
    from PIL.Image import DecompressionBombError

    # Everything that Pillow raises for damaged pictures, which an imported run may have.
    damaged = (
        BenchbedError,
        OSError,
        csv.Error,
        SyntaxError,
        ValueError,
        zlib.error,
        struct.error,
        DecompressionBombError,
    )
    source, target = store.get_run_folder(run), get_showcase_folder(store.root, run)
    try:
        check_run_files(target)
        for name, patterns in PICTURE_SOURCES.items():
            _write_picture(source / "samples", patterns, target / f"{name}.jpg")
        _write_curves(source / "history.csv", target / "curves.csv")
    except damaged as error:
        log(f"The pictures and curves of this run could not be written: {error}.")


def _write_picture(folder: Path, patterns: tuple[str, ...], target: Path) -> None:
    paths = [path for pattern in patterns for path in sorted(folder.glob(pattern))[-1:]]
    if not paths:
        target.unlink(missing_ok=True)
        return
    from PIL import Image

    with (
        open_regular_file(paths[0], MAX_SOURCE_BYTES, root=folder.parent) as file,
        Image.open(file) as picture,
    ):
        content = _encode_small_jpeg(picture.convert("RGB"))
    with write_atomically(target) as temporary:
        temporary.write_bytes(content)


def _encode_small_jpeg(picture: Picture) -> bytes:
    """Return the picture as the largest JPEG within the limit."""
    content = b""
    for side in PICTURE_SIDES:
        copy = picture.copy()
        copy.thumbnail((side, side))
        for quality in JPEG_QUALITIES:
            file = io.BytesIO()
            copy.save(file, format="JPEG", quality=quality, optimize=True)
            if len(content := file.getvalue()) <= MAX_PICTURE_BYTES:
                return content
    return content


def _write_curves(source: Path, target: Path) -> None:
    if not source.exists():
        target.unlink(missing_ok=True)
        return
    content = read_regular_file(source, MAX_SOURCE_BYTES, root=source.parent)
    header, *rows = list(csv.reader(io.StringIO(content.decode(), newline=""))) or [[]]
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(select_rows(rows))
    write_text(target, text.getvalue())


def select_rows(rows: list[list[str]]) -> list[list[str]]:
    """Return at most `MAX_CURVE_ROWS` equidistant rows, including the first and the last."""
    if len(rows) <= MAX_CURVE_ROWS:
        return rows
    step = (len(rows) - 1) / (MAX_CURVE_ROWS - 1)
    return [rows[round(index * step)] for index in range(MAX_CURVE_ROWS)]


def read_showcase(root: Path, run: str) -> Showcase:
    """Return the showcase of a run; empty if there is none.

    The files may come from someone else: paths as names, links, files of another kind and files
    that are too large are ignored.
    """
    folder = get_showcase_folder(root, run)
    if not re.fullmatch(FILE_NAME_PATTERN, run) or folder.is_symlink() or not folder.is_dir():
        return Showcase({}, None)
    pictures = {
        name: content
        for name in PICTURE_SOURCES
        if (content := _read_content(folder / f"{name}.jpg", MAX_PICTURE_BYTES)).startswith(
            b"\xff\xd8\xff"
        )
    }
    return Showcase(pictures, _parse_curves(_read_content(folder / "curves.csv", MAX_CURVE_BYTES)))


def _read_content(path: Path, max_bytes: int) -> bytes:
    try:
        return read_regular_file(path, max_bytes)
    except OSError:
        return b""


def _parse_curves(content: bytes) -> LossCurves | None:
    """Return the losses over ``kimg``, without step and seconds, the same axis in other units."""
    try:
        rows = list(csv.DictReader(io.StringIO(content.decode())))[:MAX_CURVE_ROWS]
        losses = [name for name in (rows[0] if rows else ()) if name not in ("step", "seconds")]
        values = tuple(tuple(_parse_finite(row[name]) for name in losses) for row in rows)
    except (ValueError, TypeError, csv.Error):
        return None
    if "kimg" not in losses or len(losses) < 2:
        return None
    return LossCurves(tuple(losses), values)


def _parse_finite(text: str) -> float | None:
    value = float(text) if text else math.nan
    return value if math.isfinite(value) else None
