"""What `prune` removes from run folders, and what it keeps."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchbed.results.prune import FolderUsage, PruneOptions, measure_folders, prune_run
from benchbed.results.store import ResultStore

EVERYTHING = PruneOptions(includes_weights=True, includes_failed=True)
WEIGHTS_BYTES = 1000


@pytest.fixture
def store(tmp_path: Path) -> ResultStore:
    return ResultStore(tmp_path / "results")


def _run(
    store: ResultStore, name: str, state: str, *, recorded: bool = False, days: float = 0
) -> Path:
    """Create a run folder with weights, an older checkpoint, a partial file and a picture."""
    folder = store.get_run_folder(name)
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
        store.get_record_path(name).write_text("{}")
    then = time.time() - days * 86400
    for path in folder.rglob("*"):
        os.utime(path, (then, then))
    return folder


def _files(folder: Path) -> set[str]:
    return {str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file()} - {".lock"}


def _prune(store: ResultStore, wanted: PruneOptions) -> int:
    return sum(prune_run(store, holding, wanted) for holding in measure_folders(store))


def _one(store: ResultStore) -> FolderUsage:
    (holding,) = measure_folders(store)
    return holding


@pytest.mark.parametrize("state", ["finished", "diverged"])
def test_weights_of_a_finished_run_stay_without_the_option(store: ResultStore, state: str) -> None:
    folder = _run(store, "a", state, recorded=True)
    assert _one(store).plan_removal(PruneOptions())[:2] == ("leftovers", 520)
    assert _prune(store, PruneOptions()) == 520
    assert _files(folder) == {"run.json", "checkpoints/last.pt", "samples/final.png"}
    assert _prune(store, PruneOptions()) == 0
    assert _prune(store, PruneOptions(includes_weights=True)) == WEIGHTS_BYTES
    assert _files(folder) == {"run.json", "samples/final.png"}
    assert store.get_record_path("a").exists()


def test_weights_without_a_record_stay(store: ResultStore) -> None:
    folder = _run(store, "a", "finished")
    what, _, reason = _one(store).plan_removal(EVERYTHING)
    assert what == "leftovers"
    assert "record" in reason
    _prune(store, EVERYTHING)
    assert "checkpoints/last.pt" in _files(folder)


@pytest.mark.parametrize("state", ["failed", "interrupted", "running", "pending"])
def test_the_folder_of_a_failed_run_is_removed_only_with_the_option(
    store: ResultStore, state: str
) -> None:
    folder = _run(store, "a", state, recorded=True)
    before = _files(folder)
    assert _prune(store, PruneOptions(includes_weights=True)) == 0
    assert _files(folder) == before
    total = _one(store).total_bytes
    assert _prune(store, PruneOptions(includes_failed=True)) == total > 1820
    assert not folder.exists()
    assert store.get_record_path("a").read_text() == "{}"


@pytest.mark.parametrize(("days", "removed"), [(6.9, False), (7.1, True), (-3, False)])
def test_only_old_folders_are_removed(store: ResultStore, days: float, removed: bool) -> None:
    """A folder with a date in the future, after a clock change, is not old."""
    folder = _run(store, "a", "failed", days=days)
    _prune(store, PruneOptions(includes_failed=True, min_age_seconds=7 * 86400))
    assert folder.exists() is not removed


@pytest.fixture
def holder(store: ResultStore) -> Iterator[subprocess.Popen[str]]:
    """Another process that holds the lock of the run ``a``."""
    folder = _run(store, "a", "running")
    code = (
        "import sys\nfrom pathlib import Path\nfrom benchbed.results.store import ResultStore\n"
        "with ResultStore(Path(sys.argv[1])).lock_run('a'):\n"
        "    print('held', flush=True)\n    input()"
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


def test_an_active_run_is_not_changed(store: ResultStore, holder: subprocess.Popen[str]) -> None:
    before = _files(store.get_run_folder("a"))
    what, size, reason = _one(store).plan_removal(EVERYTHING)
    assert (what, size) == ("nothing", 0)
    assert reason
    assert "run.json" not in reason
    outdated = FolderUsage("a", "failed", False, 1e9, 1820, 1500, WEIGHTS_BYTES, 520)
    assert prune_run(store, outdated, EVERYTHING) == 0
    assert _files(store.get_run_folder("a")) == before
    holder.kill()
    holder.wait()
    assert _one(store).state == "killed"
    assert _prune(store, EVERYTHING) > 0


def test_a_run_that_finished_after_the_survey_keeps_its_weights(store: ResultStore) -> None:
    folder = _run(store, "a", "interrupted")
    before = _one(store)
    _run(store, "a", "finished", recorded=True)
    prune_run(store, before, PruneOptions(includes_failed=True))
    assert "checkpoints/last.pt" in _files(folder)


@pytest.mark.parametrize(
    "content", [None, "", "[]", "{}", '{"state": 3}', "[" * 9999, '{"state": "odd"}']
)
def test_a_folder_without_a_valid_run_file_is_not_changed(
    store: ResultStore, content: str | None
) -> None:
    folder = _run(store, "a", "failed")
    (folder / "run.json").unlink()
    if content is not None:
        (folder / "run.json").write_text(content)
    before = _files(folder)
    what, size, reason = _one(store).plan_removal(EVERYTHING)
    assert (what, size) == ("nothing", 0)
    assert "run.json" in reason
    assert _prune(store, EVERYTHING) == 0
    assert _files(folder) == before


def test_links_are_not_followed(store: ResultStore, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "precious.txt").write_text("mine")
    folder = _run(store, "a", "failed")
    (folder / "link").symlink_to(outside)
    linked = _run(store, "b", "failed")
    linked.rename(tmp_path / "elsewhere")
    linked.symlink_to(tmp_path / "elsewhere")
    states = {
        holding.run: holding.plan_removal(EVERYTHING)[0] for holding in measure_folders(store)
    }
    assert states == {"a": "folder", "b": "nothing"}
    _prune(store, EVERYTHING)
    assert not folder.exists()
    assert (outside / "precious.txt").read_text() == "mine"
    assert (tmp_path / "elsewhere/run.json").exists()


def test_a_survey_changes_nothing(store: ResultStore) -> None:
    folder = _run(store, "a", "failed")
    before = sorted(path.name for path in folder.rglob("*"))
    measure_folders(store)
    assert sorted(path.name for path in folder.rglob("*")) == before


@pytest.mark.parametrize("access", range(1, 6))
def test_a_file_removed_during_a_survey_is_not_an_error(
    store: ResultStore, monkeypatch: pytest.MonkeyPatch, access: int
) -> None:
    """An active run renames its partial files."""
    folder = _run(store, "a", "finished")
    accesses, lstat = 0, Path.lstat

    def vanishing(self: Path) -> os.stat_result:
        nonlocal accesses
        if self.suffix == ".part":
            accesses += 1
            if accesses == access:
                self.unlink()
        return lstat(self)

    monkeypatch.setattr(Path, "lstat", vanishing)
    assert _one(store).leftover_bytes == (500 if access == 1 else 520)
    monkeypatch.undo()
    assert "checkpoints/last.pt" in _files(folder)


def test_a_missing_folder_is_not_an_error(store: ResultStore) -> None:
    assert measure_folders(store) == []


def test_a_partly_removed_folder_is_removed_by_the_next_call(store: ResultStore) -> None:
    folder = _run(store, "a", "failed")
    (folder / "checkpoints/last.pt").unlink()
    (folder / "samples/final.png").unlink()
    assert _one(store).plan_removal(PruneOptions(includes_failed=True))[0] == "folder"
    _prune(store, PruneOptions(includes_failed=True))
    assert not folder.exists()
