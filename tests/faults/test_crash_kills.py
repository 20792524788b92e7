"""Crashes: a killed run resumes with identical results."""

from __future__ import annotations

import json
import math
import random
import shutil
import signal
import time
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
import torch
from PIL import Image

RUN = (
    "run", "--method", "tiny-lsgan", "--dataset", "discs", "--size", "16", "--kimg", "0.24",
    "--samples", "12", "--metric", "swd", "--metric", "memorisation", "--set", "step_ms=5",
    "--checkpoint-every", "0.05s", "--device", "cpu",
)  # fmt: skip

KILLS = 100
"""Number of kills: half at random times, half at random file operations."""

QUICK_KILLS = 2


def _to_plain(value: Any) -> Any:
    """Replace tensors by plain values that can be compared."""
    if isinstance(value, torch.Tensor):
        return (tuple(value.shape), str(value.dtype), value.cpu().numpy().tobytes())
    if isinstance(value, dict):
        return {name: _to_plain(part) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [_to_plain(part) for part in value]
    return value


PHASES = {
    "cache": "caching",
    "checkpoints": "checkpointing",
    "samples": "images",
    "showcase": "showcase",
    "records": "recording",
}
"""Phase of a run by the folder that it writes to."""

LAST_OPERATIONS = 40
"""Approximate number of file operations of a run after its training."""


def _remove_varying_fields(content: dict[str, Any]) -> dict[str, Any]:
    """Remove the fields that differ between two runs: times, speed and memory."""
    for name in ("seconds", "images_per_second", "peak_memory_bytes"):
        del content["training"][name]
    for name in ("created", "commit", "dirty"):  # the repository may change meanwhile
        del content["provenance"][name]
    return content


def read_results(results: Path) -> dict[str, Any]:
    """Return the content of a results folder by path, in comparable form."""
    content_by_path: dict[str, Any] = {}
    for path in sorted(p for p in results.rglob("*") if p.is_file()):
        name = str(path.relative_to(results))
        if path.suffix == ".pt":
            content = torch.load(path, weights_only=True)
            content_by_path[name] = _to_plain({k: v for k, v in content.items() if k != "seconds"})
        elif path.parent.name == "records":
            content_by_path[name] = _remove_varying_fields(json.loads(path.read_text()))
        elif path.suffix == ".csv":
            header, *rows = [line.split(",") for line in path.read_text().splitlines()]
            place = header.index("seconds")
            content_by_path[name] = [row[:place] + row[place + 1 :] for row in (header, *rows)]
        elif path.name in ("log.txt", "output.txt"):
            content_by_path[name] = "a log, which differs after a kill"
        else:
            content_by_path[name] = path.read_bytes()
    return content_by_path


def _last_phase(results: Path) -> str:
    """Return the last reported phase of the killed run."""
    for path in results.glob("runs/*/progress.json"):
        return str(json.loads(path.read_text())["doing"])
    return "planning"


def _wait_for_cpu_time(process: Any, seconds: float) -> float:
    """Wait until a process used this CPU time or ended; return the CPU time.

    CPU time does not depend on other processes of a busy machine.
    """
    cpu_seconds = 0.0
    child = psutil.Process(process.pid)
    while cpu_seconds < seconds and child.status() != psutil.STATUS_ZOMBIE:
        times = child.cpu_times()
        cpu_seconds = times.user + times.system
        time.sleep(0.002)
    return cpu_seconds


class RunKiller:
    """Kills and resumes a run until it completes, repeatedly, and compares the results.

    Args:
        forker: Starts processes.
        folder: Folder for results and caches, which are new for each run.
        seed: Seed of the times of the kills.
        arguments: Arguments of ``benchbed``.
    """

    def __init__(
        self, forker: Any, folder: Path, seed: int, arguments: tuple[str, ...] = RUN
    ) -> None:
        self.arguments = arguments
        self.forker = forker
        self.folder = folder
        self.rng = random.Random(seed)
        self.results = folder / "results"
        self.cache = folder / "cache"
        process = self.start()
        self.seconds = _wait_for_cpu_time(process, math.inf)
        assert process.wait() == 0, process.stderr_text()
        self.expected = read_results(self.results)
        assert any(name.startswith("records/") for name in self.expected)

    def start(self, **how: Any) -> Any:
        folders = {"BENCHBED_RESULTS": str(self.results), "BENCHBED_CACHE": str(self.cache)}
        return self.forker.start(*self.arguments, **how, **folders)

    def restart(self) -> None:
        """Delete all results and caches."""
        shutil.rmtree(self.results, ignore_errors=True)
        shutil.rmtree(self.cache, ignore_errors=True)

    def finish(self) -> None:
        """Resume to the end, and compare all files with those of the uninterrupted run."""
        process = self.start()
        assert process.wait() == 0, process.stderr_text()
        assert "Traceback" not in process.stderr_text()
        found = read_results(self.results)
        assert found.keys() == self.expected.keys()
        for name, content in self.expected.items():
            assert found[name] == content, name

    def at_random_times(self, kills: int, count_attempt: Any) -> None:
        """Kill each run up to three times; a resumed run may complete before the next kill."""
        while kills > 0:
            self.restart()
            for _ in range(min(kills, self.rng.randint(1, 3))):
                process = self.start()
                _wait_for_cpu_time(process, self.rng.uniform(0.0, self.seconds))
                process.send(signal.SIGKILL)
                if process.wait() == -signal.SIGKILL:
                    count_attempt(_last_phase(self.results))
                    kills -= 1
            self.finish()

    def after_first_checkpoint(self, count_attempt: Any, kind: str) -> None:
        """Kill a run in the middle of its training, and resume it from its checkpoint."""
        self.restart()
        process = self.start()
        while not list(self.results.glob("runs/*/checkpoints/last.pt")):
            assert psutil.Process(process.pid).status() != psutil.STATUS_ZOMBIE
            time.sleep(0.002)
        process.send(signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL, "it was complete before the kill"
        assert _last_phase(self.results) == "training"
        count_attempt(kind)
        self.finish()

    def at_file_operations(self, kills: int, count_attempt: Any) -> None:
        """Kill each run once, just before a file is opened, created, renamed or removed.

        Half of the kills are near the end, where the results are written.
        """
        self.restart()
        counting = self._start_dying(10**9)
        assert counting.wait() == 0
        total = int(counting.stdout.read_text().split()[-3])
        while kills > 0:
            first = 1 if kills % 2 else total - LAST_OPERATIONS
            self.restart()
            process = self._start_dying(self.rng.randint(first, total))
            if process.wait() == -signal.SIGKILL:
                count_attempt(_phase_of(process.stdout.read_text().split()[-1]))
                kills -= 1
            self.finish()

    def _start_dying(self, number: int) -> Any:
        return self.start(die_at=number, folders=(self.results, self.cache))


def _phase_of(path: str) -> str:
    """Return the phase of a run that writes this file."""
    names = Path(path).parts
    for part, phase in PHASES.items():
        if part in names:
            return phase
    return "state and log"


@pytest.mark.attack(
    guarantee="A crash loses at most the time since the last checkpoint.",
    attack="SIGKILL at a few random times and file operations of a run",
)
def test_a_killed_run_resumes_with_identical_results(
    forker: Any, with_plugin: Path, tmp_path: Path, count_attempt: Any
) -> None:
    killer = RunKiller(forker, tmp_path, seed=1)
    killer.at_random_times(QUICK_KILLS // 2, count_attempt)
    killer.at_file_operations(QUICK_KILLS // 2, count_attempt)


@pytest.mark.slow
@pytest.mark.timeout(4 * 3600)
@pytest.mark.attack(
    guarantee="A crash loses at most the time since the last checkpoint.",
    attack="SIGKILL at 50 random times of a run, by its phase",
)
def test_kills_at_random_times(
    forker: Any, with_plugin: Path, tmp_path: Path, count_attempt: Any
) -> None:
    RunKiller(forker, tmp_path, seed=2).at_random_times(KILLS // 2, count_attempt)


@pytest.mark.slow
@pytest.mark.timeout(4 * 3600)
@pytest.mark.attack(
    guarantee="Partly written files are never read.",
    attack="SIGKILL just before 50 random file operations of a run, by kind of file",
)
def test_kills_at_random_file_operations(
    forker: Any, with_plugin: Path, tmp_path: Path, count_attempt: Any
) -> None:
    RunKiller(forker, tmp_path, seed=3).at_file_operations(KILLS // 2, count_attempt)


_SMALL = ("--source", "phantom", "--samples", "12", "--device", "cpu", "--checkpoint-every", "0.5s")

_IMAGES = (*_SMALL, "--dataset", "drive", "--size", "32", "--metric", "swd", "--kimg", "0.6")

_VOLUMES = (*_SMALL, "--dataset", "brats", "--size", "32", "--set", "features=4", "--kimg", "0.03")

METHODS: dict[str, tuple[str, ...]] = {
    "wgan": ("--method", "wgan", *_IMAGES),
    "dcgan in bf16": ("--method", "dcgan", "--precision", "bf16", *_IMAGES),
    "anisotropic-wnet": ("--method", "anisotropic-wnet", "--task", "segmentation", *_VOLUMES),
    "pix2pix-3d": (
        "--method",
        "pix2pix-3d",
        "--task",
        "translation",
        "--metric",
        "psnr",
        *_VOLUMES,
    ),
}
"""Methods whose state is more than weights and optimizers, or has more than one network."""


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.attack(
    guarantee="A crash loses at most the time since the last checkpoint.",
    attack="SIGKILL in the middle of training with a critic, in bf16, of volumes in stages",
)
@pytest.mark.parametrize("kind", METHODS)
def test_kills_in_the_middle_of_other_methods(
    kind: str, forker: Any, tmp_path: Path, count_attempt: Any
) -> None:
    killer = RunKiller(forker, tmp_path, seed=4, arguments=("run", *METHODS[kind]))
    killer.after_first_checkpoint(count_attempt, kind)


SCANNED = 4_400
"""More files than a scan reads before it saves the index for the first time."""

SCAN_KILLS = 30


def _save_images(folder: Path, count: int) -> Path:
    """Write small images, all different, and one file that is not an image."""
    folder.mkdir()
    rng = np.random.default_rng(0)
    for number in range(count - 1):
        pixels = rng.integers(0, 256, (16, 16), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{number:05d}.bmp")
    (folder / "broken.bmp").write_bytes(b"not an image")
    return folder


class ScanKiller:
    """Kills the first scan of a folder repeatedly, and compares the result of the next scan.

    Args:
        forker: Starts processes.
        folder: Folder for images and cache.
        count: Number of files.
    """

    def __init__(self, forker: Any, folder: Path, count: int) -> None:
        self.forker = forker
        self.images = _save_images(folder / "mine", count)
        self.cache = folder / "cache"
        self.index = self.cache / "index" / "folder.json"
        self.rng = random.Random(count)
        process = self.start()
        self.seconds = _wait_for_cpu_time(process, math.inf)
        self.expected = self.findings(process), json.loads(self.index.read_text())
        assert len(self.expected[1]) == count
        counting = self.restart(die_at=10**9, folders=(self.cache,))
        assert counting.wait() == 1
        self.operations = int(counting.stdout.read_text().split()[-3])

    def start(self, **how: Any) -> Any:
        arguments = ("data", "verify", f"folder:{self.images}", "--json")
        return self.forker.start(*arguments, BENCHBED_CACHE=str(self.cache), **how)

    def restart(self, **how: Any) -> Any:
        shutil.rmtree(self.cache)
        return self.start(**how)

    def findings(self, process: Any) -> Any:
        """Return the printed findings; one file cannot be decoded."""
        assert process.wait() == 1, process.stderr_text()
        assert "Traceback" not in process.stderr_text()
        findings = json.loads(process.stdout.read_text())
        assert len(findings["do not decode"]) == 1
        return findings

    def kill(self, kills: int, count_attempt: Any) -> None:
        """Kill half of the scans at random times, half just before a file operation."""
        while kills > 0:
            if kills % 2:
                number = self.rng.randint(1, self.operations)
                process = self.restart(die_at=number, folders=(self.cache,))
            else:
                process = self.restart()
                _wait_for_cpu_time(process, self.rng.uniform(0.0, self.seconds))
                process.send(signal.SIGKILL)
            if process.wait() == -signal.SIGKILL:
                saved = json.loads(self.index.read_text()) if self.index.exists() else {}
                assert saved.items() <= self.expected[1].items()
                part = "all" if saved == self.expected[1] else "some" if saved else "nothing"
                count_attempt(f"{part} saved")
                kills -= 1
            again = self.findings(self.start()), json.loads(self.index.read_text())
            assert again == self.expected


@pytest.mark.attack(
    guarantee="Partly written files are never read.",
    attack="SIGKILL at random times and file operations of a first scan of 60 files",
)
def test_a_killed_scan_is_repeated_correctly(
    forker: Any, tmp_path: Path, count_attempt: Any
) -> None:
    ScanKiller(forker, tmp_path, 60).kill(QUICK_KILLS, count_attempt)


@pytest.mark.slow
@pytest.mark.timeout(4 * 3600)
@pytest.mark.attack(
    guarantee="Partly written files are never read.",
    attack="SIGKILL at 30 random times and file operations of a first scan of 4,400 files",
)
def test_kills_during_a_long_scan(forker: Any, tmp_path: Path, count_attempt: Any) -> None:
    """The index is saved during the scan."""
    ScanKiller(forker, tmp_path, SCANNED).kill(SCAN_KILLS, count_attempt)
