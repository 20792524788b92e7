"""The rule by which stored values of masks become classes: decided over all files, or refused."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from benchbed.data.io.images import examine_mask
from benchbed.data.sources.mask_rule import MaskRule, decide_mask_rule

Counts = Mapping[int, int]

JPEG = {0: 9000, 1: 30, 2: 9, 3: 4, 252: 3, 254: 20, 255: 800}


def _decide(
    *files: Counts,
    kind: str = "grey",
    role: str = "mask",
    declared: Mapping[int, int] | None = None,
) -> MaskRule:
    facts = {
        Path(f"{number}.png"): {"kind": kind, "values": json.dumps(counts)}
        for number, counts in enumerate(files)
    }
    return decide_mask_rule(role, facts, declared or {})


def _save(path: Path, values: npt.NDArray[np.uint8], mode: str = "L", palette: str = "") -> Path:
    picture = Image.fromarray(values, mode)
    if palette:
        picture.putpalette(bytes.fromhex(palette))
    picture.save(path)
    return path


def _decide_files(*paths: Path) -> MaskRule:
    return decide_mask_rule("mask", {p: examine_mask(p) for p in paths}, {})


@settings(max_examples=50, deadline=None)
@given(st.tuples(*[st.integers(-(2**31), 2**31)] * 2).filter(lambda v: v[0] != v[1]), st.data())
def test_any_two_values_are_background_and_foreground(
    values: tuple[int, int], data: st.DataObject
) -> None:
    """Whichever files have both; the sentence names both values."""
    low, high = sorted(values)
    files = data.draw(
        st.lists(st.sets(st.sampled_from(values), min_size=1), min_size=1).filter(
            lambda each: set().union(*each) == {low, high}
        )
    )
    rule = _decide(*(dict.fromkeys(each, 5) for each in files))
    assert rule.levels == {low: 0, high: 1}
    assert not rule.problem
    assert str(low) in rule.sentence
    assert str(high) in rule.sentence


@settings(max_examples=50, deadline=None)
@given(st.sets(st.integers(0, 255), min_size=3, max_size=20))
def test_an_undeclared_third_value_is_never_lost_without_a_word(values: set[int]) -> None:
    """Of equally frequent values, none is a speck: all are refused, or counted in the sentence."""
    rule = _decide(dict.fromkeys(values, 100))
    low, high = min(values), max(values)
    if any(0.02 * (high - low) < value - low < 0.98 * (high - low) for value in values):
        assert rule.problem
    assert rule.problem or "%" in rule.sentence


@pytest.mark.parametrize(
    "counts", [{0: 90, 1: 5, 2: 5}, {0: 90, 127: 5, 255: 5}, {0: 900, 1: 50, 255: 50}]
)
def test_labels_are_refused_by_name(counts: Counts) -> None:
    """The message names the values, a file, and the declaration; 1 is no speck of 0."""
    rule = _decide({0: 100}, counts)
    assert not rule.levels
    assert all(str(value) in rule.problem for value in counts)
    assert "1.png" in rule.problem
    assert "classes:" in rule.problem


def test_many_values_are_refused_and_five_are_named() -> None:
    rule = _decide(dict.fromkeys(range(0, 250, 25), 10))
    assert "0, 25, 50, 75, 100, ..." in rule.problem
    facts = {Path("a.png"): {"kind": "grey", "values": "many"}}
    assert "a.png" in decide_mask_rule("mask", facts, {}).problem


def test_specks_of_compression_are_assigned_and_counted() -> None:
    rule = _decide(JPEG, {0: 100})
    assert rule.levels == {0: 0, 1: 0, 2: 0, 3: 0, 252: 1, 254: 1, 255: 1}
    assert "66 pixels" in rule.sentence
    assert "2 %" in rule.sentence


def test_specks_can_be_more_frequent_than_a_small_structure() -> None:
    rule = _decide({0: 65000, 1: 40, 2: 9, 254: 2, 255: 14})
    assert rule.levels[255] == rule.levels[254] == 1
    assert rule.levels[1] == rule.levels[0] == 0


def test_a_few_specks_can_be_near_one_level() -> None:
    assert _decide({0: 900, 3: 4, 255: 100}).levels == {0: 0, 3: 0, 255: 1}
    assert _decide({0: 900, 3: 40, 255: 100}).problem


def test_files_coded_0_and_1_among_files_coded_0_and_255_are_refused() -> None:
    """Their foreground, however small, would vanish as specks."""
    rule = _decide(JPEG, {0: 10**6, 1: 3})
    assert "1.png" in rule.problem


@pytest.mark.parametrize("kind", ["palette", "colour"])
def test_indices_and_colours_have_no_specks(kind: str) -> None:
    assert _decide(JPEG, kind=kind).problem


def test_declared_classes_are_accepted_and_others_refused() -> None:
    rule = _decide({0: 9, 1: 1}, {0: 9, 4: 1}, declared={1: 1, 4: 2})
    assert rule.levels == {0: 0, 1: 1, 4: 2}
    assert "1, 4" in rule.sentence
    rule = _decide({0: 9, 1: 1}, {0: 9, 3: 1}, declared={1: 1, 4: 2})
    assert "1.png" in rule.problem
    assert "3" in rule.problem


def test_masks_of_one_value_are_refused_but_a_field_of_view_can_be_everything() -> None:
    assert _decide({255: 10}, {255: 10}).problem
    assert _decide({0: 10}).problem
    assert _decide({255: 10}, role="fov").levels == {255: 1}
    assert _decide({0: 10}, role="fov").problem


@pytest.mark.parametrize(
    ("counts", "levels"),
    [
        ({0: 9, 255: 1}, {0: 0, 255: 1}),
        ({0: 9, 4: 1}, {0: 0, 4: 1}),
        ({0: 9, 1: 1, 2: 1, 3: 1}, {}),
        ({0: 9, 1: 1, 2: 1, 4: 1}, {}),
        ({0: 9, 128: 1, 255: 1}, {}),
    ],
)
def test_undeclared_labels_are_binary(counts: Counts, levels: Counts) -> None:
    rule = _decide(counts)
    assert rule.levels == levels
    assert bool(rule.problem) == (not levels)


SQUARE = np.pad(np.ones((6, 6), np.uint8), 5)


def test_of_two_colours_the_darker_is_the_background(tmp_path: Path) -> None:
    """Packed, yellow is larger than blue, but so is red, which is darker than green."""
    for number, (dark, bright) in enumerate((("0000ff", "ffff00"), ("ff0000", "00ff00"))):
        colours = np.frombuffer(bytes.fromhex(dark + bright), np.uint8).reshape(2, 3)
        path = _save(tmp_path / f"{number}.png", colours[SQUARE], "RGB")
        rule = _decide_files(path)
        assert rule.levels == {int(dark, 16): 0, int(bright, 16): 1}
        assert f"#{dark}" in rule.sentence


def test_the_darker_index_of_a_palette_is_the_background(tmp_path: Path) -> None:
    black_first, white_first = "000000ffffff", "ffffff000000"
    usual = _save(tmp_path / "a.png", SQUARE, palette=black_first)
    inverted = _save(tmp_path / "b.png", 1 - SQUARE, palette=white_first)
    assert _decide_files(usual).levels == {0: 0, 1: 1}
    assert _decide_files(inverted).levels == {1: 0, 0: 1}
    assert all(name in _decide_files(usual, inverted).problem for name in ("a.png", "b.png"))


@pytest.mark.parametrize("colour", [0, 255])
def test_shapes_in_the_opacity_are_read(tmp_path: Path, colour: int) -> None:
    grey = np.full(SQUARE.shape, colour, np.uint8)
    shape = _save(tmp_path / "a.png", np.stack([grey, 255 * SQUARE], -1), "LA")
    clear = _save(tmp_path / "b.png", np.stack([grey, 0 * SQUARE], -1), "LA")
    assert _decide_files(shape, clear).levels == {0: 0, 255: 1}
    opaque = _save(tmp_path / "c.png", np.stack([0 * SQUARE, 255 + 0 * SQUARE], -1), "LA")
    assert "c.png" in _decide_files(shape, opaque).problem


@pytest.mark.parametrize("quality", [75, 98, 100])
def test_jpeg_files_are_read_as_before_compression_or_refused(tmp_path: Path, quality: int) -> None:
    """At a low quality, values are too far from both levels."""
    down, across = np.mgrid[:64, :64] - 32
    mask = (np.hypot(down, across) < 20).astype(np.uint8) * 255
    path = tmp_path / "a.jpg"
    Image.fromarray(mask).save(path, quality=quality)
    rule = _decide_files(path)
    if quality == 75:
        assert rule.problem
        return
    classes = np.zeros(256, bool)
    classes[list(rule.levels)] = list(rule.levels.values())
    with Image.open(path) as picture:
        np.testing.assert_array_equal(classes[np.asarray(picture)], mask > 0)
