"""Status of an active run, readable by other processes until the run ends."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest

from benchbed.config.run_config import RunConfig
from benchbed.runs import status as status_module
from benchbed.runs.planner import plan_run
from benchbed.runs.status import (
    STATUS_FILE,
    RunStatus,
    StatusReporter,
    read_status,
    remove_status,
    track_status,
)
from benchbed.utils.progress import NullReporter, TrainingProgress


def progress(share: float, remaining: float = 3.0) -> TrainingProgress:
    return TrainingProgress(share, 1, 0.1, 1.0, 50.0, remaining)


def test_status_is_read_from_the_run_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(status_module, "WRITE_SECONDS", 0.0)
    assert read_status(tmp_path) is None
    with track_status(tmp_path, NullReporter()) as reporter:
        assert read_status(tmp_path) == RunStatus("starting")
        reporter.report_progress("features", 3, 12)
        assert read_status(tmp_path) == RunStatus("features", 0.25)
        reporter.report_training(progress(0.5))
        assert read_status(tmp_path) == RunStatus("training", 0.5, 50.0, 3.0)
        reporter.report_training(progress(0.0, math.inf))
        assert read_status(tmp_path) == RunStatus("training", 0.0, 50.0, None)
    assert read_status(tmp_path) is None
    assert list(tmp_path.iterdir()) == []


def test_status_is_written_on_a_new_activity_or_after_a_second(tmp_path: Path) -> None:
    reporter = StatusReporter(tmp_path, NullReporter())
    reporter.report_progress("features", 1, 4)
    reporter.report_progress("features", 2, 4)
    assert read_status(tmp_path) == RunStatus("features", 0.25)
    reporter.report_training(progress(0.5))
    assert read_status(tmp_path) == RunStatus("training", 0.5, 50.0, 3.0)


def test_a_damaged_status_is_none_and_can_be_removed(tmp_path: Path) -> None:
    (tmp_path / STATUS_FILE).write_text("{")
    assert read_status(tmp_path) is None
    (tmp_path / STATUS_FILE).write_text('{"of": "another version"}')
    assert read_status(tmp_path) is None
    remove_status(tmp_path)
    remove_status(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_an_unwritable_folder_does_not_stop_the_run(tmp_path: Path) -> None:
    received: list[tuple[Any, ...]] = []

    class Listener(NullReporter):
        def report_progress(self, activity: str, done: int, total: int) -> None:
            received.append((activity, done, total))

    StatusReporter(tmp_path / "gone", Listener()).report_progress("features", 1, 4)
    assert received == [("features", 1, 4)]


@pytest.mark.usefixtures("with_plugin")
def test_a_run_has_a_status_until_it_ends(tmp_path: Path) -> None:
    """Read in a callback of the run, as another process would."""
    from benchbed.results.store import ResultStore
    from benchbed.runs.execute import execute_run

    made = plan_run(
        RunConfig(
            method="tiny-lsgan", dataset="discs", settings={},
            kimg=0.1, size=16, samples=8, metrics=("kl",),
        )
    )  # fmt: skip
    store = ResultStore(tmp_path)
    folder = store.get_run_folder(made.id)
    seen: list[str] = []

    class Listener(NullReporter):
        def report_training(self, progress: TrainingProgress) -> None:
            if (now := read_status(folder)) is not None:
                seen.append(now.activity)

    execute_run(made, store, Listener())
    assert seen[-1] == "training"
    assert not (folder / STATUS_FILE).exists()
