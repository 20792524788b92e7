"""Pictures of samples: grids, rows and files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from benchbed.api.types import Batch
from benchbed.data.io.images import Pixels
from benchbed.data.loader import to_pixels
from benchbed.utils.files import write_atomically

TILE_SIZE = 128
"""Small images are enlarged (bicubic, as a viewer would) to about this many pixels."""

TILE_GAP = 2


def draw_sample_grid(samples: Batch, columns: int) -> Pixels:
    """Draw samples as a grid; masks and extras of a sample are shown above its image.

    Args:
        samples: Images, masks and extras in [-1, 1].
        columns: Samples per row.

    Returns:
        ``(H, W, 3)`` uint8.
    """
    layers = [to_pixels(t) for _, t in sorted(samples.extra.items())]
    if samples.mask is not None:
        layers.append(to_pixels(samples.mask))
    layers.append(to_pixels(samples.image))
    starts = range(0, len(samples), columns)
    rows = [layer[start : start + columns] for start in starts for layer in layers]
    return draw_image_rows(rows, columns)


def draw_image_rows(rows: Sequence[Pixels], columns: int) -> Pixels:
    """Draw rows of images, each ``(N, C, H, W)`` uint8 with N <= `columns`, as one picture."""
    return np.concatenate([_draw_strip(row, columns) for row in rows], axis=0)


def draw_image_grid(images: Pixels, columns: int) -> Pixels:
    """Draw images ``(N, C, H, W)`` uint8 as a grid ``(H', W', 3)``."""
    starts = range(0, len(images), columns)
    return draw_image_rows([images[start : start + columns] for start in starts], columns)


def save_picture(path: Path, pixels: Pixels) -> None:
    """Write ``(H, W, 3)`` or ``(H, W)`` uint8 as PNG, atomically."""
    with write_atomically(path) as temporary:
        Image.fromarray(pixels).save(temporary, format="PNG")


def save_samples(samples: Batch, folder: Path) -> None:
    """Write each sample as ``NNNN.png``, and its mask and extras as ``NNNN-NAME.png``."""
    layers = {"": samples.image, **{f"-{name}": extra for name, extra in samples.extra.items()}}
    if samples.mask is not None:
        layers["-mask"] = samples.mask
    for suffix, tensor in layers.items():
        for number, image in enumerate(to_pixels(tensor)):
            picture = image[0] if len(image) == 1 else np.moveaxis(image, 0, -1)
            save_picture(folder / f"{number:04d}{suffix}.png", np.ascontiguousarray(picture))


def _draw_strip(images: Pixels, columns: int) -> Pixels:
    """Draw one row of tiles, padded on the right to all columns."""
    tiles = [_render_tile(image) for image in images]
    height, width, _ = tiles[0].shape
    strip = np.zeros((height + TILE_GAP, columns * (width + TILE_GAP), 3), np.uint8)
    for column, tile in enumerate(tiles):
        left = column * (width + TILE_GAP)
        strip[:height, left : left + width] = tile
    return strip


def _render_tile(image: Pixels) -> Pixels:
    picture = np.moveaxis(image, 0, -1)
    colour = np.repeat(picture[..., :1], 3, axis=2) if picture.shape[2] != 3 else picture
    height, width, _ = colour.shape
    factor = max(1, TILE_SIZE // max(height, width))
    if factor == 1:
        return colour
    enlarged = Image.fromarray(np.ascontiguousarray(colour)).resize(
        (width * factor, height * factor), Image.Resampling.BICUBIC
    )
    return np.asarray(enlarged)
