"""Crashes: what is killed goes on, and ends as if it had never been."""

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
"""Over all phases of a run, half of them at any moment and half at any file operation."""

QUICK_KILLS = 2


def _plain(value: Any) -> Any:
    """Tensors as plain values that compare."""
    if isinstance(value, torch.Tensor):
        return (tuple(value.shape), str(value.dtype), value.cpu().numpy().tobytes())
    if isinstance(value, dict):
        return {name: _plain(part) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(part) for part in value]
    return value


STAGES = {
    "cache": "caching",
    "checkpoints": "checkpointing",
    "samples": "pictures",
    "showcase": "showcase",
    "records": "recording",
}
"""A folder in a path, to what is done there."""

LAST_OPERATIONS = 40
"""So many file operations of a run, or a few more, come after its training."""


def _record(content: dict[str, Any]) -> dict[str, Any]:
    """A record without what no two runs share: the time of day, speed and memory."""
    for name in ("seconds", "images_per_second", "peak_memory_bytes"):
        del content["training"][name]
    for name in ("created", "commit", "dirty"):  # somebody may work on this repository meanwhile
        del content["provenance"][name]
    return content


def result(results: Path) -> dict[str, Any]:
    """All that is in a results folder, by path, in a form that compares."""
    found: dict[str, Any] = {}
    for path in sorted(p for p in results.rglob("*") if p.is_file()):
        name = str(path.relative_to(results))
        if path.suffix == ".pt":
            content = torch.load(path, weights_only=True)
            found[name] = _plain({k: v for k, v in content.items() if k != "seconds"})
        elif path.parent.name == "records":
            found[name] = _record(json.loads(path.read_text()))
        elif path.suffix == ".csv":
            header, *rows = [line.split(",") for line in path.read_text().splitlines()]
            place = header.index("seconds")
            found[name] = [row[:place] + row[place + 1 :] for row in (header, *rows)]
        elif path.name in ("log.txt", "output.txt"):
            found[name] = "a log, which tells of the kills"
        else:
            found[name] = path.read_bytes()
    return found


def _doing(results: Path) -> str:
    """What the killed run was about, as it told last."""
    for path in results.glob("runs/*/progress.json"):
        return str(json.loads(path.read_text())["doing"])
    return "planning"


def _computed(process: Any, seconds: float) -> float:
    """Wait until a process has computed for so long, or is over; how long it has.

    Time of the processor, for a busy machine gives now more and now less of it.
    """
    spent = 0.0
    child = psutil.Process(process.pid)
    while spent < seconds and child.status() != psutil.STATUS_ZOMBIE:
        times = child.cpu_times()
        spent = times.user + times.system
        time.sleep(0.002)
    return spent


class Killing:
    """Kills and resumes one run until it is done, again and again, and compares what came of it.

    Args:
        forker: Starts processes.
        folder: For results and caches, new ones for each run.
        seed: Of the moments.
    """

    def __init__(self, forker: Any, folder: Path, seed: int) -> None:
        self.forker = forker
        self.folder = folder
        self.rng = random.Random(seed)
        self.results = folder / "results"
        self.cache = folder / "cache"
        process = self.start()
        self.seconds = _computed(process, math.inf)
        assert process.wait() == 0, process.said()
        self.expected = result(self.results)
        assert any(name.startswith("records/") for name in self.expected)

    def start(self, **how: Any) -> Any:
        places = {"BENCHBED_RESULTS": str(self.results), "BENCHBED_CACHE": str(self.cache)}
        return self.forker.start(*RUN, **how, **places)

    def afresh(self) -> None:
        """Nothing computed, nothing cached."""
        shutil.rmtree(self.results, ignore_errors=True)
        shutil.rmtree(self.cache, ignore_errors=True)

    def finish(self) -> None:
        """Go on to the end, and compare everything that is there with the undisturbed run."""
        process = self.start()
        assert process.wait() == 0, process.said()
        assert "Traceback" not in process.said()
        found = result(self.results)
        assert found.keys() == self.expected.keys()
        for name, content in self.expected.items():
            assert found[name] == content, name

    def at_random_times(self, kills: int, tried: Any) -> None:
        """Up to three kills a run; what was killed late has less left, and may end before."""
        while kills > 0:
            self.afresh()
            for _ in range(min(kills, self.rng.randint(1, 3))):
                process = self.start()
                _computed(process, self.rng.uniform(0.0, self.seconds))
                process.send(signal.SIGKILL)
                if process.wait() == -signal.SIGKILL:
                    tried(_doing(self.results))
                    kills -= 1
            self.finish()

    def at_file_operations(self, kills: int, tried: Any) -> None:
        """One kill a run, just before a file is opened, made, renamed or removed.

        Half of them fall among the last ones: there the results are recorded.
        """
        self.afresh()
        counting = self._dying(10**9)
        assert counting.wait() == 0
        total = int(counting.stdout.read_text().split()[-3])
        while kills > 0:
            first = 1 if kills % 2 else total - LAST_OPERATIONS
            self.afresh()
            process = self._dying(self.rng.randint(first, total))
            if process.wait() == -signal.SIGKILL:
                tried(_stage(process.stdout.read_text().split()[-1]))
                kills -= 1
            self.finish()

    def _dying(self, number: int) -> Any:
        return self.start(die_at=number, places=(self.results, self.cache))


