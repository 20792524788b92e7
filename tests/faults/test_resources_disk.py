"""Resources: a disk that is full or read-only costs a sentence, and nothing that was there."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from benchbed.api.metric import ImageSet
from benchbed.data.cache import ensure_cached
from benchbed.metrics.features import cache as cache_module
from benchbed.metrics.features.cache import FeatureCache
from benchbed.training.checkpoint import load_checkpoint, save_checkpoint

RUN = (
    "run", "--method", "tiny-lsgan", "--dataset", "discs", "--size", "16", "--kimg", "0.08",
    "--samples", "8", "--metric", "kl", "--checkpoint-every", "0.001s", "--device", "cpu",
)  # fmt: skip


class Disk:
    """A small file system in memory.

    Attributes:
        path: Where it is.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        path.mkdir()
        self._mount("-t", "tmpfs", "-o", "size=64k", "tmpfs")

    def _mount(self, *words: str) -> None:
        subprocess.run(["mount", *words, str(self.path)], check=True, capture_output=True)

    def again(self, options: str) -> None:
        """Mount it with other options; what it holds stays."""
        self._mount("-o", f"remount,{options}")

    def fill(self, room: int) -> None:
        """Leave so many bytes of room."""
        (self.path / "ballast").unlink(missing_ok=True)
        free = os.statvfs(self.path)
        (self.path / "ballast").write_bytes(bytes(max(0, free.f_bavail * free.f_bsize - room)))

    def free(self) -> None:
        """Give the room back."""
        (self.path / "ballast").unlink()

    def unmount(self) -> None:
        """Take it away."""
        subprocess.run(["umount", str(self.path)], check=True)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    """A disk of 64 KiB; skips where this user may not mount one."""
    try:
        made = Disk(tmp_path / "disk")
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("this user may not mount a small file system")
    yield made
    made.unmount()


class Network:
    """Stands for an extractor, and gives what it was made with."""

    name, weights_hash = "none", "0"

    def __init__(self, features: Any) -> None:
        self.features = features

    def __call__(self, images: Any, counted: Any) -> Any:
        return self.features


def _refused(process: Any, *codes: int) -> str:
    assert process.wait() in codes, process.said()
    said = str(process.said())
    assert "Traceback" not in said
    return said


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.attack(
    promise="A full disk is said in one sentence; the same command goes on where it stood.",
    attack="a results folder on a disk that fills up, at six places of a run",
)
def test_a_disk_that_fills_up_while_a_run_goes_on(
    forker: Any, with_plugin: Path, disk: Disk, tmp_path: Path, tried: Callable[..., None]
) -> None:
    """The last whole checkpoint stays, and the end is that of a run that was never disturbed."""
    assert forker.start(*RUN, BENCHBED_RESULTS=str(tmp_path / "plain")).wait() == 0
    (expected,) = (tmp_path / "plain").glob("records/*.json")
    (weights,) = (tmp_path / "plain").glob("runs/*/checkpoints/last.pt")
    disk.again("size=64m")
    for room in (0, 8_000, 60_000, 120_000, 200_000, 300_000):
        results = disk.path / "results"
        shutil.rmtree(results, ignore_errors=True)
        disk.fill(room)
        said = _refused(forker.start(*RUN, BENCHBED_RESULTS=str(results)), 1, 2)
        assert "No space left on device" in said
        assert str(results) in said
        for checkpoint in results.glob("runs/*/checkpoints/last.pt"):
            load_checkpoint(checkpoint, "tiny-lsgan")
        assert not list(results.rglob("*.part"))
        assert not list(results.glob("records/*"))
        disk.free()
        process = forker.start(*RUN, BENCHBED_RESULTS=str(results))
        assert process.wait() == 0, process.said()
        (record,) = results.glob("records/*.json")
        metrics = [json.loads(path.read_text())["metrics"] for path in (record, expected)]
        assert metrics[0] == metrics[1]
        (resumed,) = results.glob("runs/*/checkpoints/last.pt")
        states = [load_checkpoint(path, "tiny-lsgan")["state"] for path in (resumed, weights)]
        assert str(states[0]) == str(states[1])
        tried(f"{room // 1000} kB of room")


@pytest.mark.attack(
    promise="A full disk is said in one sentence; the same command goes on where it stood.",
    attack="a cache on a full disk, while images are prepared",
)
def test_a_disk_that_is_full_while_images_are_prepared(
    forker: Any, with_plugin: Path, disk: Disk
) -> None:
    """A write to a memory map would have killed the process with SIGBUS."""
    disk.fill(4096)
    process = forker.start(*RUN, BENCHBED_CACHE=str(disk.path))
    said = _refused(process, 1)
    assert "No space left on device" in said
    assert "prepared" in said
    assert not list(disk.path.rglob("*.npy"))
    disk.again("size=4m")
    assert forker.start(*RUN, BENCHBED_CACHE=str(disk.path)).wait() == 0


@pytest.mark.attack(
    promise="A full disk is said in one sentence; the same command goes on where it stood.",
    attack="a report on a full disk",
)
def test_a_disk_that_is_full_while_a_report_is_written(
    forker: Any, with_plugin: Path, disk: Disk
) -> None:
    assert forker.start(*RUN).wait() == 0
    disk.fill(12_288)
    words = ("report", "--out", str(disk.path / "out"), "--no-show")
    said = _refused(forker.start(*words), 1)
    assert "No space left on device" in said
    assert str(disk.path / "out") in said
    assert not list(disk.path.rglob("*.part"))
    disk.free()
    disk.again("size=16m")
    assert forker.start(*words).wait() == 0


