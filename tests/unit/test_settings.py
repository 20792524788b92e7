"""Settings: errors name the setting, its value and the nearest valid name."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from benchbed import MethodSettings, setting
from benchbed.config.settings import (
    parse_assignments,
    parse_settings,
    read_settings_file,
    read_yaml,
)
from benchbed.errors import BenchbedError, find_similar_name, make_unknown_error
from benchbed.report.model.paper_values import read_papers
from benchbed.suites.spec import read_suite


class Example(MethodSettings):
    learning_rate: float = setting(1e-3, help="Step.", source="section 1", gt=0)
    layers: int = setting(3, help="Layers.", source="section 2", ge=1, le=5)


def test_defaults_and_changes() -> None:
    assert parse_settings(Example, {}, owner="example").learning_rate == 1e-3
    assert parse_settings(Example, {"layers": 5}, owner="example").layers == 5


@pytest.mark.parametrize(
    ("values", "facts"),
    [
        ({"learning_rte": 1}, ["'learning_rte'", "'learning_rate'", "benchbed show example"]),
        ({"layers": 9}, ["'layers'", "9", "5", "benchbed show example"]),
        ({"learning_rate": -1}, ["'learning_rate'", "-1", "0"]),
        ({"layers": "many"}, ["'layers'", "'many'", "integer"]),
    ],
)
def test_invalid_settings_are_refused_in_one_line(
    values: dict[str, object], facts: list[str]
) -> None:
    with pytest.raises(BenchbedError) as caught:
        parse_settings(Example, values, owner="example")
    for fact in facts:
        assert fact in str(caught.value)
    assert "\n" not in str(caught.value)


def test_assignments_read_yaml_and_numbers_without_a_point() -> None:
    read = parse_assignments(["a=1", "b=1e-4", "c=true", "d=[1, 2]", "e=text"])
    assert read == {"a": 1, "b": 1e-4, "c": True, "d": [1, 2], "e": "text"}


@pytest.mark.parametrize("pair", ["batch_size", "=3", "a=[1"])
def test_invalid_assignments_are_refused(pair: str) -> None:
    with pytest.raises(BenchbedError, match=f"--set.*{re.escape(repr(pair))}"):
        parse_assignments([pair])


def test_a_settings_file_must_be_a_mapping(tmp_path: Path) -> None:
    good, bad = tmp_path / "good.yaml", tmp_path / "bad.yaml"
    good.write_text("learning_rate: 1e-4\n")
    bad.write_text("- 1\n")
    assert read_settings_file(good) == {"learning_rate": 1e-4}
    with pytest.raises(BenchbedError, match=r"bad\.yaml.*name: value"):
        read_settings_file(bad)
    with pytest.raises(BenchbedError, match=r"missing\.yaml"):
        read_settings_file(tmp_path / "missing.yaml")


def test_nearest_returns_only_similar_names() -> None:
    assert find_similar_name("Alpah", ["alpha", "beta"]) == "alpha"
    assert find_similar_name("zzz", ["alpha", "beta"]) is None
    message = str(make_unknown_error("thing", "x", [], "list"))
    assert all(fact in message for fact in ("thing", "'x'", "`list`"))


@pytest.mark.parametrize(
    ("text", "key", "lines"),
    [
        ("layers: 3\nrate: 1\nlayers: 4\n", "'layers'", (1, 3)),
        ("layers: 3\n'layers': 3\n", "'layers'", (1, 2)),
        ("a:\n  - b: {c: 1}\n  - d: {e: 1,\n        e: 2}\n", "'e'", (3, 4)),
        ("0x10: a\n16: b\n", "16", (1, 2)),
        ("a: !!set {b, b}\n", "'b'", (1, 1)),
    ],
)
def test_a_repeated_key_is_rejected_with_its_lines(
    text: str, key: str, lines: tuple[int, int], tmp_path: Path
) -> None:
    """In settings, suites and paper values, at any depth and however the key is written."""
    path = tmp_path / "twice.yaml"
    path.write_text(text)
    readers = (read_settings_file, read_suite, lambda path: read_papers(path.parent))
    for read in readers:
        with pytest.raises(BenchbedError) as caught:
            read(path)
        first, second = lines
        fact = f"key {key} in line {first} is repeated in line {second}"
        assert fact in str(caught.value)
        assert str(path) in str(caught.value)


def test_equal_keys_of_different_mappings_are_accepted(tmp_path: Path) -> None:
    path = tmp_path / "once.yaml"
    path.write_text("a: &a {x: 1, X: 1}\nb: *a\nc: [{x: 1}, {x: 2}]\n")
    expected = {"a": {"x": 1, "X": 1}, "b": {"x": 1, "X": 1}, "c": [{"x": 1}, {"x": 2}]}
    assert read_yaml(path, "file") == expected
