"""Where a run stands, told from outside its process while it goes on, and not a moment longer."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest

from benchbed.runs import status as status_module
from benchbed.runs.plan import plan
from benchbed.runs.request import Request
from benchbed.runs.status import NAME, Status, Told, forget_status, read_status, told
from benchbed.training.events import Progress, Silent


def progress(share: float, remaining: float = 3.0) -> Progress:
    return Progress(share, 1, 0.1, 1.0, 50.0, remaining)


def test_what_a_run_reports_can_be_read_from_its_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(status_module, "WRITE_SECONDS", 0.0)
    assert read_status(tmp_path) is None
    with told(tmp_path, Silent()) as reporter:
        assert read_status(tmp_path) == Status("starting")
        reporter.counted("features", 3, 12)
        assert read_status(tmp_path) == Status("features", 0.25)
        reporter.training(progress(0.5))
        assert read_status(tmp_path) == Status("training", 0.5, 50.0, 3.0)
        reporter.training(progress(0.0, math.inf))
        assert read_status(tmp_path) == Status("training", 0.0, 50.0, None)
    assert read_status(tmp_path) is None
    assert list(tmp_path.iterdir()) == []


def test_the_file_is_written_when_the_work_changes_or_a_second_has_passed(tmp_path: Path) -> None:
    reporter = Told(tmp_path, Silent())
    reporter.counted("features", 1, 4)
    reporter.counted("features", 2, 4)
    assert read_status(tmp_path) == Status("features", 0.25)
    reporter.training(progress(0.5))
    assert read_status(tmp_path) == Status("training", 0.5, 50.0, 3.0)


def test_what_a_killed_run_left_is_forgotten_and_a_damaged_file_is_none(tmp_path: Path) -> None:
    (tmp_path / NAME).write_text("{")
    assert read_status(tmp_path) is None
    (tmp_path / NAME).write_text('{"of": "another version"}')
    assert read_status(tmp_path) is None
    forget_status(tmp_path)
    forget_status(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_written_to_ends_no_run(tmp_path: Path) -> None:
    heard: list[tuple[Any, ...]] = []

    class Listener(Silent):
        def counted(self, what: str, done: int, total: int) -> None:
            heard.append((what, done, total))

    Told(tmp_path / "gone", Listener()).counted("features", 1, 4)
    assert heard == [("features", 1, 4)]


@pytest.mark.usefixtures("with_plugin")
def test_a_run_tells_where_it_stands_until_it_is_over(tmp_path: Path) -> None:
    """Read by a listener of the run itself, as another process would."""
    from benchbed.runs.runner import carry_out
    from benchbed.runs.store import Store

    made = plan(
        Request(
            method="tiny-lsgan", dataset="discs", settings={},
            kimg=0.1, size=16, samples=8, metrics=("kl",),
        )
    )  # fmt: skip
    store = Store(tmp_path)
    folder = store.run_folder(made.id)
    seen: list[str] = []

    class Listener(Silent):
        def training(self, progress: Progress) -> None:
            if (now := read_status(folder)) is not None:
                seen.append(now.doing)

    carry_out(made, store, Listener())
    assert seen[-1] == "training"
    assert not (folder / NAME).exists()
