"""Suites: a grid of runs that is planned whole, carried out one by one and gone on with."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from benchbed import paths
from benchbed.errors import BenchbedError
from benchbed.runs.store import Store
from benchbed.suites import execute
from benchbed.suites.grid import Member, expected_seconds, members, requests
from benchbed.suites.suite import Suite, find_suite, read_suite, shipped
from benchbed.training.events import Silent

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


@pytest.fixture
def planned(suite: Suite) -> list[Member]:
    return members(list(requests(suite, "quick", source="phantom")), Silent())


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


def test_settings_of_the_method_go_before_those_of_the_preset(suite: Suite) -> None:
    first, second = list(requests(suite, "quick"))[:2]
    assert first.settings == {"batch_size": 8, "features": 8}
    assert second.settings == {"batch_size": 8}
    assert (first.size, first.kimg, first.samples) == (32, 0.1, 16)


def test_the_command_of_a_run_makes_that_very_run(
    suite: Suite, planned: list[Member], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the child process is told must plan to the identity that the suite waits for."""
    from typer.testing import CliRunner

    from benchbed.cli import run_command
    from benchbed.runs.plan import plan

    seen: list[str] = []
    monkeypatch.setattr(
        run_command, "_carry_out", lambda request, *a, **k: seen.append(plan(request).id)
    )
    for member in planned:
        words = execute.command(member.request, tmp_path, "cpu")[4:]
        answer = CliRunner().invoke(run_command.app, words)
        assert answer.exit_code == 0, answer.output
    assert seen == [member.plan.id for member in planned]


def test_a_broken_or_diverged_run_does_not_stop_the_others_and_a_stop_does(
    planned: list[Member], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    codes = iter([0, 1, 3, 130, 0])
    monkeypatch.setattr(execute, "command", lambda *_: exits(next(codes)))
    outcomes = [code for _, code in execute.carry_out(planned, Store(tmp_path))]
    assert outcomes == [0, 1, 3, 130]


def exits(code: int, seconds: float = 0.0) -> list[str]:
    """The command line of a process that says something and ends."""
    text = f"import sys, time; print('I was here'); time.sleep({seconds}); sys.exit({code})"
    return [sys.executable, "-c", text]


def test_runs_go_on_beside_each_other_and_never_more_than_asked_for(
    planned: list[Member], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Watched from outside: two at a time while there are two, all of them over in the end."""
    monkeypatch.setattr(execute, "command", lambda *_: exits(0, 0.5))
    widths: list[int] = []
    store = Store(tmp_path)
    over = [
        member.plan.id
        for member, _ in execute.carry_out(
            planned[:5], store, jobs=2, watch=lambda running: widths.append(len(running))
        )
    ]
    assert max(widths) == 2
    assert sorted(over) == sorted(member.plan.id for member in planned[:5])
    assert execute.said(planned[0], store) == "I was here"


def test_a_stop_waits_for_the_run_beside_it_and_starts_no_other(
    planned: list[Member], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    commands = iter([exits(130), exits(0, 1.0), exits(0)])
    monkeypatch.setattr(execute, "command", lambda *_: next(commands))
    outcomes = [code for _, code in execute.carry_out(planned, Store(tmp_path), jobs=2)]
    assert outcomes == [130, 0]


def test_how_far_a_run_is_comes_from_its_history(planned: list[Member], tmp_path: Path) -> None:
    store, member = Store(tmp_path), planned[0]
    assert member.share(store) == 0.0
    folder = store.run_folder(member.plan.id)
    folder.mkdir(parents=True)
    (folder / "history.csv").write_text("step,kimg,seconds\n4,0.032,1.0\n8,0.064,2.0\n")
    assert member.share(store) == pytest.approx(0.64)


def test_other_methods_and_data_sets_keep_what_the_suite_says_of_them(suite: Suite) -> None:
    chosen = suite.narrowed(["dcgan", "wgan"], ["chasedb1"])
    rows = [(entry.method, entry.settings) for entry in chosen.methods]
    assert rows == [("dcgan", {"features": 8}), ("wgan", {})]
    assert chosen.datasets == ("chasedb1",)
    assert suite.narrowed() == suite


def test_time_is_expected_from_records_of_the_same_method_and_size(
    planned: list[Member], tmp_path: Path
) -> None:
    assert expected_seconds(planned, Store(tmp_path)) is None
    assert expected_seconds([], Store(tmp_path)) == 0


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
