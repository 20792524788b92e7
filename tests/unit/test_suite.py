"""Suites: a grid of runs that is planned whole, carried out one by one and gone on with."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchbed import paths
from benchbed.errors import BenchbedError
from benchbed.suites.grid import requests
from benchbed.suites.suite import Suite, find_suite, read_suite, shipped

CONTENT = """
title: Two methods
task: synthesis
methods:
  dcgan: {features: 8}
  skrgan: {}
datasets: [fundus, drive]
seeds: [0, 1]
presets:
  quick: {size: 32, kimg: 0.1, samples: 16, settings: {batch_size: 8}}
  standard: {seeds: [5]}
"""


@pytest.fixture
def suite(tmp_path: Path) -> Suite:
    path = tmp_path / "two.yaml"
    path.write_text(CONTENT)
    return find_suite(str(path))


def test_the_grid_goes_seed_by_seed(suite: Suite) -> None:
    asked = [(r.seed, r.dataset, r.method) for r in requests(suite, "quick")]
    assert asked == [
        (seed, dataset, method)
        for seed in (0, 1)
        for dataset in ("fundus", "drive")
        for method in ("dcgan", "skrgan")
    ]
    assert {r.seed for r in requests(suite, "standard")} == {5}
    assert {r.seed for r in requests(suite, "standard", seeds=[7, 8])} == {7, 8}


def test_a_suite_runs_in_one_precision(suite: Suite) -> None:
    assert {r.precision for r in requests(suite, "quick")} == {"fp32"}
    assert {r.precision for r in requests(suite, "quick", precision="bf16")} == {"bf16"}


def test_settings_of_the_method_go_before_those_of_the_preset(suite: Suite) -> None:
    first, second = list(requests(suite, "quick"))[:2]
    assert first.settings == {"batch_size": 8, "features": 8}
    assert second.settings == {"batch_size": 8}
    assert (first.size, first.kimg, first.samples) == (32, 0.1, 16)


def test_other_methods_and_data_sets_keep_what_the_suite_says_of_them(suite: Suite) -> None:
    chosen = suite.narrowed(["dcgan", "wgan"], ["chasedb1"])
    rows = [(entry.method, entry.settings) for entry in chosen.methods]
    assert rows == [("dcgan", {"features": 8}), ("wgan", {})]
    assert chosen.datasets == ("chasedb1",)
    assert suite.narrowed() == suite


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (("dcgan:", "dcgn:"), ["'dcgn'", "did you mean 'dcgan'?"]),
        (("drive", "drves"), ["'drves'", "did you mean 'drive'?"]),
        (("seeds: [0, 1]", "seeds: []"), ["names no seeds"]),
        (("seeds: [0, 1]", "sedes: [0, 1]"), ["'sedes'", "did you mean 'seeds'?"]),
        (("kimg: 0.1", "kimgs: 0.1"), ["presets.quick.kimgs", "did you mean 'kimg'?"]),
        (("task: synthesis", "task: sintesis"), ["'sintesis'"]),
        (("title: Two methods", "title: [1"), ["is no YAML"]),
        ((CONTENT, "just words"), ["name: value"]),
    ],
)
def test_a_wrong_suite_file_is_refused_in_words(
    change: tuple[str, str], words: list[str], tmp_path: Path
) -> None:
    path = tmp_path / "wrong.yaml"
    path.write_text(CONTENT.replace(*change))
    with pytest.raises(BenchbedError) as error:
        find_suite(str(path))
    for word in words:
        assert word in str(error.value)


@pytest.fixture
def shelf(suite: Suite, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The suites that come with benchbed, were `two` the only one."""
    monkeypatch.setattr(paths, "benchmarks", lambda: tmp_path)
    return tmp_path


def test_a_shipped_suite_is_found_by_name(shelf: Path) -> None:
    assert list(shipped()) == ["two"]
    assert find_suite("two").title == "Two methods"
    with pytest.raises(BenchbedError, match="did you mean 'two'"):
        find_suite("tow")


def test_what_comes_with_benchbed_can_be_read_and_names_what_is_installed() -> None:
    for name in shipped():
        suite = find_suite(name)
        assert suite.name == name
        assert all(list(requests(suite, preset)) for preset in ("quick", "standard", "paper"))


def test_a_suite_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(BenchbedError, match="cannot be read"):
        read_suite(tmp_path / "none.yaml")
