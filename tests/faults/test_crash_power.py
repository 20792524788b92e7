"""Crashes: after a power cut, files are old or new, never partly written."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from benchbed.config.run_config import RunConfig
from benchbed.data.cache import load_cached
from benchbed.metrics.features.cache import FeatureCache
from benchbed.results.store import ResultStore
from benchbed.runs.execute import execute_run
from benchbed.runs.planner import plan_run
from benchbed.sharing.export import export_run, find_exportable_run
from benchbed.utils.files import write_json


class Disk:
    """Model of a disk after a power cut, derived from the order of system calls.

    Content is on the disk after a sync of its file, and a name after a sync of its folder.

    Attributes:
        renamed: Every path that was created by a rename.
        errors: Descriptions of what would be lost.
    """

    def __init__(self, root: Path, patch: pytest.MonkeyPatch) -> None:
        self.root = str(root)
        self.renamed: list[str] = []
        self.errors: list[str] = []
        self._synced: set[str] = set()
        self._unsynced: dict[str, str] = {}
        for name in ("fsync", "rename", "replace", "mkdir"):
            patch.setattr(os, name, self._wrap(name, getattr(os, name)))

    def _wrap(self, name: str, original: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **more: Any) -> Any:
            path = arguments[0]
            number = Path(f"/proc/self/fd/{path}")
            place = str(number.readlink() if isinstance(path, int) else path)
            result = original(*arguments, **more)
            if place.startswith(self.root):
                getattr(self, f"_{name}")(place, *map(str, arguments[1:]))
            return result

        return call

    def _fsync(self, path: str) -> None:
        self._synced.add(path)
        for child in [c for c in self._unsynced if os.path.dirname(c) == path]:  # noqa: PTH120
            del self._unsynced[child]

    def _mkdir(self, path: str, *_: str) -> None:
        self._unsynced[path] = "a new folder without a sync"

    def _replace(self, source: str, target: str) -> None:
        self._synced.discard(target)
        if source not in self._synced:
            self.errors.append(f"{target} was renamed before its content was synced")
        inside = Path(target)
        if inside.is_dir():
            moved = [source + child[len(target) :] for child in map(str, inside.rglob("*"))]
            self.errors += [f"{child} was moved before a sync" for child in {*moved} - self._synced]
        self.renamed.append(target)
        self._unsynced.pop(source, None)
        self._unsynced[target] = "a name without a sync"

    _rename = _replace

    def lost_content(self) -> list[str]:
        """Return what a power cut would lose now."""
        return self.errors + [f"{path}: {why}" for path, why in self._unsynced.items()]


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    """Watches the files in the test's folder."""
    with pytest.MonkeyPatch.context() as patch:
        yield Disk(tmp_path, patch)


@pytest.mark.attack(
    guarantee="Files are written to a temporary name, synced and renamed; their folder is synced.",
    attack="order of system calls in a run, a report and their caches",
)
def test_files_are_synced_before_they_are_renamed(
    with_plugin: Path,
    tmp_path: Path,
    disk: Disk,
    monkeypatch: pytest.MonkeyPatch,
    count_attempt: Callable[..., None],
) -> None:
    """Covers checkpoints, state, record, images, showcase, caches, leaderboards and an export."""
    from typer.testing import CliRunner

    from benchbed.cli import report_command

    monkeypatch.setenv("BENCHBED_CACHE", str(tmp_path / "cache"))
    request = RunConfig(method="tiny-lsgan", dataset="discs", settings={}, kimg=0.08, size=16,
                      samples=8, metrics=("kl",))  # fmt: skip
    store = ResultStore(tmp_path / "results")
    execute_run(plan_run(request), store)
    result = CliRunner().invoke(report_command.app, ["--results", str(store.root), "--no-show"])
    assert result.exit_code == 0, result.output
    export_run(find_exportable_run(store, "tiny-lsgan"), tmp_path / "shared" / "run.zip")
    paths = [Path(name) for name in disk.renamed]
    for part in (
        "last.pt", "run.json", "history.csv", "final.png", "grid.jpg", "curves.csv",
        "synthesis.md", "synthesis.csv", "synthesis.tex", "index.html", "run.zip",
    ):  # fmt: skip
        count = sum(name.name == part for name in paths)
        assert count, f"{part} was not watched"
        count_attempt(part, count)
    records = [name for name in paths if name.parent.name == "records"]
    prepared = [name for name in paths if name.parent.name == "prepared"]
    assert len(records) == len(prepared) == 1
    count_attempt("record")
    count_attempt("prepared images")
    # The progress of a run may be lost.
    ignored = ("progress.json", ".progress.json.part")
    assert [line for line in disk.lost_content() if not any(name in line for name in ignored)] == []


@pytest.mark.attack(
    guarantee="Files are written to a temporary name, synced and renamed; their folder is synced.",
    attack="order of system calls while features of an image set are cached",
)
def test_cached_features_are_synced(
    tmp_path: Path, disk: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    from types import SimpleNamespace

    from benchbed.api.metric import ImageSet
    from benchbed.metrics.features import cache

    monkeypatch.setenv("BENCHBED_CACHE", str(tmp_path / "cache"))
    images = ImageSet(np.zeros((3, 1, 8, 8), np.uint8))

    class Network(SimpleNamespace):
        def __call__(self, given: Any, progress: Any) -> Any:
            return np.zeros((len(given), 4), np.float32)

    monkeypatch.setattr(
        cache, "create_extractor", lambda *_: Network(name="none", weights_hash="0")
    )
    FeatureCache(torch.device("cpu"))("none", images)
    assert [Path(name).suffix for name in disk.renamed] == [".npy"]
    assert disk.lost_content() == []


@pytest.mark.attack(
    guarantee="Files are written to a temporary name, synced and renamed; their folder is synced.",
    attack="the check itself: it detects files and folders without a sync",
)
def test_missing_syncs_are_detected(
    tmp_path: Path, disk: Disk, monkeypatch: pytest.MonkeyPatch, count_attempt: Callable[..., None]
) -> None:
    """Without this, the tests above would prove nothing."""
    (tmp_path / "a.part").write_text("a")
    (tmp_path / "a.part").replace(tmp_path / "a")
    assert len(disk.lost_content()) == 2
    count_attempt("file without a sync")
    monkeypatch.setattr("benchbed.utils.files.sync_to_disk", lambda path: None)
    write_json(tmp_path / "new" / "b", 1)
    assert any("b was renamed" in line for line in disk.lost_content())
    assert any("new folder" in line for line in disk.lost_content())
    count_attempt("new folder without a sync")
    monkeypatch.setattr("benchbed.data.cache.sync_to_disk", lambda path: None)
    monkeypatch.setenv("BENCHBED_CACHE", str(tmp_path / "cache"))
    load_cached("c", lambda folder: (folder / "x").write_text("x") and None, lambda folder: folder)
    assert any("x was moved" in line for line in disk.lost_content())
    count_attempt("cache folder without a sync")
