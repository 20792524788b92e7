"""Detection of the field of view in phantoms and in real photographs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from benchbed.data.io.images import read_image, read_mask_values
from benchbed_retina.fov import detect_fov
from benchbed_retina.phantom import render


def _overlap(first: np.ndarray, second: np.ndarray) -> float:
    return float((first & second).sum() / (first | second).sum())


@pytest.mark.parametrize("size", [64, 256, 600])
def test_the_field_of_view_of_a_phantom_is_found(size: int) -> None:
    cases = render(range(4), size, 3)
    for image, fov in zip(cases["image"], cases["fov"], strict=True):
        assert _overlap(detect_fov(image), fov.astype(bool)) > 0.95


def test_the_threshold_follows_the_range_of_a_dark_image() -> None:
    cases = render([0], 256, 3)
    dark = (cases["image"][0] // 6).astype(np.uint8)
    assert _overlap(detect_fov(dark), cases["fov"][0].astype(bool)) > 0.85


def test_an_image_without_contrast_is_all_field() -> None:
    assert detect_fov(np.zeros((40, 50, 3), np.uint8)).all()
    assert detect_fov(np.full((40, 50, 3), 200, np.uint8)).all()


def test_the_official_masks_of_real_data_are_matched(real_data: Path) -> None:
    overlaps = []
    for image in sorted((real_data / "DRIVE").glob("*/images/*.tif")):
        mask = next((image.parent.parent / "mask").glob(f"{image.stem}_mask.gif"))
        overlaps.append(_overlap(detect_fov(read_image(image, 3)), read_mask_values(mask) > 0))
    assert len(overlaps) == 40
    assert np.mean(overlaps) > 0.97
    assert min(overlaps) > 0.94


def test_real_photographs_without_masks_have_a_round_field(real_data: Path) -> None:
    """CHASE_DB1: the area of the field is that of a circle of its height."""
    for path in sorted((real_data / "CHASEDB1").glob("*L.jpg"))[:6]:
        fov = detect_fov(np.asarray(Image.open(path)))
        height = np.flatnonzero(fov.any(1)).size
        assert fov.sum() == pytest.approx(np.pi / 4 * height**2, rel=0.06)
