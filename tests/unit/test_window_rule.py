"""The intensity window of a dataset: one for all files, from all of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from benchbed.data.io.images import examine_image, read_image
from benchbed.data.sources.window_rule import (
    compute_pooled_window,
    decide_window,
    find_mixed_depths,
    is_deep,
)

RNG = np.random.default_rng(0)


def _save(path: Path, values: npt.NDArray[np.uint16] | npt.NDArray[np.uint8]) -> Path:
    Image.fromarray(values).save(path)
    return path


def _facts(*paths: Path) -> list[dict[str, str]]:
    return [examine_image(path) for path in paths]


@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    st.lists(
        st.tuples(st.integers(8, 40), st.integers(100, 60000), st.integers(1, 2**32 - 1)),
        min_size=1,
        max_size=5,
    )
)
def test_percentiles_are_those_of_all_pixels(
    tmp_path: Path, images: list[tuple[int, int, int]]
) -> None:
    """Large images weigh more; the error is that of the stored quantiles."""
    arrays = [
        np.random.default_rng(seed).integers(0, high, (size, size)).astype(np.uint16)
        for size, high, seed in images
    ]
    paths = [_save(tmp_path / f"{n}.png", array) for n, array in enumerate(arrays)]
    low, high = compute_pooled_window(_facts(*paths))
    pixels = np.concatenate([array.ravel() for array in arrays])
    for value, percentile in ((low, 0.5), (high, 99.5)):
        below, above = np.percentile(pixels, [max(0, percentile - 1), min(100, percentile + 1)])
        assert below - 1 <= value <= above + 1


def test_the_same_window_keeps_differences_between_files(tmp_path: Path) -> None:
    """A file that is five times darker stays five times darker."""
    bright = RNG.integers(0, 50000, (40, 40)).astype(np.uint16)
    paths = [_save(tmp_path / "a.png", bright), _save(tmp_path / "b.png", bright // 5)]
    window, sentence = decide_window(_facts(*paths), None, [None, None])
    assert isinstance(window, tuple)
    first, second = (read_image(path, 1, window).astype(float).mean() for path in paths)
    assert first / second == pytest.approx(5, rel=0.05)
    assert "2 images" in sentence


@pytest.mark.parametrize("share", [0.0005, 0.002, 0.01])
def test_sparse_images_do_not_become_black(tmp_path: Path, share: float) -> None:
    paths = []
    for number in range(4):
        values = np.zeros((100, 100), np.uint16)
        spots = RNG.choice(values.size, int(share * values.size), replace=False)
        values.ravel()[spots] = RNG.integers(3000, 4000, len(spots))
        paths.append(_save(tmp_path / f"{number}.png", values))
    window, _ = decide_window(_facts(*paths), None, [None] * 4)
    assert isinstance(window, tuple)
    for path in paths:
        pixels = read_image(path, 1, window)
        assert np.mean(pixels > 127) == pytest.approx(share, rel=0.5)


def test_a_constant_dataset_has_an_empty_window(tmp_path: Path) -> None:
    path = _save(tmp_path / "a.png", np.full((8, 8), 700, np.uint16))
    window, _ = decide_window(_facts(path), None, [None])
    assert isinstance(window, tuple)
    assert not read_image(path, 1, window).any()


def test_images_of_8_bits_need_no_window(tmp_path: Path) -> None:
    path = _save(tmp_path / "a.png", RNG.integers(0, 256, (8, 8)).astype(np.uint8))
    assert decide_window(_facts(path), None, []) == (None, "")


def test_a_declared_window_comes_first_then_that_of_all_headers(tmp_path: Path) -> None:
    path = _save(tmp_path / "a.png", RNG.integers(0, 4096, (8, 8)).astype(np.uint16))
    facts = _facts(path, path)
    lung, brain = (-1000.0, 400.0), (0.0, 80.0)
    assert decide_window(facts, lung, [brain, brain])[0] == lung
    assert decide_window(facts, "per-file", [brain, brain])[0] == "per-file"
    assert decide_window(facts, None, [brain, brain])[0] == brain
    for headers in ([brain, lung], [brain, None]):
        window, sentence = decide_window(facts, None, headers)
        assert window not in (brain, lung)
        assert "percentiles" in sentence


def test_mixed_depths_are_named_with_an_example_of_each(tmp_path: Path) -> None:
    deep = _save(tmp_path / "deep.png", RNG.integers(0, 4096, (8, 8)).astype(np.uint16))
    flat = _save(tmp_path / "flat.png", RNG.integers(0, 256, (8, 8)).astype(np.uint8))
    facts = {path: examine_image(path) for path in (deep, flat)}
    assert [is_deep(entry) for entry in facts.values()] == [True, False]
    problem = find_mixed_depths(facts)
    assert "deep.png" in problem
    assert "flat.png" in problem
    assert not find_mixed_depths({deep: facts[deep]})
    assert not find_mixed_depths({flat: facts[flat]})
