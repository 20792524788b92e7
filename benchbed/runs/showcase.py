"""What a run shows of itself beside its record: small pictures and its course.

A run's folder is large and not committed. Its showcase is small, and reports embed it.
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

from benchbed.files import whole, write_text
from benchbed.runs.record import FILE_NAME

if TYPE_CHECKING:
    from PIL.Image import Image as Picture

    from benchbed.runs.store import Store

PICTURE_BYTES = 60_000
"""Most bytes of a picture."""

CURVE_ROWS = 200
"""Most rows of the course."""

CURVE_BYTES = 100_000
"""A file of more is no course that was written here, and is not read."""

SIDES = (960, 800, 640, 480, 320, 200)
"""Longest sides in pixels that are tried, from the largest, until the picture is small enough."""

QUALITIES = (85, 75, 65)
"""Qualities that are tried at each of them."""

PICTURES = {"grid": ("final.png", "*-kimg.png"), "nearest": ("nearest.png",)}
"""Name of each picture to the files of the run that it is made from, the first that is there.

A run that diverged has no final samples; its last preview stands for them.
"""


@dataclass(frozen=True)
class Curves:
    """The course of a run.

    Attributes:
        columns: ``kimg`` and the losses.
        rows: Their values, None where a column has none.
    """

    columns: tuple[str, ...]
    rows: tuple[tuple[float | None, ...], ...]


@dataclass(frozen=True)
class Showcase:
    """What one run has published.

    Attributes:
        pictures: JPEG files by name: ``"grid"`` and ``"nearest"``, where they are there.
        curves: Its course, or None.
    """

    pictures: Mapping[str, bytes]
    curves: Curves | None


def showcase_folder(root: Path, run: str) -> Path:
    """Where a run's showcase lies in a results folder."""
    return root / "showcase" / run


def publish(store: Store, run: str, say: Callable[[str], None]) -> None:
    """Write the showcase of a run from its folder: ``grid.jpg``, ``nearest.jpg``, ``curves.csv``.

    What cannot be written is said and left out: a picture is no part of the result.

    Args:
        store: The results.
        run: Its name.
        say: Told what went wrong.
    """
    from PIL.Image import DecompressionBombError

    # All that Pillow raises for pictures that are damaged, as those of strangers may be.
    damaged = (OSError, SyntaxError, ValueError, zlib.error, struct.error, DecompressionBombError)
    source, target = store.run_folder(run), showcase_folder(store.root, run)
    try:
        for name, patterns in PICTURES.items():
            _publish_picture(source / "samples", patterns, target / f"{name}.jpg")
        _publish_curves(source / "history.csv", target / "curves.csv")
    except damaged as error:
        say(f"The pictures and curves of this run could not be written: {error}.")


def _publish_picture(folder: Path, patterns: tuple[str, ...], target: Path) -> None:
    found = [path for pattern in patterns for path in sorted(folder.glob(pattern))[-1:]]
    if not found:
        target.unlink(missing_ok=True)
        return
    from PIL import Image

    with Image.open(found[0]) as picture:
        content = _small(picture.convert("RGB"))
    with whole(target) as temporary:
        temporary.write_bytes(content)


def _small(picture: Picture) -> bytes:
    """The picture as the largest JPEG that is no larger than allowed."""
    content = b""
    for side in SIDES:
        copy = picture.copy()
        copy.thumbnail((side, side))
        for quality in QUALITIES:
            file = io.BytesIO()
            copy.save(file, format="JPEG", quality=quality, optimize=True)
            if len(content := file.getvalue()) <= PICTURE_BYTES:
                return content
    return content


def _publish_curves(source: Path, target: Path) -> None:
    if not source.exists():
        target.unlink(missing_ok=True)
        return
    with source.open(encoding="utf-8", newline="") as file:
        header, *rows = list(csv.reader(file)) or [[]]
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(thinned(rows))
    write_text(target, text.getvalue())


def thinned(rows: list[list[str]]) -> list[list[str]]:
    """At most `CURVE_ROWS` of the rows, at equal distances, the first and the last among them."""
    if len(rows) <= CURVE_ROWS:
        return rows
    step = (len(rows) - 1) / (CURVE_ROWS - 1)
    return [rows[round(place * step)] for place in range(CURVE_ROWS)]


def read_showcase(root: Path, run: str) -> Showcase:
    """What a run has published; empty where it has published nothing.

    A showcase may come from a stranger: names that are paths, links, files of another kind and
    files that are too large are taken for absent.

    Args:
        root: The results folder.
        run: Its name, as its record says it.
    """
    folder = showcase_folder(root, run)
    if not re.fullmatch(FILE_NAME, run) or folder.is_symlink() or not folder.is_dir():
        return Showcase({}, None)
    pictures = {
        name: content
        for name in PICTURES
        if (content := _content(folder / f"{name}.jpg", PICTURE_BYTES)).startswith(b"\xff\xd8\xff")
    }
    return Showcase(pictures, _curves(_content(folder / "curves.csv", CURVE_BYTES)))


def _content(path: Path, most: int) -> bytes:
    if path.is_symlink() or not path.is_file() or path.stat().st_size > most:
        return b""
    return path.read_bytes()


def _curves(content: bytes) -> Curves | None:
    """The losses over ``kimg``; step and seconds say the same in other units."""
    try:
        rows = list(csv.DictReader(io.StringIO(content.decode())))[:CURVE_ROWS]
        losses = [name for name in (rows[0] if rows else ()) if name not in ("step", "seconds")]
        values = tuple(tuple(_finite(row[name]) for name in losses) for row in rows)
    except (ValueError, TypeError, csv.Error):
        return None
    if "kimg" not in losses or len(losses) < 2:
        return None
    return Curves(tuple(losses), values)


def _finite(text: str) -> float | None:
    value = float(text) if text else math.nan
    return value if math.isfinite(value) else None
