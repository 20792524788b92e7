"""Montages of volumes: orientation, colours, proportions and selected slices."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from benchbed.training.visualization.images import TILE_GAP
from benchbed.training.visualization.volumes import (
    PALETTE,
    PLANES,
    MontageLayer,
    Plane,
    blend_labels,
    draw_montage,
    extract_slice,
    find_centroid,
)
from benchbed_pix2pix3d.figure import draw_alterations

DEPTH, SIZE = 8, 16


def _blank(*, count: int = 1, channels: int = 1) -> np.ndarray:
    return np.zeros((count, channels, DEPTH, SIZE, SIZE), np.uint8)


def _marked() -> np.ndarray:
    """Return a volume with a bright superior, anterior, right corner."""
    volume = np.zeros((DEPTH, SIZE, SIZE), np.uint8)
    volume[-2:, -4:, -4:] = 255
    return volume


@pytest.mark.parametrize("plane", PLANES)
def test_superior_anterior_and_right_are_up_and_left(plane: Plane) -> None:
    """Superior, or else anterior, is up; the patient's right, or anterior if sagittal, is left."""
    picture = extract_slice(_marked(), plane, (DEPTH - 1, SIZE - 1, SIZE - 1))
    assert picture[0, 0] == 255
    assert picture[0, -1] == picture[-1, 0] == picture[-1, -1] == 0


@pytest.mark.parametrize(
    ("axis", "plane", "side"),
    [
        (0, "coronal", "top"),
        (0, "sagittal", "top"),
        (1, "axial", "top"),
        (1, "sagittal", "left"),
        (2, "axial", "left"),
        (2, "coronal", "left"),
    ],
)
def test_each_axis_grows_upwards_or_to_the_left(axis: int, plane: Plane, side: str) -> None:
    shape = (DEPTH, SIZE, SIZE)
    ramp = np.arange(shape[axis]).reshape([-1 if n == axis else 1 for n in range(3)])
    picture = extract_slice(np.broadcast_to(ramp, shape), plane, (0, 0, 0))
    line = picture[:, 0] if side == "top" else picture[0]
    assert line.tolist() == list(range(shape[axis] - 1, -1, -1))


def test_slices_pass_through_the_centroid_of_the_mask() -> None:
    image, mask = _blank(), np.zeros((1, DEPTH, SIZE, SIZE), np.uint8)
    mask[0, 5:8, 2:5, 10:13] = 2
    image[0, 0, 6, 3, 11] = 255
    assert find_centroid(mask[0]) == (6, 3, 11)
    with_mask = draw_montage([MontageLayer(image), MontageLayer(image, mask)])
    strip = with_mask[: SIZE * 8]
    assert strip.max() > 200, "the bright voxel is in all three slices"
    for left in (0, SIZE * 8 + TILE_GAP, 2 * (SIZE * 8 + TILE_GAP)):
        assert strip[:, left : left + SIZE * 8].max() > 200
    assert draw_montage([MontageLayer(image)]).max() == 0, "without a mask the middle is shown"


def test_centroid_of_the_codes_in_focus() -> None:
    mask = np.ones((DEPTH, SIZE, SIZE), np.uint8)
    mask[1, 2, 3] = 4
    assert find_centroid(mask, focus=(4, 5)) == (1, 2, 3)
    assert find_centroid(mask, focus=(7,)) is None
    assert find_centroid(np.zeros_like(mask)) is None


def test_only_labelled_pixels_are_coloured() -> None:
    grey = np.full((4, 4), 100, np.uint8)
    codes = np.zeros((4, 4), np.uint8)
    codes[0] = [1, 2, 3, 0]
    picture = blend_labels(grey, codes)
    for column in range(3):
        half = (PALETTE[column + 1].astype(float) + 100) / 2
        assert np.abs(picture[0, column] - half).max() <= 1
    assert (picture[1:] == 100).all()
    assert (picture[0, 3] == 100).all()


