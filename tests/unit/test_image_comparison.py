"""Folders of a comparison: depths, sizes, pages and the number of images that are changed."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from benchbed.config.protocol import parse_window
from benchbed.data.image_comparison import (
    check_bit_depths,
    describe_copies,
    find_common_size,
    open_folders,
)
from benchbed.data.image_folder import FRAMINGS, ImageFolder, Resize
from benchbed.data.preprocessing.framing import compute_window
from benchbed.data.sources.cases import Case, Collection
from benchbed.data.sources.resolve import resolve_dataset_spec
from benchbed.errors import BenchbedError

SIDES = st.integers(16, 300)
SHAPES = st.lists(st.tuples(SIDES, SIDES), min_size=1, max_size=8).map(tuple)
DEEP = ("10", "12", "16", "32", "64", "16f", "32f", "64f")
DEPTHS = st.sampled_from(("1", "2", "4", "8", *DEEP))


def _make_folder(shapes: tuple[tuple[int, int], ...], bits: tuple[str, ...] = ()) -> ImageFolder:
    names = [f"{number}.png" for number in range(len(shapes))]
    cases = tuple(Case(name, "train", name, Path(name)) for name in names)
    spec = resolve_dataset_spec("drive")
    deep = (0.0, 1.0) if set(bits) & set(DEEP) else None
    return ImageFolder(Collection(spec, "real", Path(), cases), "0", shapes, bits, deep)


@given(SHAPES, st.sampled_from(sorted(FRAMINGS)), st.integers(16, 300))
def test_the_images_that_are_changed_are_counted(
    shapes: tuple[tuple[int, int], ...], resize: Resize, size: int
) -> None:
    text = _make_folder(shapes).describe_loading(size, resize)
    oblong = sum(height != width for height, width in shapes)
    found = re.search(r"(\d+ |all |)(cropped|padded|stretched)", text)
    assert (found is not None) == (oblong > 0)
    if found is not None and found[1].strip().isdecimal():
        assert int(found[1]) == oblong < len(shapes)
    elif found is not None:
        assert oblong == len(shapes)
    assert f"{size} px" in text


@given(SHAPES, st.sampled_from(sorted(FRAMINGS)))
def test_the_common_size_enlarges_no_image(
    shapes: tuple[tuple[int, int], ...], resize: Resize
) -> None:
    size = find_common_size([_make_folder(shapes)], resize)
    for shape in shapes:
        window = compute_window(shape, FRAMINGS[resize], None)
        assert size <= min(window.height, window.width)


@given(st.lists(DEPTHS, min_size=1, max_size=4), st.lists(DEPTHS, min_size=1, max_size=4))
def test_values_of_different_depths_never_meet_without_a_rule(
    real: list[str], fake: list[str]
) -> None:
    folders = {
        option: _make_folder(((16, 16),) * len(bits), tuple(bits))
        for option, bits in (("--real", real), ("--fake", fake))
    }
    depths = {bits if bits in DEEP else "8" for bits in (*real, *fake)}
    if len(depths) == 1:
        check_bit_depths(folders, None)
    else:
        for window in (None, "per-file"):
            with pytest.raises(BenchbedError, match=r"--real .* --fake .*--window"):
                check_bit_depths(folders, window)
    if depths == {"8"}:
        with pytest.raises(BenchbedError, match="8 bits"):
            check_bit_depths(folders, (0.0, 9.0))
    else:
        check_bit_depths(folders, (0.0, 9.0))


@given(st.floats(allow_nan=False, allow_infinity=False), st.floats(allow_nan=False))
def test_a_window_is_two_rising_numbers(low: float, high: float) -> None:
    if low < high < float("inf"):
        assert parse_window(f"{low},{high}", "--window") == (low, high)
    else:
        with pytest.raises(BenchbedError, match="--window"):
            parse_window(f"{low},{high}", "--window")


def test_every_page_is_scored_and_the_window_is_that_of_the_first_folder(tmp_path: Path) -> None:
    pages = [Image.fromarray(np.full((20, 20), 1000 * n, np.uint16)) for n in range(1, 5)]
    for name, count in (("real", 4), ("fake", 2)):
        (tmp_path / name).mkdir()
        pages[0].save(tmp_path / name / "a.tif", save_all=True, append_images=pages[1:count])
    opened = open_folders({name: tmp_path / name for name in ("real", "fake")})
    assert [len(folder.shapes) for folder in opened.values()] == [4, 2]
    windows = {folder.collection.rules.window for folder in opened.values()}
    assert len(windows) == 1
    real, fake = (folder.load_images(16).images for folder in opened.values())
    assert np.array_equal(real[:2], fake)
    assert len(np.unique(real)) == 4


def test_generated_images_that_are_copies_are_counted(tmp_path: Path) -> None:
    for name, offset in (("real", 0), ("fake", 3), ("other", 50)):
        (tmp_path / name).mkdir()
        for number in range(5):
            pixels = np.full((8, 8), number + offset, np.uint8)
            Image.fromarray(pixels).save(tmp_path / name / f"{number}.png")
    opened = open_folders({name: tmp_path / name for name in ("real", "fake", "other")})
    line = describe_copies(opened)
    assert "2 of 5 images in fake" in line
    assert "other" not in line
    assert describe_copies({name: opened[name] for name in ("real", "other")}) == ""
