"""Resources: full and read-only disks."""

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
from benchbed.data.cache import load_cached
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
        path: Mount point.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        path.mkdir()
        self._mount("-t", "tmpfs", "-o", "size=64k", "tmpfs")

    def _mount(self, *arguments: str) -> None:
        subprocess.run(["mount", *arguments, str(self.path)], check=True, capture_output=True)

    def remount(self, options: str) -> None:
        """Remount it with other options."""
        self._mount("-o", f"remount,{options}")

    def fill(self, free_bytes: int) -> None:
        """Fill the disk except for this number of bytes."""
        (self.path / "ballast").unlink(missing_ok=True)
        free = os.statvfs(self.path)
        (self.path / "ballast").write_bytes(
            bytes(max(0, free.f_bavail * free.f_bsize - free_bytes))
        )

    def free(self) -> None:
        """Undo `fill`."""
        (self.path / "ballast").unlink()

    def unmount(self) -> None:
        subprocess.run(["umount", str(self.path)], check=True)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    """A disk of 64 KiB; skips the test if this user may not mount one."""
    try:
        made = Disk(tmp_path / "disk")
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("this user may not mount a file system")
    yield made
    made.unmount()


class Network:
    """Fake feature extractor that returns fixed features."""

    name, weights_hash = "none", "0"

    def __init__(self, features: Any) -> None:
        self.features = features

    def __call__(self, images: Any, progress: Any) -> Any:
        return self.features


def _wait_for_error(process: Any, *codes: int) -> str:
    assert process.wait() in codes, process.stderr_text()
    log = str(process.stderr_text())
    assert "Traceback" not in log
    return log


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.attack(
    guarantee="A full disk is reported in one message, and the same command resumes.",
    attack="a results folder on a disk that fills up, at six points of a run",
)
def test_a_disk_that_fills_up_during_a_run(
    forker: Any, with_plugin: Path, disk: Disk, tmp_path: Path, count_attempt: Callable[..., None]
) -> None:
    """The last complete checkpoint stays, and the result is that of an uninterrupted run."""
    assert forker.start(*RUN, BENCHBED_RESULTS=str(tmp_path / "reference")).wait() == 0
    (expected,) = (tmp_path / "reference").glob("records/*.json")
    (weights,) = (tmp_path / "reference").glob("runs/*/checkpoints/last.pt")
    disk.remount("size=64m")
    for free_bytes in (0, 8_000, 60_000, 120_000, 200_000, 300_000):
        results = disk.path / "results"
        shutil.rmtree(results, ignore_errors=True)
        disk.fill(free_bytes)
        log = _wait_for_error(forker.start(*RUN, BENCHBED_RESULTS=str(results)), 1, 2)
        assert "No space left on device" in log
        assert str(results) in log
        for checkpoint in results.glob("runs/*/checkpoints/last.pt"):
            load_checkpoint(checkpoint, "tiny-lsgan")
        assert not list(results.rglob("*.part"))
        assert not list(results.glob("records/*"))
        disk.free()
        process = forker.start(*RUN, BENCHBED_RESULTS=str(results))
        assert process.wait() == 0, process.stderr_text()
        (record,) = results.glob("records/*.json")
        metrics = [json.loads(path.read_text())["metrics"] for path in (record, expected)]
        assert metrics[0] == metrics[1]
        (resumed,) = results.glob("runs/*/checkpoints/last.pt")
        states = [load_checkpoint(path, "tiny-lsgan")["state"] for path in (resumed, weights)]
        assert str(states[0]) == str(states[1])
        count_attempt(f"{free_bytes // 1000} kB of room")


@pytest.mark.attack(
    guarantee="A full disk is reported in one message, and the same command resumes.",
    attack="a cache on a full disk, while images are prepared",
)
def test_a_full_disk_while_images_are_prepared(forker: Any, with_plugin: Path, disk: Disk) -> None:
    """A write to a memory map would kill the process with SIGBUS."""
    disk.fill(4096)
    process = forker.start(*RUN, BENCHBED_CACHE=str(disk.path))
    log = _wait_for_error(process, 1)
    assert "No space left on device" in log
    assert "prepared" in log
    assert not list(disk.path.rglob("*.npy"))
    disk.remount("size=4m")
    assert forker.start(*RUN, BENCHBED_CACHE=str(disk.path)).wait() == 0


@pytest.mark.attack(
    guarantee="A full disk is reported in one message, and the same command resumes.",
    attack="a report on a full disk",
)
def test_a_full_disk_while_a_report_is_written(forker: Any, with_plugin: Path, disk: Disk) -> None:
    assert forker.start(*RUN).wait() == 0
    disk.fill(12_288)
    arguments = ("report", "--out", str(disk.path / "out"), "--no-show")
    log = _wait_for_error(forker.start(*arguments), 1)
    assert "No space left on device" in log
    assert str(disk.path / "out") in log
    assert not list(disk.path.rglob("*.part"))
    disk.free()
    disk.remount("size=16m")
    assert forker.start(*arguments).wait() == 0


