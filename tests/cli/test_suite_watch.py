"""Progress of a running suite: a table on a terminal, lines elsewhere."""

from __future__ import annotations

import io
import json
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from rich.console import Console

from benchbed.cli import suite_progress
from benchbed.cli.suite_progress import ProgressTable
from benchbed.results.store import ResultStore
from benchbed.runs.status import STATUS_FILE
from benchbed.suites.executors.base import FinishedRun

CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\r")
"""Escape sequences that move the cursor of a terminal."""


def member(name: str) -> Any:
    return SimpleNamespace(plan=SimpleNamespace(id=name))


@pytest.fixture
def store(tmp_path: Path) -> ResultStore:
    """A results folder in which one run is training."""
    store = ResultStore(tmp_path)
    folder = store.get_run_folder("first-run")
    folder.mkdir(parents=True)
    status = {"doing": "training", "share": 0.42, "images_per_second": 55.4, "remaining": 130.0}
    (folder / STATUS_FILE).write_text(json.dumps(status))
    return store


def make_watch(
    store: ResultStore, *, terminal: bool, height: int = 30
) -> tuple[ProgressTable, io.StringIO]:
    text = io.StringIO()
    console = Console(
        file=text, force_terminal=terminal, width=100, height=height, color_system=None
    )
    return ProgressTable(store, 5, console), text


def test_a_terminal_shows_state_progress_speed_and_time_left(store: ResultStore) -> None:
    watch, text = make_watch(store, terminal=True)
    with watch:
        watch.show_progress([member("first-run"), member("second-run")], [member("third-run")])
    lines = [line.split() for line in CONTROL.sub("", text.getvalue()).splitlines()]
    assert ["run", "state", "progress", "images/s", "left"] in lines
    assert ["first-run", "training", "42%", "55", "2", "min", "10", "s"] in lines
    assert ["second-run", "waiting"] in lines
    assert ["third-run", "waiting"] in lines
    assert re.search(r"\b0 of 5\b.*\b1\b.*\b2\b", text.getvalue())


def test_a_long_queue_is_cut_to_the_terminal_height_but_counted(store: ResultStore) -> None:
    watch, text = make_watch(store, terminal=True, height=10)
    with watch:
        watch.show_progress([member("first-run")], [member(f"queued-{n}") for n in range(40)])
    assert "first-run" in text.getvalue()
    printed = {word for word in text.getvalue().split() if word.startswith("queued-")}
    assert len(printed) == 10 - suite_progress.RESERVED_LINES - 1
    assert re.search(r"\b0 of 5\b.*\b1\b.*\b40\b", text.getvalue())


def test_without_a_terminal_a_line_is_printed_at_intervals(
    store: ResultStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    watch, text = make_watch(store, terminal=False)
    with watch:
        watch.show_progress([member("first-run"), member("second-run")], [])
        assert text.getvalue() == ""
        monkeypatch.setattr(suite_progress, "LOG_INTERVAL_SECONDS", 0.0)
        watch.show_progress([member("first-run"), member("second-run")], [])
    assert text.getvalue() == "first-run: training 42%, 55 images/s, 2 min 10 s left\n"


@pytest.mark.parametrize("terminal", [True, False])
def test_an_ended_run_prints_a_line_and_a_failed_run_its_error(
    terminal: bool, store: ResultStore
) -> None:
    watch, text = make_watch(store, terminal=terminal)
    with watch:
        watch.report_finished(FinishedRun(member("first-run"), "finished", "not printed"))
        watch.report_finished(
            FinishedRun(member("second-run"), "broken", "a traceback\nof two lines")
        )
    plain = CONTROL.sub("", text.getvalue())
    assert [line.rstrip() for line in plain.splitlines() if line.strip()] == [
        "[1 of 5] first-run: finished",
        "[2 of 5] second-run: broken",
        "a traceback",
        "of two lines",
    ]