def _stage(path: str) -> str:
    """What a file belongs to."""
    names = Path(path).parts
    for part, stage in STAGES.items():
        if part in names:
            return stage
    return "state and log"


@pytest.mark.attack(
    promise="A crash loses at most the time since the last checkpoint.",
    attack="SIGKILL at random moments and file operations of a run; a few, every day",
)
def test_a_killed_run_ends_as_if_it_had_never_been(
    forker: Any, with_plugin: Path, tmp_path: Path, tried: Any
) -> None:
    """A few of each kind, for every day."""
    killing = Killing(forker, tmp_path, seed=1)
    killing.at_random_times(QUICK_KILLS // 2, tried)
    killing.at_file_operations(QUICK_KILLS // 2, tried)


@pytest.mark.slow
@pytest.mark.timeout(4 * 3600)
@pytest.mark.attack(
    promise="A crash loses at most the time since the last checkpoint.",
    attack="SIGKILL at 50 random moments of a run, by what it was doing",
)
def test_kills_at_any_moment(forker: Any, with_plugin: Path, tmp_path: Path, tried: Any) -> None:
    """Some runs are killed two or three times on their way."""
    Killing(forker, tmp_path, seed=2).at_random_times(KILLS // 2, tried)


@pytest.mark.slow
@pytest.mark.timeout(4 * 3600)
@pytest.mark.attack(
    promise="No half-written file is ever read.",
    attack="SIGKILL just before 50 random file operations of a run, by what the file was",
)
def test_kills_at_any_file(forker: Any, with_plugin: Path, tmp_path: Path, tried: Any) -> None:
    """Files that are opened, made, renamed or removed in the results and in the cache."""
    Killing(forker, tmp_path, seed=3).at_file_operations(KILLS // 2, tried)


SCANNED = 4_400
"""More files than are examined before what was found is kept for the first time."""

SCAN_KILLS = 30


def _pictures(folder: Path, count: int) -> Path:
    """Small pictures, no two of them equal, and one file that is none."""
    folder.mkdir()
    rng = np.random.default_rng(0)
    for number in range(count - 1):
        pixels = rng.integers(0, 256, (16, 16), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{number:05d}.bmp")
    (folder / "broken.bmp").write_bytes(b"no picture")
    return folder


class Scanning:
    """Kills the first scan of a folder again and again, and compares what the next one finds.

    Args:
        forker: Starts processes.
        folder: For pictures and cache.
        count: Number of files.
    """

    def __init__(self, forker: Any, folder: Path, count: int) -> None:
        self.forker = forker
        self.pictures = _pictures(folder / "mine", count)
        self.cache = folder / "cache"
        self.kept = self.cache / "index" / "folder.json"
        self.rng = random.Random(count)
        process = self.start()
        self.seconds = _computed(process, math.inf)
        self.expected = self.found(process), json.loads(self.kept.read_text())
        assert len(self.expected[1]) == count
        counting = self.afresh(die_at=10**9, places=(self.cache,))
        assert counting.wait() == 1
        self.operations = int(counting.stdout.read_text().split()[-3])

    def start(self, **how: Any) -> Any:
        words = ("data", "verify", f"folder:{self.pictures}", "--json")
        return self.forker.start(*words, BENCHBED_CACHE=str(self.cache), **how)

    def afresh(self, **how: Any) -> Any:
        shutil.rmtree(self.cache)
        return self.start(**how)

    def found(self, process: Any) -> Any:
        """What it says of the files; one of them does not decode."""
        assert process.wait() == 1, process.said()
        assert "Traceback" not in process.said()
        found = json.loads(process.stdout.read_text())
        assert len(found["do not decode"]) == 1
        return found

    def kill(self, kills: int, tried: Any) -> None:
        """Half of them at any moment, half just before any file operation in the cache."""
        while kills > 0:
            if kills % 2:
                number = self.rng.randint(1, self.operations)
                process = self.afresh(die_at=number, places=(self.cache,))
            else:
                process = self.afresh()
                _computed(process, self.rng.uniform(0.0, self.seconds))
                process.send(signal.SIGKILL)
            if process.wait() == -signal.SIGKILL:
                kept = json.loads(self.kept.read_text()) if self.kept.exists() else {}
                assert kept.items() <= self.expected[1].items()
                part = "all" if kept == self.expected[1] else "some" if kept else "nothing"
                tried(f"{part} kept")
                kills -= 1
            again = self.found(self.start()), json.loads(self.kept.read_text())
            assert again == self.expected


@pytest.mark.attack(
    promise="No half-written file is ever read.",
    attack="SIGKILL at random moments and file operations of a first scan of 60 files",
)
def test_a_killed_scan_is_made_good(forker: Any, tmp_path: Path, tried: Any) -> None:
    Scanning(forker, tmp_path, 60).kill(QUICK_KILLS, tried)


@pytest.mark.slow
@pytest.mark.timeout(4 * 3600)
@pytest.mark.attack(
    promise="No half-written file is ever read.",
    attack="SIGKILL at 30 random moments and file operations of a first scan of 4,400 files",
)
def test_kills_of_a_long_scan(forker: Any, tmp_path: Path, tried: Any) -> None:
    """What was found is kept on the way, and not lost."""
    Scanning(forker, tmp_path, SCANNED).kill(SCAN_KILLS, tried)
