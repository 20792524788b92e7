"""Finding runs by their name or a prefix of it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchbed.errors import BenchbedError
from benchbed.results.lookup import (
    find_run,
    list_folder_names,
    list_run_names,
    match_run_name,
    read_state,
)
from benchbed.results.store import ResultStore


@pytest.fixture
def store(tmp_path: Path) -> ResultStore:
    """Return two runs with folders, one of them damaged, and a run with a record only."""
    for run, text in (
        ("dcgan-a-s0-11", json.dumps({"state": "finished", "plan": {"seed": 0}})),
        ("dcgan-a-s1-22", "{half a fi"),
    ):
        folder = tmp_path / "runs" / run
        folder.mkdir(parents=True)
        (folder / "run.json").write_text(text)
    (tmp_path / "records").mkdir()
    (tmp_path / "records/wgan-a-s0-33.json").write_text("{}")
    return ResultStore(tmp_path)


def test_a_run_is_found_by_a_prefix_of_its_name(store: ResultStore) -> None:
    folder, content = find_run(store, "dcgan-a-s0")
    assert folder.name == "dcgan-a-s0-11"
    assert content["plan"] == {"seed": 0}


def test_prefixes_that_end_at_a_hyphen_come_first() -> None:
    names = ["dcgan-a-s3-11", "dcgan-a-s30-22", "dcgan-a-s31-33"]
    assert match_run_name("dcgan-a-s3", names) == "dcgan-a-s3-11"
    assert match_run_name("dcgan-a-s30", names) == "dcgan-a-s30-22"
    with pytest.raises(BenchbedError, match=rf"'dcgan-a'.*\b3\b.*{', '.join(names)}"):
        match_run_name("dcgan-a", names)
    with pytest.raises(BenchbedError, match=rf"'dcgan-a-s3'.*\b2\b.*{', '.join(names[1:])}"):
        match_run_name("dcgan-a-s3", names[1:])


@pytest.mark.parametrize(
    ("run", "facts"),
    [
        ("dcgan", r"'dcgan'.*\b2\b.*dcgan-a-s0-11, dcgan-a-s1-22\b.*`benchbed list runs`"),
        ("dcgan-a-s0-12", r"'dcgan-a-s0-12'.*'dcgan-a-s0-11'.*`benchbed list runs`"),
        ("dcgan-a-s1", r"runs/dcgan-a-s1-22/run\.json\b"),
        ("wgan", r"wgan-a-s0-33\b.*record.*`benchbed show wgan-a-s0-33 --results .*`"),
    ],
)
def test_runs_that_cannot_be_found_are_explained(store: ResultStore, run: str, facts: str) -> None:
    with pytest.raises(BenchbedError, match=facts):
        find_run(store, run)


def test_a_damaged_run_is_listed_with_the_others(store: ResultStore) -> None:
    assert list_folder_names(store) == ["dcgan-a-s0-11", "dcgan-a-s1-22"]
    assert [read_state(store, run) for run in list_folder_names(store)] == [
        "finished",
        "unreadable",
    ]
    assert list_run_names(store) == [*list_folder_names(store), "wgan-a-s0-33"]
