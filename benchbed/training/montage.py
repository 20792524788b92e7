"""Pictures of volumes: three planes of each case, with labels as overlay.

Volumes have the axes ``(D, H, W)``, towards superior, anterior and right. They are shown in
radiological convention: superior is up, in the axial plane anterior is up, the patient's right is
on the left, and a sagittal slice faces left.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image
from scipy import ndimage
from torch import Tensor

from benchbed.data.feed import to_pixels
from benchbed.training.pictures import GAP, TILE, image_rows

Pixels = npt.NDArray[np.uint8]
Volumes = Tensor | npt.NDArray[Any]
Place = tuple[int, int, int]
Plane = Literal["axial", "coronal", "sagittal"]
Overlay = Literal["fill", "contour"]

PLANES: tuple[Plane, ...] = ("axial", "coronal", "sagittal")
AXIS: dict[Plane, int] = {"axial": 0, "coronal": 1, "sagittal": 2}

PALETTE: Pixels = np.asarray(
    [
        (0, 0, 0),
        (213, 94, 0),
        (86, 180, 233),
        (240, 228, 66),
        (0, 158, 115),
        (204, 121, 167),
        (230, 159, 0),
        (0, 114, 178),
    ],
    dtype=np.uint8,
)
"""Colours of the labels 0, 1, 2, ..., distinguishable with colour blindness: Okabe and Ito, "Color
universal design", 2008, the lighter ones first. Labels beyond the last restart at 1."""

OPACITY = 0.5


@dataclass(frozen=True)
class Layer:
    """One strip of every case.

    Attributes:
        image: ``(N, C, D, H, W)``, uint8 or float in [-1, 1]; the C sequences are shown side by
            side.
        mask: Labels ``(N, D, H, W)`` to overlay; 0 is transparent.
        overlay: ``"fill"`` (half transparent) or ``"contour"``.
    """

    image: Volumes
    mask: Volumes | None = None
    overlay: Overlay = "fill"