@pytest.mark.attack(
    promise="An older file is whole until the new one is.",
    attack="a full disk under a checkpoint, a folder of the cache, and kept features",
)
def test_what_was_there_stays_when_the_new_does_not_fit(disk: Disk, tmp_path: Path) -> None:
    path = disk.path / "last.pt"
    save_checkpoint(path, "tiny-lsgan", "run", {"weights": torch.arange(10), "state": {"steps": 1}})
    with pytest.raises(OSError, match="No space left on device") as caught:
        save_checkpoint(path, "tiny-lsgan", "run", {"weights": torch.zeros(100_000)})
    assert caught.value.filename == str(path)
    assert torch.equal(load_checkpoint(path, "tiny-lsgan")["weights"], torch.arange(10))
    assert [p.name for p in disk.path.iterdir()] == ["last.pt"]

    def build(folder: Path) -> None:
        (folder / "image.npy").write_bytes(bytes(800_000))

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BENCHBED_CACHE", str(disk.path / "cache"))
        with pytest.raises(OSError, match="No space left on device"):
            ensure_cached("discs-0", build)
        assert not [p for p in (disk.path / "cache/prepared").iterdir() if p.suffix != ".lock"]
        features = Network(np.zeros((40_000, 4), np.float32))
        patch.setattr(cache_module, "create_extractor", lambda *_: features)
        with pytest.raises(OSError, match="No space left on device") as caught:
            FeatureCache(torch.device("cpu"))("none", ImageSet(np.zeros((3, 1, 8, 8), np.uint8)))
        assert str(caught.value.filename).endswith(".npy")


@pytest.mark.attack(
    promise="A folder that cannot be written to is refused in one sentence; reading goes on.",
    attack="run, suite, report, import and sample on a read-only results folder",
)
def test_a_read_only_results_folder(
    forker: Any, with_plugin: Path, disk: Disk, tmp_path: Path, tried: Callable[..., None]
) -> None:
    disk.again("size=16m")
    results = str(disk.path / "results")
    assert forker.start(*RUN, BENCHBED_RESULTS=results).wait() == 0
    (run,) = [path.stem for path in (disk.path / "results/records").iterdir()]
    archive = str(tmp_path / "run.zip")
    assert forker.start("export", run, "--out", archive, BENCHBED_RESULTS=results).wait() == 0
    disk.again("ro")
    writes = (
        (*RUN, "--seed", "1"),
        (*RUN, "--force"),
        ("suite", "guibas-kl", "--source", "phantom"),
        ("report",),
        ("report", "--out", str(disk.path / "out")),
        ("sample", run, "-n", "2", "--out", str(disk.path / "samples")),
        ("export", run, "--out", str(disk.path / "run.zip")),
        ("import", archive, "--results", str(disk.path / "others")),
    )
    for words in writes:
        said = _refused(forker.start(*words, BENCHBED_RESULTS=results), 2)
        assert "cannot be written" in said, said
        assert str(disk.path) in said
        tried(words[0])
    reads = (("list", "runs"), ("show", run), RUN, ("runs", "prune"))
    for words in reads:
        process = forker.start(*words, BENCHBED_RESULTS=results)
        assert process.wait() in (0, 2), process.said()
        assert "Traceback" not in process.said()
        tried(f"{words[0]} (reads)")
    disk.again("rw")


@pytest.mark.attack(
    promise="A folder that cannot be written to is refused in one sentence; reading goes on.",
    attack="verify, run, report and evaluate with a read-only cache, empty and filled",
)
def test_a_read_only_cache(
    forker: Any, with_plugin: Path, disk: Disk, tmp_path: Path, tried: Callable[..., None]
) -> None:
    """What need not be kept is not, and it is said; what was prepared before is used."""
    disk.again("size=16m")
    rng = np.random.default_rng(0)
    (tmp_path / "mine").mkdir()
    for number in range(6):
        pixels = rng.integers(0, 256, (24, 24, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / f"mine/{number}.png")
    mine = str(tmp_path / "mine")
    verify = ("data", "verify", f"folder:{mine}")
    evaluate = ("evaluate", "--real", mine, "--fake", mine, "--metric", "kl")

    def start(*words: str) -> Any:
        cache, results = str(disk.path / "cache"), str(tmp_path / "results")
        return forker.start(*words, BENCHBED_CACHE=cache, BENCHBED_RESULTS=results)

    disk.again("ro")
    process = start(*verify)
    assert process.wait() == 0, process.said()
    assert process.said().count("cannot be kept in") == 1
    assert "$BENCHBED_CACHE" in process.said()
    tried("verify, empty")
    for words in (RUN, evaluate):
        said = _refused(start(*words), 2)
        assert f"{disk.path}/cache/prepared cannot be written to" in said
        assert "name another with $BENCHBED_CACHE" in said
        tried(f"{words[0]}, empty")
    disk.again("rw")
    for words in (verify, RUN, evaluate):
        assert start(*words).wait() == 0
    disk.again("ro")
    for words in (verify, (*RUN, "--force"), ("report", "--no-show"), evaluate):
        process = start(*words)
        assert process.wait() == 0, process.said()
        assert "cannot be" not in process.said()
        tried(f"{words[0]}, filled")
    disk.again("rw")
