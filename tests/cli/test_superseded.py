"""Commands show superseded records as such, and report an invalid `superseded.yaml`."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

from benchbed.cli.main import app
from benchbed.errors import BenchbedError
from benchbed.results.record import Record
from benchbed.results.store import ResultStore

ENTRY = """
superseded:
  - {reason: a wrong step, since: 0.2.0, protocol_versions: [1], methods: [wgan]}
"""


@pytest.fixture
def results(make_record: Callable[..., Record], tmp_path: Path) -> Path:
    store = ResultStore(tmp_path)
    for method in ("dcgan", "wgan"):
        store.write_record(make_record(method, values={"swd": 0.1}))
    (tmp_path / "superseded.yaml").write_text(ENTRY)
    return tmp_path


def _run(*words: str) -> str:
    answer = CliRunner().invoke(app, words, catch_exceptions=False)
    assert answer.exit_code == 0, answer.output
    return answer.stdout


def test_list_and_show_name_superseded_runs(results: Path) -> None:
    listed = json.loads(_run("list", "runs", "--json", "--results", str(results)))
    states = {row["run"].split("-")[0]: row["state"] for row in listed}
    assert states == {"dcgan": "finished", "wgan": "finished (superseded)"}
    shown = json.loads(_run("show", "wgan-chest", "--json", "--results", str(results)))
    assert "a wrong step" in shown["superseded"]
    assert "a wrong step" in shown["metrics"][0]["note"]
    assert shown["metrics"][0]["value"] == "0.1", "it stays readable"


def test_report_marks_them_and_compare_calls_neither_better(results: Path) -> None:
    _run("report", "--results", str(results), "--no-show", "--format", "md", "--format", "html")
    page = (results / "leaderboards/synthesis.md").read_text()
    assert "superseded: 0.1" in page
    assert "a wrong step" in page
    assert "a wrong step" in (results / "leaderboards/index.html").read_text()
    words = ("compare", "dcgan-chest", "wgan-chest", "--json", "--results", str(results))
    (swd,) = json.loads(_run(*words))["metrics"]
    assert swd["best"] == []
    assert "a wrong step" in swd["note"]


def test_an_unknown_run_is_an_error_of_every_command(results: Path) -> None:
    (results / "superseded.yaml").write_text("superseded: [{reason: r, since: '1', runs: [gone]}]")
    for words in (("report",), ("list", "runs"), ("show", "dcgan-chest")):
        with pytest.raises(BenchbedError, match="gone"):
            CliRunner().invoke(app, [*words, "--results", str(results)], catch_exceptions=False)