@dataclass(frozen=True)
class _Cut:
    """A slice of a volume, as displayed.

    Attributes:
        plane: Its plane.
        place: A voxel in it.
        aspect: Slice distance over pixel size.
    """

    plane: Plane
    place: Place
    aspect: float

    def of(self, volume: Pixels, resampling: Image.Resampling) -> Pixels:
        """Render the slice, enlarged like other images and stretched across slices."""
        factor = max(1, TILE // max(volume.shape[1:]))
        depth, height, width = (n * factor for n in volume.shape)
        lengths = [max(1, round(depth * self.aspect)), height, width]
        down, across = (n for axis, n in enumerate(lengths) if axis != AXIS[self.plane])
        picture = Image.fromarray(np.ascontiguousarray(shown(volume, self.plane, self.place)))
        return np.asarray(picture.resize((across, down), resampling))


def montage(
    layers: Sequence[Layer],
    *,
    aspect: float = 1.0,
    focus: Sequence[int] = (),
    planes: Sequence[Plane] = PLANES,
) -> Pixels:
    """Draw cases below one another, with all layers of a case together.

    The slices of a case go through the centroid of its first non-empty mask, the same in all its
    layers; through the middle of the volume if there is none.

    Args:
        layers: Strips of each case, top to bottom; all of the same cases.
        aspect: Slice distance over pixel size.
        focus: Labels whose centroid is used; empty for all labels.
        planes: Planes, from left to right.

    Returns:
        ``(H', W', 3)`` uint8.
    """
    images = [_pixels(layer.image) for layer in layers]
    masks = [None if layer.mask is None else _codes(layer.mask) for layer in layers]
    rows: list[Pixels] = []
    for case in range(len(images[0])):
        case_masks = [None if mask is None else mask[case] for mask in masks]
        voxel = _common_place(case_masks, images[0].shape[2:], focus)
        for layer, image, mask in zip(layers, images, case_masks, strict=True):
            tiles = [
                _tile(sequence, mask, _Cut(plane, voxel, aspect), layer.overlay)
                for plane in planes
                for sequence in image[case]
            ]
            rows.append(_beside(tiles))
    return _stacked(rows)


def surgery_figure(
    masks: Sequence[Volumes],
    images: Sequence[Volumes],
    *,
    aspect: float = 1.0,
    focus: Sequence[int] = (),
    plane: Plane = "axial",
) -> Pixels:
    """Draw altered labels and the images generated from them, as in Shin et al. 2018, Fig. 3.

    Each row shows the mask and then the sequences, in the slice through the centroid of the row's
    own mask, since a shifted or transplanted tumour is elsewhere.

    Args:
        masks: Labels ``(D, H, W)``, such as unchanged, shifted, enlarged, shrunk, transplanted.
        images: ``(C, D, H, W)`` for each mask, uint8 or float in [-1, 1].
        aspect: Slice distance over pixel size.
        focus: Labels whose centroid is used, such as those of a tumour; empty for all labels.
        plane: Plane of the slice.

    Returns:
        ``(H', W', 3)`` uint8.
    """
    rows: list[Pixels] = []
    for volume, labels in zip(images, masks, strict=True):
        image, mask = _pixels(volume), _codes(labels)
        voxel = centroid(mask, focus) or _middle(mask.shape)
        cut = _Cut(plane, voxel, aspect)
        tiles = [_tile(sequence, None, cut) for sequence in image]
        rows.append(_beside([_colours(cut.of(mask, Image.Resampling.NEAREST)), *tiles]))
    return _stacked(rows)


def centroid(mask: npt.NDArray[Any], focus: Sequence[int] = ()) -> Place | None:
    """Return the voxel nearest to the centre of the labels in ``(D, H, W)``, None if empty.

    Args:
        mask: Labels.
        focus: Labels to include; empty for all but 0.
    """
    selected = np.isin(mask, list(focus)) if focus else mask > 0
    voxels = np.argwhere(selected)
    if not len(voxels):
        return None
    z, y, x = np.round(voxels.mean(axis=0)).astype(int).tolist()
    return z, y, x


def shown(volume: npt.NDArray[Any], plane: Plane, voxel: Place) -> npt.NDArray[Any]:
    """Return the slice of ``(D, H, W)`` through a voxel, oriented for display."""
    axis = AXIS[plane]
    # The axes grow upwards, to the patient's right and forwards; rows and columns the other way.
    return np.asarray(volume.take(voxel[axis], axis=axis)[::-1, ::-1])


def overlaid(grey: Pixels, codes: Pixels, overlay: Overlay = "fill") -> Pixels:
    """Overlay labels in colour on a grey image.

    Args:
        grey: ``(H, W)`` uint8.
        codes: Labels ``(H, W)``; 0 is transparent.
        overlay: ``"fill"`` (half transparent) or ``"contour"`` (opaque).

    Returns:
        ``(H, W, 3)`` uint8.
    """
    picture = np.repeat(grey[..., None], 3, axis=2).astype(np.float64)
    selected = codes > 0 if overlay == "fill" else _edges(codes)
    opacity = OPACITY if overlay == "fill" else 1.0
    picture[selected] += opacity * (_colours(codes[selected]) - picture[selected])
    return np.asarray(np.round(picture), np.uint8)


def _edges(codes: Pixels) -> npt.NDArray[np.bool_]:
    lowest, highest = ndimage.minimum_filter(codes, 3), ndimage.maximum_filter(codes, 3)
    return np.asarray((codes > 0) & (lowest != highest))


def _colours(codes: Pixels) -> Pixels:
    cycled = np.where(codes > 0, (codes.astype(np.intp) - 1) % (len(PALETTE) - 1) + 1, 0)
    return np.asarray(PALETTE[cycled])


def _common_place(
    masks: Sequence[Pixels | None], shape: tuple[int, ...], focus: Sequence[int]
) -> Place:
    voxels = (centroid(mask, focus) for mask in masks if mask is not None)
    return next((voxel for voxel in voxels if voxel is not None), _middle(shape))


def _middle(shape: tuple[int, ...]) -> Place:
    z, y, x = (length // 2 for length in shape)
    return z, y, x


def _tile(sequence: Pixels, mask: Pixels | None, cut: _Cut, overlay: Overlay = "fill") -> Pixels:
    grey = cut.of(sequence, Image.Resampling.BICUBIC)
    if mask is None:
        return np.repeat(grey[..., None], 3, axis=2)
    return overlaid(grey, cut.of(mask, Image.Resampling.NEAREST), overlay)


def _beside(tiles: Sequence[Pixels]) -> Pixels:
    """Join tiles in a row, lower ones centred vertically."""
    height = max(len(tile) for tile in tiles)
    row = np.zeros((height, sum(tile.shape[1] + GAP for tile in tiles) - GAP, 3), np.uint8)
    left = 0
    for tile in tiles:
        top = (height - len(tile)) // 2
        row[top : top + len(tile), left : left + tile.shape[1]] = tile
        left += tile.shape[1] + GAP
    return row


def _stacked(rows: Sequence[Pixels]) -> Pixels:
    return image_rows([np.moveaxis(row, -1, 0)[None] for row in rows], columns=1)


def _pixels(volumes: Volumes) -> Pixels:
    tensor = torch.as_tensor(volumes)
    if tensor.dtype == torch.uint8:
        return np.asarray(tensor.cpu().numpy())
    return to_pixels(tensor)


def _codes(mask: Volumes) -> Pixels:
    return np.asarray(torch.as_tensor(mask).cpu().numpy()).astype(np.uint8)
