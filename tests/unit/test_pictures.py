"""Pictures of a synthesis run: histograms, and the training masks nearest to generated ones."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from benchbed.api.metric import ImageSet
from benchbed.config.run_config import RunConfig
from benchbed.results.store import ResultStore
from benchbed.runs.execute import execute_run
from benchbed.runs.planner import plan_run
from benchbed.tasks.pictures import (
    CAPTION_HEIGHT,
    OVERVIEW_GRID,
    SET_COLOURS,
    draw_histograms,
    draw_overview,
)


def _columns_of(picture: np.ndarray, name: str) -> np.ndarray:
    """Return the columns in which the plot of a set leaves the ground."""
    drawn = (picture == SET_COLOURS[name]).all(2)
    drawn[-4:] = False
    drawn[:40, -110:] = False  # the legend
    return np.flatnonzero(drawn.any(0))


def test_histograms_have_their_peaks_at_the_levels_of_the_pixels() -> None:
    real = ImageSet(np.full((2, 1, 8, 8), 51, np.uint8))
    fake = ImageSet(np.full((3, 3, 8, 8), 204, np.uint8))
    picture = draw_histograms(real, fake)
    width = picture.shape[1]
    for name, level in (("real", 51), ("generated", 204)):
        columns = _columns_of(picture, name)
        assert abs(columns.mean() - level / 255 * (width - 1)) < 2
        assert len(columns) < width / 40


def test_pixels_outside_the_field_of_view_are_not_drawn() -> None:
    pixels = np.full((1, 1, 8, 8), 51, np.uint8)
    pixels[..., 4:] = 204
    fov = np.zeros((1, 8, 8), np.uint8)
    fov[..., :4] = 1
    picture = draw_histograms(ImageSet(pixels, fov), ImageSet(pixels))
    assert _columns_of(picture, "real").max() < picture.shape[1] / 2
    assert _columns_of(picture, "generated").max() > picture.shape[1] / 2


def test_an_overview_has_samples_left_real_images_right_and_nearest_pairs_below() -> None:
    fake = np.full((30, 1, 64, 64), 60, np.uint8)
    fake[24:] = 61
    real = np.full((40, 1, 64, 64), 200, np.uint8)
    train = real.copy()
    train[7] = 60
    picture = draw_overview(ImageSet(fake), ImageSet(real), ImageSet(train))[..., 0]
    rows, columns = OVERVIEW_GRID
    middle = picture.shape[1] // 2
    above = picture[: CAPTION_HEIGHT + rows * 130]
    assert np.count_nonzero(above[:, :middle] == 60) >= rows * columns * 128**2
    assert np.count_nonzero(above[:, middle:] == 200) >= rows * columns * 128**2
    assert not np.any(above[CAPTION_HEIGHT:, :middle] == 61)
    pairs = picture[-2 * (128 + 2) :]
    assert np.all(pairs[:128, :128] == 60), "a generated image"
    assert np.all(pairs[130:258, :128] == 60), "the training image it is nearest to"


@pytest.mark.parametrize(("method", "has_masks"), [("dual-gan", True), ("dcgan", False)])
def test_a_run_shows_histograms_and_the_nearest_training_masks(
    method: str, has_masks: bool, tmp_path: Path
) -> None:
    store = ResultStore(tmp_path)
    planned = plan_run(
        RunConfig(
            method=method,
            dataset="drive",
            source="phantom",
            size=32,
            kimg=0.03,
            samples=8,
            metrics=("kl",),
        )
    )
    execute_run(planned, store, device="cpu")
    folder = store.get_run_folder(planned.id) / "samples"
    assert (folder / "intensities.png").exists()
    assert (folder / "nearest-masks.png").exists() == has_masks
    if has_masks:
        with Image.open(folder / "nearest-masks.png") as picture:
            pixels = np.asarray(picture.convert("L"))
        training = pixels[len(pixels) // 2 :]
        assert training.max() == 255, "training masks have foreground"
