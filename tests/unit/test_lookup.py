"""Runs found by their name, or by the beginning of it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchbed.errors import BenchbedError
from benchbed.runs.lookup import find_run, folder_names, one_of, run_names, state_of
from benchbed.runs.store import Store


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """Two runs with folders, one of them broken, and one with a record alone."""
    for run, text in (
        ("dcgan-a-s0-11", json.dumps({"state": "finished", "plan": {"seed": 0}})),
        ("dcgan-a-s1-22", "{half a fi"),
    ):
        folder = tmp_path / "runs" / run
        folder.mkdir(parents=True)
        (folder / "run.json").write_text(text)
    (tmp_path / "records").mkdir()
    (tmp_path / "records/wgan-a-s0-33.json").write_text("{}")
    return Store(tmp_path)


def test_a_run_is_found_by_the_beginning_of_its_name(store: Store) -> None:
    folder, content = find_run(store, "dcgan-a-s0")
    assert folder.name == "dcgan-a-s0-11"
    assert content["plan"] == {"seed": 0}


def test_whole_words_of_a_name_count_more_than_parts_of_one() -> None:
    names = ["dcgan-a-s3-11", "dcgan-a-s30-22", "dcgan-a-s31-33"]
    assert one_of("dcgan-a-s3", names) == "dcgan-a-s3-11"
    assert one_of("dcgan-a-s30", names) == "dcgan-a-s30-22"
    with pytest.raises(BenchbedError, match="is the beginning of 3 runs"):
        one_of("dcgan-a", names)
    with pytest.raises(BenchbedError, match="is the beginning of 2 runs"):
        one_of("dcgan-a-s3", names[1:])


@pytest.mark.parametrize(
    ("run", "sentence"),
    [
        ("dcgan", "'dcgan' is the beginning of 2 runs: dcgan-a-s0-11, dcgan-a-s1-22"),
        ("dcgan-a-s0-12", "did you mean 'dcgan-a-s0-11'"),
        ("dcgan-a-s1", "run.json is broken"),
        ("wgan", "only the record here"),
    ],
)
def test_what_cannot_be_found_is_told_in_a_sentence(store: Store, run: str, sentence: str) -> None:
    with pytest.raises(BenchbedError, match=sentence):
        find_run(store, run)


def test_a_broken_run_is_listed_with_the_others(store: Store) -> None:
    assert folder_names(store) == ["dcgan-a-s0-11", "dcgan-a-s1-22"]
    assert [state_of(store, run) for run in folder_names(store)] == ["finished", "unreadable"]
    assert run_names(store) == [*folder_names(store), "wgan-a-s0-33"]