@pytest.mark.attack(
    guarantee="The old file stays intact until the new one is complete.",
    attack="a full disk for a checkpoint, a cache folder and cached features",
)
def test_old_files_stay_intact_on_a_full_disk(disk: Disk, tmp_path: Path) -> None:
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
            load_cached("discs-0", build, lambda folder: folder)
        assert not [p for p in (disk.path / "cache/prepared").iterdir() if p.suffix != ".lock"]
        features = Network(np.zeros((40_000, 4), np.float32))
        patch.setattr(cache_module, "create_extractor", lambda *_: features)
        with pytest.raises(OSError, match="No space left on device") as caught:
            FeatureCache(torch.device("cpu"))("none", ImageSet(np.zeros((3, 1, 8, 8), np.uint8)))
        assert str(caught.value.filename).endswith(".npy")


@pytest.mark.attack(
    guarantee="A read-only folder is rejected with an error message, and reading still works.",
    attack="run, suite, report, import and sample on a read-only results folder",
)
def test_a_read_only_results_folder(
    forker: Any, with_plugin: Path, disk: Disk, tmp_path: Path, count_attempt: Callable[..., None]
) -> None:
    disk.remount("size=16m")
    results = str(disk.path / "results")
    assert forker.start(*RUN, BENCHBED_RESULTS=results).wait() == 0
    (run,) = [path.stem for path in (disk.path / "results/records").iterdir()]
    archive = str(tmp_path / "run.zip")
    assert forker.start("export", run, "--out", archive, BENCHBED_RESULTS=results).wait() == 0
    disk.remount("ro")
    write_commands = (
        (*RUN, "--seed", "1"),
        (*RUN, "--force"),
        ("suite", "guibas-kl", "--source", "phantom"),
        ("report",),
        ("report", "--out", str(disk.path / "out")),
        ("sample", run, "-n", "2", "--out", str(disk.path / "samples")),
        ("export", run, "--out", str(disk.path / "run.zip")),
        ("import", archive, "--results", str(disk.path / "others")),
    )
    for arguments in write_commands:
        log = _wait_for_error(forker.start(*arguments, BENCHBED_RESULTS=results), 2)
        assert str(disk.path) in log
        count_attempt(arguments[0])
    read_commands = (("list", "runs"), ("show", run), RUN, ("runs", "prune"))
    for arguments in read_commands:
        process = forker.start(*arguments, BENCHBED_RESULTS=results)
        assert process.wait() in (0, 2), process.stderr_text()
        assert "Traceback" not in process.stderr_text()
        count_attempt(f"{arguments[0]} (read)")
    disk.remount("rw")


@pytest.mark.attack(
    guarantee="A read-only folder is rejected with an error message, and reading still works.",
    attack="verify, run, report and evaluate with a read-only cache, empty and filled",
)
def test_a_read_only_cache(
    forker: Any, with_plugin: Path, disk: Disk, tmp_path: Path, count_attempt: Callable[..., None]
) -> None:
    """An optional cache is skipped with a message; a filled cache is used."""
    disk.remount("size=16m")
    rng = np.random.default_rng(0)
    (tmp_path / "images").mkdir()
    for number in range(6):
        pixels = rng.integers(0, 256, (24, 24, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / f"images/{number}.png")
    shutil.copytree(tmp_path / "images", tmp_path / "copy")
    images, copy = str(tmp_path / "images"), str(tmp_path / "copy")
    verify = ("data", "verify", f"folder:{images}")
    evaluate = ("evaluate", "--real", images, "--fake", copy, "--metric", "kl")

    def start(*arguments: str) -> Any:
        cache, results = str(disk.path / "cache"), str(tmp_path / "results")
        return forker.start(*arguments, BENCHBED_CACHE=cache, BENCHBED_RESULTS=results)

    disk.remount("ro")
    process = start(*verify)
    assert process.wait() == 0, process.stderr_text()
    assert process.stderr_text().count("$BENCHBED_CACHE") == 1
    assert f"{disk.path}/cache" in process.stderr_text()
    count_attempt("verify, empty")
    for arguments in (RUN, evaluate):
        log = _wait_for_error(start(*arguments), 2)
        assert f"{disk.path}/cache/prepared" in log
        assert "$BENCHBED_CACHE" in log
        count_attempt(f"{arguments[0]}, empty")
    disk.remount("rw")
    for arguments in (verify, RUN, evaluate):
        assert start(*arguments).wait() == 0
    disk.remount("ro")
    for arguments in (verify, (*RUN, "--force"), ("report", "--no-show"), evaluate):
        process = start(*arguments)
        assert process.wait() == 0, process.stderr_text()
        assert "$BENCHBED_CACHE" not in process.stderr_text()
        count_attempt(f"{arguments[0]}, filled")
    disk.remount("rw")
