"""Decode colours of 16 bits per channel, which Pillow reduces to 8."""

from __future__ import annotations

import re
import sys
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps

from benchbed.data.io.image_files import Source, open_picture

Values = npt.NDArray[Any]

_DEEP_COLOURS = re.compile(r"(RGB|RGBA|LA);16([BLN])")


def _get_raw_mode(tile: Any) -> str:
    return str(tile[3] if isinstance(tile[3], str) else (tile[3] or [""])[0])


def holds_deep_colours(picture: Any) -> bool:
    """Return whether an open image has RGB, or grey with alpha, of 16 bits per channel."""
    return bool(picture.tile) and bool(_DEEP_COLOURS.fullmatch(_get_raw_mode(picture.tile[0])))


def decode_deep_colours(source: Source, frame: int) -> tuple[Values, Values | None]:
    """Decode colours of 16 bits, of which Pillow reads either the high or the low bytes.

    Returns:
        Values ``(H, W)`` or ``(H, W, 3)`` and opacity ``(H, W)`` or None, all uint16.
    """
    high = np.asarray(_load_bytes(source, frame, low=False), np.uint16)
    low = np.asarray(_load_bytes(source, frame, low=True), np.uint16)
    stored = high * 256 + low
    alpha = stored[..., -1] if stored.shape[2] in (2, 4) else None
    return stored[..., 0] if stored.shape[2] == 2 else stored[..., :3], alpha


def _load_bytes(source: Source, frame: int, *, low: bool) -> Image.Image:
    with open_picture(source) as opened:
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
        return Image.merge("LA", (channels[int(low)], channels[2 + int(low)]))


def _replace_raw_mode(tile: Any, raw: str) -> Any:
    args = raw if isinstance(tile[3], str) else (raw, *tile[3][1:])
    return tile._replace(args=args)
