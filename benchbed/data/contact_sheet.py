"""A picture of nine random cases with their masks."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw

from benchbed.data.io.images import Pixels, read_image, read_mask_values
from benchbed.data.sources.cases import Case, Collection

TILE = 192
"""Side of a picture in pixels; the caption below it has another `CAPTION`."""

CAPTION = 14
COLUMNS = 3
COUNT = 9

OUTLINE = (255, 64, 64)


def draw_contact_sheet(collection: Collection, seed: int = 0, tile: int = TILE) -> Pixels:
    """Draw random cases, each with the outline of its mask, id and class.

    Args:
        collection: Examined cases.
        seed: Random seed of the choice.
        tile: Side of a picture in pixels; those smaller than `TILE` have no caption.

    Returns:
        RGB ``(H, W, 3)`` in [0, 255].
    """
    order = np.random.default_rng(seed).permutation(len(collection.cases))[:COUNT]
    rows = -(-len(order) // COLUMNS)
    height = tile + (CAPTION if tile >= TILE else 0)
    sheet = Image.new("RGB", (COLUMNS * tile, rows * height))
    draw = ImageDraw.Draw(sheet)
    for place, index in enumerate(sorted(map(int, order))):
        case = collection.cases[index]
        left, top = place % COLUMNS * tile, place // COLUMNS * height
        sheet.paste(Image.fromarray(_draw_case(case, collection, tile)), (left, top))
        if height > tile:
            draw.text((left + 2, top + tile), _describe(case, collection)[-32:], fill="white")
    return np.asarray(sheet)


def _describe(case: Case, collection: Collection) -> str:
    label = "" if case.label is None else f"  {collection.spec.classes[case.label]}"
    return f"{case.id}{label}"


def _draw_case(case: Case, collection: Collection, tile: int) -> Pixels:
    image, mask = (
        _read_image(case, collection) if collection.spec.volumes is None else _read_middle(case)
    )
    picture = _fit(Image.fromarray(image), tile, Image.Resampling.BICUBIC)
    if mask is None:
        return np.asarray(picture)
    shape = Image.fromarray(mask.astype(np.uint8))
    inside = np.asarray(_fit(shape, tile, Image.Resampling.NEAREST)) > 0
    pixels = np.array(picture)
    pixels[_find_outline(inside[..., 0])] = OUTLINE
    return pixels


def _read_image(case: Case, collection: Collection) -> tuple[Pixels, npt.NDArray[np.bool_] | None]:
    archive = collection.spec.archive
    if archive is not None and case.page is not None:
        from benchbed.data.io.arrays import read_image_row

        image = read_image_row(case.image, archive.images[case.split], case.page)
        return np.repeat(image, 3, axis=2) if image.shape[2] == 1 else image, None
    rules = collection.rules
    image = read_image(case.image, 3, window=rules.shared_window, page=case.page)
    if case.mask is None:
        return image, None
    levels = case.label_mapping or rules.mask_levels.get("mask", {})
    foreground = [value for value, number in levels.items() if number]
    return image, np.isin(read_mask_values(case.mask, case.page), foreground)


def _read_middle(case: Case) -> tuple[Pixels, npt.NDArray[np.bool_] | None]:
    """Return the axial slice in the middle of the mask, or of the volume."""
    # nibabel is slow to import, and images do not need it.
    from benchbed.data.io.volumes import load_volume, read_label_values

    values = load_volume(case.image, case.slices).values[0]
    labels = None if case.mask is None else read_label_values(case.mask) > 0
    depth = values.shape[0] // 2
    if labels is not None and labels.any():
        depth = int(labels.sum((1, 2)).argmax())
    low, high = np.percentile(values, (0.5, 99.5))
    scaled = ((values[depth] - low) / max(float(high - low), 1e-9)).clip(0, 1)[::-1]
    grey = np.round(scaled * 255).astype(np.uint8)
    return np.repeat(grey[..., None], 3, axis=2), None if labels is None else labels[depth][::-1]


def _fit(picture: Image.Image, side: int, resample: Image.Resampling) -> Image.Image:
    """Scale a picture into a tile, with black borders."""
    scale = side / max(picture.size)
    size = (max(1, round(picture.width * scale)), max(1, round(picture.height * scale)))
    tile = Image.new("RGB", (side, side))
    tile.paste(picture.resize(size, resample).convert("RGB"), (0, 0))
    return tile


def _find_outline(inside: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """Return the pixels of a mask that touch its outside."""
    padded = np.pad(inside, 1)
    neighbours = padded[:-2, 1:-1] & padded[2:, 1:-1] & padded[1:-1, :-2] & padded[1:-1, 2:]
    return np.asarray(inside & ~neighbours)
