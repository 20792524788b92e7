"""Settings: what is wrong is said in one sentence, with the nearest right thing."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchbed import MethodSettings, setting
from benchbed.errors import BenchbedError, nearest, unknown
from benchbed.settings import assignments, parse, read_file


class Example(MethodSettings):
    learning_rate: float = setting(1e-3, help="Step.", source="section 1", gt=0)
    layers: int = setting(3, help="Layers.", source="section 2", ge=1, le=5)


def test_defaults_and_changes() -> None:
    assert parse(Example, {}, owner="example").learning_rate == 1e-3
    assert parse(Example, {"layers": 5}, owner="example").layers == 5


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"learning_rte": 1}, ["'learning_rte'", "did you mean 'learning_rate'?", "benchbed show"]),
        ({"layers": 9}, ["'layers'", "9", "less than or equal to 5"]),
        ({"learning_rate": -1}, ["'learning_rate'", "-1", "greater than 0"]),
        ({"layers": "many"}, ["'layers'", "'many'", "valid integer"]),
    ],
)
def test_wrong_settings_are_one_sentence(values: dict[str, object], words: list[str]) -> None:
    with pytest.raises(BenchbedError) as caught:
        parse(Example, values, owner="example")
    for word in words:
        assert word in str(caught.value)
    assert "\n" not in str(caught.value)


def test_assignments_read_yaml_and_numbers_without_a_point() -> None:
    read = assignments(["a=1", "b=1e-4", "c=true", "d=[1, 2]", "e=text"])
    assert read == {"a": 1, "b": 1e-4, "c": True, "d": [1, 2], "e": "text"}


@pytest.mark.parametrize("pair", ["batch_size", "=3", "a=[1"])
def test_assignments_that_are_none_are_refused(pair: str) -> None:
    with pytest.raises(BenchbedError, match="--set"):
        assignments([pair])


def test_a_settings_file_must_be_a_mapping(tmp_path: Path) -> None:
    good, bad = tmp_path / "good.yaml", tmp_path / "bad.yaml"
    good.write_text("learning_rate: 1e-4\n")
    bad.write_text("- 1\n")
    assert read_file(good) == {"learning_rate": 1e-4}
    with pytest.raises(BenchbedError, match="name: value"):
        read_file(bad)
    with pytest.raises(BenchbedError, match="cannot be read"):
        read_file(tmp_path / "missing.yaml")


def test_nearest_names_only_what_is_close() -> None:
    assert nearest("Alpah", ["alpha", "beta"]) == "alpha"
    assert nearest("zzz", ["alpha", "beta"]) is None
    assert "There is none at all" in str(unknown("thing", "x", [], "list"))
