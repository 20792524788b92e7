"""What is freed of the folders of runs, and what never is."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchbed.runs.prune import Holding, Wanted, free, survey
from benchbed.runs.store import Store

EVERYTHING = Wanted(weights=True, failed=True)
WEIGHTS_BYTES = 1000


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "results")


def _run(store: Store, name: str, state: str, *, recorded: bool = False, days: float = 0) -> Path:
    """A run's folder with weights, another checkpoint, a half-written file and a picture."""
    folder = store.run_folder(name)
    for path, size in (
        ("checkpoints/last.pt", WEIGHTS_BYTES),
        ("checkpoints/older.pt", 500),
        (".log.txt.abc.part", 20),
        ("samples/final.png", 300),
    ):
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(bytes(size))
    (folder / "run.json").write_text(json.dumps({"state": state}))
    if recorded:
        store.records_folder.mkdir(parents=True, exist_ok=True)
        store.record_path(name).write_text("{}")
    then = time.time() - days * 86400
    for path in folder.rglob("*"):
        os.utime(path, (then, then))
    return folder


def _files(folder: Path) -> set[str]:
    return {str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file()} - {".lock"}


def _prune(store: Store, wanted: Wanted) -> int:
    return sum(free(store, holding, wanted) for holding in survey(store))


def _one(store: Store) -> Holding:
    (holding,) = survey(store)
    return holding


@pytest.mark.parametrize("state", ["finished", "diverged"])
def test_of_a_finished_run_the_weights_stay_unless_named(store: Store, state: str) -> None:
    folder = _run(store, "a", state, recorded=True)
    assert _one(store).goes(Wanted())[:2] == ("leftovers", 520)
    assert _prune(store, Wanted()) == 520
    assert _files(folder) == {"run.json", "checkpoints/last.pt", "samples/final.png"}
    assert _prune(store, Wanted()) == 0
    assert _prune(store, Wanted(weights=True)) == WEIGHTS_BYTES
    assert _files(folder) == {"run.json", "samples/final.png"}
    assert store.record_path("a").exists()


def test_weights_without_a_record_stay(store: Store) -> None:
    folder = _run(store, "a", "finished")
    assert _one(store).goes(EVERYTHING)[2] == "no record, so its weights are all there is"
    _prune(store, EVERYTHING)
    assert "checkpoints/last.pt" in _files(folder)


@pytest.mark.parametrize("state", ["failed", "interrupted", "running", "pending"])
def test_the_folder_of_a_broken_run_goes_only_when_asked(store: Store, state: str) -> None:
    folder = _run(store, "a", state, recorded=True)
    before = _files(folder)
    assert _prune(store, Wanted(weights=True)) == 0
    assert _files(folder) == before
    total = _one(store).total
    assert _prune(store, Wanted(failed=True)) == total > 1820
    assert not folder.exists()
    assert store.record_path("a").read_text() == "{}"


@pytest.mark.parametrize(("days", "goes"), [(6.9, False), (7.1, True), (-3, False)])
def test_only_what_is_old_enough_goes(store: Store, days: float, goes: bool) -> None:
    """A clock that was moved makes a folder of the future, which is no old one."""
    folder = _run(store, "a", "failed", days=days)
    _prune(store, Wanted(failed=True, older_than=7 * 86400))
    assert folder.exists() is not goes


@pytest.fixture
def holder(store: Store) -> Iterator[subprocess.Popen[str]]:
    """Another process that is at work on the run ``a``."""
    folder = _run(store, "a", "running")
    code = (
        "import sys\nfrom pathlib import Path\nfrom benchbed.runs.store import Store\n"
        "with Store(Path(sys.argv[1])).locked('a'):\n    print('held', flush=True)\n    input()"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code, str(store.root)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    assert folder.exists()
    yield process
    process.kill()
    process.communicate()


def test_a_run_at_work_is_left_alone(store: Store, holder: subprocess.Popen[str]) -> None:
    before = _files(store.run_folder("a"))
    assert _one(store).goes(EVERYTHING) == ("nothing", 0, "at work")
    unsuspecting = Holding("a", "failed", False, 1e9, 1820, 1500, WEIGHTS_BYTES, 520)
    assert free(store, unsuspecting, EVERYTHING) == 0
    assert _files(store.run_folder("a")) == before
    holder.kill()
    holder.wait()
    assert _one(store).state == "killed"
    assert _prune(store, EVERYTHING) > 0


def test_a_run_that_was_finished_since_it_was_looked_at_keeps_its_weights(store: Store) -> None:
    folder = _run(store, "a", "interrupted")
    seen = _one(store)
    _run(store, "a", "finished", recorded=True)
    free(store, seen, Wanted(failed=True))
    assert "checkpoints/last.pt" in _files(folder)


@pytest.mark.parametrize(
    "content", [None, "", "[]", "{}", '{"state": 3}', "[" * 9999, '{"state": "odd"}']
)
def test_a_folder_that_is_no_run_is_left_alone(store: Store, content: str | None) -> None:
    folder = _run(store, "a", "failed")
    (folder / "run.json").unlink()
    if content is not None:
        (folder / "run.json").write_text(content)
    before = _files(folder)
    assert _one(store).goes(EVERYTHING) == ("nothing", 0, "no run.json that can be read")
    assert _prune(store, EVERYTHING) == 0
    assert _files(folder) == before


def test_links_are_not_followed(store: Store, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "precious.txt").write_text("mine")
    folder = _run(store, "a", "failed")
    (folder / "link").symlink_to(outside)
    linked = _run(store, "b", "failed")
    linked.rename(tmp_path / "elsewhere")
    linked.symlink_to(tmp_path / "elsewhere")
    states = {holding.run: holding.goes(EVERYTHING)[0] for holding in survey(store)}
    assert states == {"a": "folder", "b": "nothing"}
    _prune(store, EVERYTHING)
    assert not folder.exists()
    assert (outside / "precious.txt").read_text() == "mine"
    assert (tmp_path / "elsewhere/run.json").exists()


def test_looking_changes_nothing(store: Store) -> None:
    folder = _run(store, "a", "failed")
    before = sorted(path.name for path in folder.rglob("*"))
    survey(store)
    assert sorted(path.name for path in folder.rglob("*")) == before


@pytest.mark.parametrize("look", range(1, 6))
def test_a_file_that_is_gone_between_two_looks_is_no_error(
    store: Store, monkeypatch: pytest.MonkeyPatch, look: int
) -> None:
    """A run that goes on gives what it has written its name."""
    folder = _run(store, "a", "finished")
    looks, lstat = 0, Path.lstat

    def vanishing(self: Path) -> os.stat_result:
        nonlocal looks
        if self.suffix == ".part":
            looks += 1
            if looks == look:
                self.unlink()
        return lstat(self)

    monkeypatch.setattr(Path, "lstat", vanishing)
    assert _one(store).leftovers == (500 if look == 1 else 520)
    monkeypatch.undo()
    assert "checkpoints/last.pt" in _files(folder)


def test_no_folder_is_no_error(store: Store) -> None:
    assert survey(store) == []


def test_a_folder_that_was_half_removed_goes_the_next_time(store: Store) -> None:
    folder = _run(store, "a", "failed")
    (folder / "checkpoints/last.pt").unlink()
    (folder / "samples/final.png").unlink()
    assert _one(store).goes(Wanted(failed=True))[0] == "folder"
    _prune(store, Wanted(failed=True))
    assert not folder.exists()
