"""Pictures of volumes: three planes of each case, with labels as overlay.

Volumes have the axes ``(D, H, W)``, towards superior, anterior and right. They are shown in
radiological convention: superior is up, in the axial plane anterior is up, the patient's right is
on the left, and a sagittal slice faces left.
"""

from __future__ import annotations

import gzip
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import nibabel
import numpy as np
import numpy.typing as npt
import torch
from PIL import Image
from scipy import ndimage
from torch import Tensor

from benchbed.api.types import Batch
from benchbed.data.io.images import Pixels
from benchbed.data.loader import to_codes, to_pixels
from benchbed.training.visualization.images import (
    TILE_GAP,
    TILE_SIZE,
    draw_image_rows,
    save_picture,
)
from benchbed.utils.files import write_atomically

Volumes = Tensor | npt.NDArray[Any]

VoxelIndex = tuple[int, int, int]

Plane = Literal["axial", "coronal", "sagittal"]

Overlay = Literal["fill", "contour"]

PLANE_AXES: dict[Plane, int] = {"axial": 0, "coronal": 1, "sagittal": 2}

PLANES = tuple(PLANE_AXES)

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
class MontageLayer:
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
class SliceView:
    """A slice of a volume, as displayed.

    Attributes:
        plane: Its plane.
        voxel: A voxel in it.
        aspect: Slice distance over pixel size.
    """

    plane: Plane
    voxel: VoxelIndex
    aspect: float = 1.0

    @classmethod
    def through_centroid(
        cls,
        mask: npt.NDArray[Any],
        focus: Sequence[int] = (),
        *,
        plane: Plane = "axial",
        aspect: float = 1.0,
    ) -> SliceView:
        """View the slice through the centroid of labels, the middle one if there are none.

        Args:
            mask: Labels ``(D, H, W)``.
            focus: Labels whose centroid is used; empty for all labels.
            plane: Plane of the slice.
            aspect: Slice distance over pixel size.
        """
        return cls(plane, find_centroid(mask, focus) or _get_middle(mask.shape), aspect)

    def render_image(
        self, image: Volumes, mask: Pixels | None = None, overlay: Overlay = "fill"
    ) -> Pixels:
        """Render a volume ``(D, H, W)``, uint8 or float in [-1, 1], with labels as overlay."""
        grey = self._render_slice(_to_pixels(image), Image.Resampling.BICUBIC)
        if mask is None:
            return np.repeat(grey[..., None], 3, axis=2)
        codes = self._render_slice(mask, Image.Resampling.NEAREST)
        return blend_labels(grey, codes, overlay)

    def render_labels(self, mask: Pixels) -> Pixels:
        """Render labels ``(D, H, W)`` in their colours."""
        return _map_colours(self._render_slice(mask, Image.Resampling.NEAREST))

    def _render_slice(self, volume: Pixels, resampling: Image.Resampling) -> Pixels:
        """Render the slice, enlarged like other images and stretched across slices."""
        factor = max(1, TILE_SIZE // max(volume.shape[1:]))
        depth, height, width = (n * factor for n in volume.shape)
        lengths = [max(1, round(depth * self.aspect)), height, width]
        down, across = (n for axis, n in enumerate(lengths) if axis != PLANE_AXES[self.plane])
        picture = Image.fromarray(
            np.ascontiguousarray(extract_slice(volume, self.plane, self.voxel))
        )
        return np.asarray(picture.resize((across, down), resampling))


def draw_montage(
    layers: Sequence[MontageLayer],
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
    images = [_to_pixels(layer.image) for layer in layers]
    masks = [None if layer.mask is None else _to_codes(layer.mask) for layer in layers]
    rows: list[list[Pixels]] = []
    for case in range(len(images[0])):
        case_masks = [None if mask is None else mask[case] for mask in masks]
        voxel = _find_common_voxel(case_masks, images[0].shape[2:], focus)
        for layer, image, mask in zip(layers, images, case_masks, strict=True):
            rows.append(
                [
                    SliceView(plane, voxel, aspect).render_image(sequence, mask, layer.overlay)
                    for plane in planes
                    for sequence in image[case]
                ]
            )
    return draw_tile_rows(rows)


def draw_tile_rows(rows: Sequence[Sequence[Pixels]]) -> Pixels:
    """Draw rows of tiles, each ``(H, W, 3)`` uint8, as one picture."""
    joined = [np.moveaxis(_join_tiles(tiles), -1, 0)[None] for tiles in rows]
    return draw_image_rows(joined, columns=1)


def find_centroid(mask: npt.NDArray[Any], focus: Sequence[int] = ()) -> VoxelIndex | None:
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


def extract_slice(volume: npt.NDArray[Any], plane: Plane, voxel: VoxelIndex) -> npt.NDArray[Any]:
    """Return the slice of ``(D, H, W)`` through a voxel, oriented for display."""
    axis = PLANE_AXES[plane]
    # The axes grow upwards, to the patient's right and forwards; rows and columns the other way.
    return np.asarray(volume.take(voxel[axis], axis=axis)[::-1, ::-1])


def blend_labels(grey: Pixels, codes: Pixels, overlay: Overlay = "fill") -> Pixels:
    """Overlay labels in colour on a grey image.

    Args:
        grey: ``(H, W)`` uint8.
        codes: Labels ``(H, W)``; 0 is transparent.
        overlay: ``"fill"`` (half transparent) or ``"contour"`` (opaque).

    Returns:
        ``(H, W, 3)`` uint8.
    """
    picture = np.repeat(grey[..., None], 3, axis=2).astype(np.float64)
    selected = codes > 0 if overlay == "fill" else _find_edges(codes)
    opacity = OPACITY if overlay == "fill" else 1.0
    picture[selected] += opacity * (_map_colours(codes[selected]) - picture[selected])
    return np.asarray(np.round(picture), np.uint8)


def _find_edges(codes: Pixels) -> npt.NDArray[np.bool_]:
    lowest, highest = ndimage.minimum_filter(codes, 3), ndimage.maximum_filter(codes, 3)
    return np.asarray((codes > 0) & (lowest != highest))


def _map_colours(codes: Pixels) -> Pixels:
    cycled = np.where(codes > 0, (codes.astype(np.intp) - 1) % (len(PALETTE) - 1) + 1, 0)
    return np.asarray(PALETTE[cycled])


def _find_common_voxel(
    masks: Sequence[Pixels | None], shape: tuple[int, ...], focus: Sequence[int]
) -> VoxelIndex:
    voxels = (find_centroid(mask, focus) for mask in masks if mask is not None)
    return next((voxel for voxel in voxels if voxel is not None), _get_middle(shape))


def _get_middle(shape: tuple[int, ...]) -> VoxelIndex:
    z, y, x = (length // 2 for length in shape)
    return z, y, x


def _join_tiles(tiles: Sequence[Pixels]) -> Pixels:
    """Join tiles in a row, lower ones centred vertically."""
    height = max(len(tile) for tile in tiles)
    row = np.zeros(
        (height, sum(tile.shape[1] + TILE_GAP for tile in tiles) - TILE_GAP, 3), np.uint8
    )
    left = 0
    for tile in tiles:
        top = (height - len(tile)) // 2
        row[top : top + len(tile), left : left + tile.shape[1]] = tile
        left += tile.shape[1] + TILE_GAP
    return row


def _to_pixels(volumes: Volumes) -> Pixels:
    tensor = torch.as_tensor(volumes)
    if tensor.dtype == torch.uint8:
        return np.asarray(tensor.cpu().numpy())
    return to_pixels(tensor)


def _to_codes(mask: Volumes) -> Pixels:
    return np.asarray(torch.as_tensor(mask).cpu().numpy()).astype(np.uint8)


VOLUME_COUNT = 8
"""Number of volumes in the picture."""


def save_volumes(samples: Batch, folder: Path) -> None:
    """Write each volume as ``NNNN.nii.gz``, its mask as ``NNNN-mask.nii.gz``, and one picture.

    Files have the axes right, anterior, superior, and the sequences last. A voxel of the run's size
    has no size in millimetres, so 1 mm is written.
    """
    images = samples.image.detach().float().cpu().numpy()
    codes = None if samples.mask is None else to_codes(samples.mask)
    for number, image in enumerate(images):
        values = image.transpose(3, 2, 1, 0)
        _save_nifti(folder / f"{number:04d}.nii.gz", values[..., 0] if len(image) == 1 else values)
        if codes is not None:
            _save_nifti(folder / f"{number:04d}-mask.nii.gz", codes[number].transpose(2, 1, 0))
    labels = None if codes is None else codes[:VOLUME_COUNT]
    save_picture(
        folder / "montage.png",
        draw_montage([MontageLayer(images[:VOLUME_COUNT], labels, "contour")]),
    )


def _save_nifti(path: Path, values: npt.NDArray[Any]) -> None:
    volume = nibabel.Nifti1Image(np.ascontiguousarray(values), np.eye(4))  # type: ignore[no-untyped-call]
    content = gzip.compress(volume.to_bytes())
    with write_atomically(path) as temporary:
        temporary.write_bytes(content)
