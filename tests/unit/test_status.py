"""Status of an active run, readable by other processes until the run ends."""

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


def test_status_is_read_from_the_run_folder(
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


def test_status_is_written_on_a_new_activity_or_after_a_second(tmp_path: Path) -> None:
    reporter = Told(tmp_path, Silent())
    reporter.counted("features", 1, 4)
    reporter.counted("features", 2, 4)
    assert read_status(tmp_path) == Status("features", 0.25)
    reporter.training(progress(0.5))
    assert read_status(tmp_path) == Status("training", 0.5, 50.0, 3.0)


def test_a_damaged_status_is_none_and_can_be_removed(tmp_path: Path) -> None:
    (tmp_path / NAME).write_text("{")
    assert read_status(tmp_path) is None
    (tmp_path / NAME).write_text('{"of": "another version"}')
    assert read_status(tmp_path) is None
    forget_status(tmp_path)
    forget_status(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_an_unwritable_folder_does_not_stop_the_run(tmp_path: Path) -> None:
    received: list[tuple[Any, ...]] = []

    class Listener(Silent):
        def counted(self, what: str, done: int, total: int) -> None:
            received.append((what, done, total))

    Told(tmp_path / "gone", Listener()).counted("features", 1, 4)
    assert received == [("features", 1, 4)]


@pytest.mark.usefixtures("with_plugin")
def test_a_run_has_a_status_until_it_ends(tmp_path: Path) -> None:
    """Read in a callback of the run, as another process would."""
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