def test_a_contour_does_not_fill_the_inside() -> None:
    grey, codes = np.full((9, 9), 50, np.uint8), np.zeros((9, 9), np.uint8)
    codes[2:7, 2:7] = 1
    picture = blend_labels(grey, codes, "contour")
    assert (picture[4, 4] == 50).all()
    assert (picture[2, 2:7] == PALETTE[1]).all()
    assert (picture[1] == 50).all()


def test_colours_are_distinct_and_repeat_beyond_the_palette() -> None:
    assert len({tuple(colour) for colour in PALETTE.tolist()}) == len(PALETTE)
    grey = np.zeros((1, 2), np.uint8)
    first = blend_labels(grey, np.asarray([[1, len(PALETTE)]], np.uint8))
    assert (first[0, 0] == first[0, 1]).all()


def test_coarse_slices_are_stretched() -> None:
    """With an aspect of 2, eight slices are as high as sixteen pixels."""
    volume = np.full((1, 1, DEPTH, SIZE, SIZE), 255, np.uint8)
    for aspect, share in ((1.0, 0.5), (2.0, 1.0)):
        picture = draw_montage([MontageLayer(volume)], aspect=aspect, planes=("axial", "coronal"))
        lit = picture[: SIZE * 8, :, 0] > 0
        axial, coronal = lit[:, : SIZE * 8], lit[:, SIZE * 8 + TILE_GAP :]
        assert axial.all()
        assert coronal.any(axis=1).sum() == share * SIZE * 8


def test_sequences_are_columns_and_cases_and_layers_are_rows() -> None:
    image = _blank(count=2, channels=3)
    for case in range(2):
        for channel in range(3):
            image[case, channel] = 40 * (1 + case) + 10 * channel
    layers = [MontageLayer(image), MontageLayer(255 - image)]
    picture = draw_montage(layers, planes=("axial",))
    tile = SIZE * 8
    assert picture.shape == (4 * (tile + TILE_GAP), 3 * (tile + TILE_GAP), 3)
    for row in range(4):
        case, inverted = divmod(row, 2)
        for channel in range(3):
            value = int(image[case, channel, 0, 0, 0])
            middle = picture[row * (tile + TILE_GAP) + 60, channel * (tile + TILE_GAP) + 60]
            assert (middle == (255 - value if inverted else value)).all()


def test_tensors_and_arrays_in_minus_one_to_one_are_shown_equally() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (1, 1, DEPTH, SIZE, SIZE), np.uint8)
    signed = torch.from_numpy(pixels).float() / 127.5 - 1
    expected = draw_montage([MontageLayer(pixels)])
    assert np.array_equal(draw_montage([MontageLayer(signed)]), expected)
    assert np.array_equal(draw_montage([MontageLayer(signed.numpy())]), expected)


def test_label_surgery_shows_label_and_sequences_of_each_change() -> None:
    masks, images = [], []
    for row, height in enumerate((1, 4, 6)):
        mask = np.ones((DEPTH, SIZE, SIZE), np.uint8)
        mask[height, 4:8, 4:8] = 5
        image = np.zeros((2, DEPTH, SIZE, SIZE), np.float32) - 1
        image[:, height] = row / 2 - 0.5
        masks.append(mask)
        images.append(torch.from_numpy(image))
    picture = draw_alterations(masks, images, (4, 5, 6))
    tile = SIZE * 8
    assert picture.shape == (3 * (tile + TILE_GAP), 3 * (tile + TILE_GAP), 3)
    for row in range(3):
        top = row * (tile + TILE_GAP)
        label = picture[top : top + tile, :tile].reshape(-1, 3)
        assert {tuple(c) for c in label.tolist()} == {
            tuple(PALETTE[1].tolist()),
            tuple(PALETTE[5].tolist()),
        }
        shade = picture[top + 5, tile + TILE_GAP + 5, 0]
        assert shade == round((row / 2 + 0.5) * 127.5), "each row is cut at its own tumour"
