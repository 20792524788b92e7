"""Crashes: a power cut leaves the old file or the new one, never half of one."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from benchbed.config.run_config import RunConfig
from benchbed.data.cache import ensure_cached
from benchbed.metrics.features.cache import FeatureCache
from benchbed.results.store import ResultStore
from benchbed.runs.execute import execute_run
from benchbed.runs.planner import plan_run
from benchbed.sharing.export import export_run, find_exportable_run
from benchbed.utils.files import write_json


class Disk:
    """What would be there after a power cut, told from the order of the system calls.

    Content is on the disk once its file was synced, a name once the folder that holds it was.

    Attributes:
        named: Every path that took its name by a rename.
        sins: What would be lost, in words.
    """

    def __init__(self, root: Path, patch: pytest.MonkeyPatch) -> None:
        self.root = str(root)
        self.named: list[str] = []
        self.sins: list[str] = []
        self._whole: set[str] = set()
        self._waiting: dict[str, str] = {}
        for name in ("fsync", "rename", "replace", "mkdir"):
            patch.setattr(os, name, self._watched(name, getattr(os, name)))

    def _watched(self, name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **more: Any) -> Any:
            path = arguments[0]
            number = Path(f"/proc/self/fd/{path}")
            place = str(number.readlink() if isinstance(path, int) else path)
            answer = real(*arguments, **more)
            if place.startswith(self.root):
                getattr(self, f"_{name}")(place, *map(str, arguments[1:]))
            return answer

        return call

    def _fsync(self, path: str) -> None:
        self._whole.add(path)
        for child in [c for c in self._waiting if os.path.dirname(c) == path]:  # noqa: PTH120
            del self._waiting[child]

    def _mkdir(self, path: str, *_: str) -> None:
        self._waiting[path] = "a new folder whose name is not on the disk"

    def _replace(self, source: str, target: str) -> None:
        self._whole.discard(target)
        if source not in self._whole:
            self.sins.append(f"{target} took its name before its content was on the disk")
        inside = Path(target)
        if inside.is_dir():
            moved = [source + child[len(target) :] for child in map(str, inside.rglob("*"))]
            self.sins += [f"{child} moved with half of it" for child in {*moved} - self._whole]
        self.named.append(target)
        self._waiting.pop(source, None)
        self._waiting[target] = "a name that is not on the disk"

    _rename = _replace

    def lost(self) -> list[str]:
        """What a power cut now would take away."""
        return self.sins + [f"{path}: {why}" for path, why in self._waiting.items()]


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    """Watches files below the test's folder."""
    with pytest.MonkeyPatch.context() as patch:
        yield Disk(tmp_path, patch)


@pytest.mark.attack(
    promise="Files are written to a temporary name, synced, renamed, and their folder synced.",
    attack="the order of system calls in a run, a report and a suite's caches",
)
def test_nothing_that_lasts_takes_its_name_before_its_content(
    with_plugin: Path,
    tmp_path: Path,
    disk: Disk,
    monkeypatch: pytest.MonkeyPatch,
    tried: Callable[..., None],
) -> None:
    """Checkpoints, state, record, history, pictures, showcase, caches, leaderboards, an export."""
    from typer.testing import CliRunner

    from benchbed.cli import report_command

    monkeypatch.setenv("BENCHBED_CACHE", str(tmp_path / "cache"))
    request = RunConfig(method="tiny-lsgan", dataset="discs", settings={}, kimg=0.08, size=16,
                      samples=8, metrics=("kl",))  # fmt: skip
    store = ResultStore(tmp_path / "results")
    execute_run(plan_run(request), store)
    answer = CliRunner().invoke(report_command.app, ["--results", str(store.root), "--no-show"])
    assert answer.exit_code == 0, answer.output
    export_run(find_exportable_run(store, "tiny-lsgan"), tmp_path / "shared" / "run.zip")
    names = [Path(name) for name in disk.named]
    for part in (
        "last.pt", "run.json", "history.csv", "final.png", "grid.jpg", "curves.csv",
        "synthesis.md", "synthesis.csv", "synthesis.tex", "index.html", "run.zip",
    ):  # fmt: skip
        times = sum(name.name == part for name in names)
        assert times, f"{part} was not watched"
        tried(part, times)
    records = [name for name in names if name.parent.name == "records"]
    prepared = [name for name in names if name.parent.name == "prepared"]
    assert len(records) == len(prepared) == 1
    tried("record")
    tried("prepared images")
    # A lock holds nothing, and how far a run is need not outlive it.
    ignored = ("progress.json", ".progress.json.part")
    assert [line for line in disk.lost() if not any(name in line for name in ignored)] == []


@pytest.mark.attack(
    promise="Files are written to a temporary name, synced, renamed, and their folder synced.",
    attack="the order of system calls where features of an image set are kept",
)
def test_kept_features_are_whole(
    tmp_path: Path, disk: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    from types import SimpleNamespace

    from benchbed.api.metric import ImageSet
    from benchbed.metrics.features import cache

    monkeypatch.setenv("BENCHBED_CACHE", str(tmp_path / "cache"))
    images = ImageSet(np.zeros((3, 1, 8, 8), np.uint8))

    class Network(SimpleNamespace):
        def __call__(self, given: Any, counted: Any) -> Any:
            return np.zeros((len(given), 4), np.float32)

    monkeypatch.setattr(
        cache, "create_extractor", lambda *_: Network(name="none", weights_hash="0")
    )
    FeatureCache(torch.device("cpu"))("none", images)
    assert [Path(name).suffix for name in disk.named] == [".npy"]
    assert disk.lost() == []


@pytest.mark.attack(
    promise="Files are written to a temporary name, synced, renamed, and their folder synced.",
    attack="the watch itself: files and folders that are not synced are found",
)
def test_the_watch_sees_what_is_not_synced(
    tmp_path: Path, disk: Disk, monkeypatch: pytest.MonkeyPatch, tried: Callable[..., None]
) -> None:
    """Else the tests above would prove nothing."""
    (tmp_path / "a.part").write_text("a")
    (tmp_path / "a.part").replace(tmp_path / "a")
    assert len(disk.lost()) == 2
    tried("a file without a sync")
    monkeypatch.setattr("benchbed.utils.files.sync_to_disk", lambda path: None)
    write_json(tmp_path / "new" / "b", 1)
    assert any("b took its name" in line for line in disk.lost())
    assert any("new folder" in line for line in disk.lost())
    tried("a new folder without a sync")
    monkeypatch.setattr("benchbed.data.cache.sync", lambda path: None)
    monkeypatch.setenv("BENCHBED_CACHE", str(tmp_path / "cache"))
    ensure_cached("c", lambda folder: (folder / "x").write_text("x") and None)
    assert any("x moved with half of it" in line for line in disk.lost())
    tried("a folder of the cache without a sync")
