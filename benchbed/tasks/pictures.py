"""Pictures of generated images next to their nearest training images."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image, ImageDraw

from benchbed.api.metric import ImageSet, MemorisationSets
from benchbed.api.task import ReferenceCase
from benchbed.api.types import CropBox, CropWindow
from benchbed.data.loader import to_pixels
from benchbed.data.preprocessing.framing import crop_window, resize_image
from benchbed.data.preprocessing.volume_cases import resample_labels
from benchbed.metrics.histogram_kl import compute_histogram
from benchbed.metrics.masks import DEFAULT_THRESHOLD
from benchbed.metrics.memorisation import find_nearest
from benchbed.training.visualization.images import draw_image_grid, draw_image_rows
from benchbed.training.visualization.volumes import MontageLayer, draw_montage

Pixels = npt.NDArray[np.uint8]
Scores = npt.NDArray[np.float32]

SHOWN_COUNT = 8
"""Number of images of each kind in a picture."""


def draw_nearest_grid(fake: ImageSet, train: ImageSet, unseen: MemorisationSets | None) -> Pixels:
    """Draw the images nearest to a training image, each above that image.

    The first two rows are samples; the next two, if images were held out, are the nearest held-out
    images for comparison. Volumes show the central axial slice of their first sequence.

    Args:
        fake: Images ``(N, C, H, W)`` uint8, or volumes ``(N, C, D, H, W)``, uint8 or float in [-1,
            1].
        train: Training images, likewise.
        unseen: Training and held-out images, or None if none were held out.

    Returns:
        ``(H, W, 3)`` uint8.
    """
    sides = [fake] if unseen is None else [fake, unseen.held_out]
    return draw_image_rows(
        [row for side in sides for row in _find_nearest_pairs(side, train, SHOWN_COUNT)],
        SHOWN_COUNT,
    )


OVERVIEW_GRID = (4, 6)
"""Rows and columns of generated images in an overview, and of real ones."""

CAPTION_HEIGHT = 24
"""Height of the line of text above a part of an overview in pixels."""


def draw_overview(fake: ImageSet, real: ImageSet, train: ImageSet) -> Pixels:
    """Draw generated images next to real ones, and below them the pairs nearest to each other.

    Generated images are the first ones, without selection; real ones are spread evenly over the
    set. Volumes show the central axial slice of their first sequence.

    Args:
        fake: Images ``(N, C, H, W)`` uint8, or volumes ``(N, C, D, H, W)``, uint8 or float in [-1,
            1].
        real: Reference images, likewise.
        train: Training images, likewise.

    Returns:
        ``(H, W, 3)`` uint8.
    """
    rows, columns = OVERVIEW_GRID
    count = min(rows * columns, len(fake), len(real))
    spread = np.linspace(0, len(real) - 1, count).round().astype(np.intp)
    left = _add_caption(
        draw_image_grid(_select_pictures(fake, np.arange(count)), columns),
        f"generated: the first {count}",
    )
    right = _add_caption(draw_image_grid(_select_pictures(real, spread), columns), "real")
    gap = np.full((len(left), CAPTION_HEIGHT, 3), 255, np.uint8)
    above = np.concatenate([left, gap, right], axis=1)
    below = _add_caption(
        draw_image_rows(_find_nearest_pairs(fake, train, 2 * columns), 2 * columns),
        "generated images nearest to a training image, each above that image",
    )
    margin = above.shape[1] - below.shape[1]
    return np.concatenate(
        [above, np.pad(below, ((0, 0), (0, margin), (0, 0)), constant_values=255)]
    )


def _add_caption(picture: Pixels, text: str) -> Pixels:
    caption = Image.new("RGB", (picture.shape[1], CAPTION_HEIGHT), "white")
    ImageDraw.Draw(caption).text((4, 4), text, fill="black", font_size=14)
    return np.concatenate([np.asarray(caption), picture], axis=0)


def _find_nearest_pairs(images: ImageSet, train: ImageSet, count: int) -> tuple[Pixels, Pixels]:
    """Return the images nearest to a training image, nearest first, and those training images."""
    neighbours = find_nearest(images, train)
    closest = np.argsort(neighbours.distance, kind="stable")[:count]
    partners = _select_pictures(train, neighbours.train_index[closest])
    mirrored = neighbours.mirrored[closest, None, None, None]
    return _select_pictures(images, closest), np.where(mirrored, partners[..., ::-1], partners)


def _select_pictures(images: ImageSet, indices: npt.NDArray[np.intp]) -> Pixels:
    """Select images, or central slices of volumes, as ``(N, C, H, W)`` uint8."""
    chosen = np.asarray(images.images[indices])
    if chosen.ndim == 5:
        chosen = chosen[:, :1, chosen.shape[2] // 2]
    return chosen if chosen.dtype == np.uint8 else to_pixels(torch.from_numpy(chosen).float())


PLOT_SIZE = (640, 320)
"""Width and height of a plot in pixels."""

SET_COLOURS = {"real": (31, 119, 180), "generated": (255, 127, 14)}
"""Colours of the sets in a plot."""


def draw_histograms(real: ImageSet, fake: ImageSet) -> Pixels:
    """Draw the luma histograms of real and generated images inside their fields of view.

    As figure 3 of Guibas, Virdi and Li 2017. Both are shares of the pixels per grey level, from 0
    on the left to 255 on the right. The highest share of a level other than black and white gets
    the full height: those two, often background, are cut off above it.

    Returns:
        ``(H, W, 3)`` uint8.
    """
    width, height = PLOT_SIZE
    counts = [compute_histogram(part.images, part.fov) for part in (real, fake)]
    shares = [count / count.sum() for count in counts]
    largest = max(float(share[1:-1].max()) for share in shares)
    picture = Image.new("RGB", PLOT_SIZE, "white")
    plot = ImageDraw.Draw(picture)
    for row, ((name, colour), share) in enumerate(zip(SET_COLOURS.items(), shares, strict=True)):
        levels = np.linspace(0, width - 1, len(share))
        heights = (height - 1) * (1 - np.clip(share / max(largest, 1e-12), 0, 1))
        plot.line(list(zip(levels, heights, strict=True)), fill=colour, width=2)
        plot.text((width - 100, 8 + 16 * row), name, fill=colour)
    return np.asarray(picture)


def draw_comparison(cases: Sequence[ReferenceCase], scores: Sequence[Scores]) -> Pixels:
    """Draw the first images, their reference masks and scores, in rows; ``(H, W, 3)`` uint8.

    For volumes, each with its reference foreground, and below with the prediction.
    """
    cases, scores = cases[:SHOWN_COUNT], scores[:SHOWN_COUNT]
    if cases[0].image.ndim == 4:
        return _draw_volumes(cases, scores)
    size = cases[0].image.shape[-1]
    planes = [[case.mask.astype(np.float32) for case in cases], scores]
    rows = [np.stack([case.image for case in cases])]
    for row in planes:
        resized = [_resize_plane(plane, case, size) for plane, case in zip(row, cases, strict=True)]
        rows.append(np.stack(resized))
    return draw_image_rows(rows, len(cases))


def _draw_volumes(cases: Sequence[ReferenceCase], scores: Sequence[Scores]) -> Pixels:
    images = np.stack([case.image for case in cases])
    layers = []
    for masks in ([case.mask for case in cases], [score > DEFAULT_THRESHOLD for score in scores]):
        codes = [_resize_mask_volume(mask, case) for mask, case in zip(masks, cases, strict=True)]
        layers.append(MontageLayer(images, np.stack(codes)))
    return draw_montage(layers)


def _resize_mask_volume(mask: npt.NDArray[np.bool_], case: ReferenceCase) -> Pixels:
    """Resize a mask from the case's size to the method's block, ``(D, size, size)``."""
    assert isinstance(case.region, CropBox)
    depth, height, width = case.image.shape[1:]
    return resample_labels(mask.astype(np.uint8), case.region, (depth, height, width))


def _resize_plane(plane: Scores, case: ReferenceCase, size: int) -> Pixels:
    """Resize a plane from the case's size to the method's square, ``(1, size, size)``."""
    assert isinstance(case.region, CropWindow)
    pixels = np.round(crop_window(plane, case.region) * 255).astype(np.uint8)
    return resize_image(pixels[..., None], size)[None, ..., 0]
