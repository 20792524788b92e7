"""Resources: several at one thing, jumping clocks, killed workers, very many records and images."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from benchbed.config.run_config import RunConfig
from benchbed.results.store import ResultStore
from benchbed.runs.execute import execute_run
from benchbed.runs.planner import plan_run

RUN = (
    "run", "--method", "tiny-lsgan", "--dataset", "discs", "--size", "16", "--kimg", "0.24",
    "--samples", "8", "--metric", "kl", "--device", "cpu",
)  # fmt: skip


def _request(**changes: Any) -> RunConfig:
    given = {"kimg": 0.08, "size": 16, "samples": 8, "metrics": ("kl",), **changes}
    return RunConfig(method="tiny-lsgan", dataset="discs", settings={}, **given)


PATIENCE = 3600.0
"""Seconds that a suite may take on a machine that is busy with others."""


@pytest.mark.attack(
    promise="One run is one process's; the other is told, or waits and finds it done.",
    attack="two processes that are given the same run at once",
)
def test_two_processes_on_one_run(
    forker: Any, with_plugin: Path, tmp_path: Path, tried: Callable[..., None]
) -> None:
    words = (*RUN, "--set", "step_ms=20")
    first = forker.start(*words)
    _until(lambda: list((tmp_path / "results").glob("runs/*/samples/real.png")))
    second, third = forker.start(*words), forker.start(*words, "--wait")
    assert second.wait() == 2
    assert "Another process is at work on the run tiny-lsgan-discs" in second.said()
    tried("told")
    assert (first.wait(), third.wait()) == (0, 0)
    assert "waiting for it" in third.said()
    assert "This run was done before" in third.said()
    tried("waits")
    assert len(list((tmp_path / "results/records").iterdir())) == 1


def _until(true: Callable[[], Any], seconds: float = PATIENCE) -> None:
    last = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < last
        time.sleep(0.02)


@pytest.mark.attack(
    promise="Budgets, resuming and tidying do not hang on the time of day.",
    attack="a clock that jumps back while a run goes on, and files from tomorrow",
)
def test_a_clock_that_jumps(
    with_plugin: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tried: Callable[..., None]
) -> None:
    from benchbed.results import prune
    from benchbed.runs import status as status_module

    plain = execute_run(plan_run(_request()), ResultStore(tmp_path / "plain")).record
    now = [time.time()]

    def earlier() -> float:
        now[0] -= 3600
        return now[0]

    class Clock(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> Any:
            return datetime.fromtimestamp(earlier(), tz or UTC)

    monkeypatch.setattr(time, "time", earlier)
    monkeypatch.setattr(status_module, "datetime", Clock)
    store = ResultStore(tmp_path / "jumps")
    record = execute_run(plan_run(_request()), store).record
    assert record.metrics == plain.metrics
    assert 0 < record.training.seconds < 60
    tried("while it runs")
    monkeypatch.undo()
    tomorrow = (datetime.now() + timedelta(days=1)).timestamp()
    for path in (tmp_path / "jumps").rglob("*"):
        os.utime(path, (tomorrow, tomorrow))
    assert not execute_run(plan_run(_request()), store).is_new
    (holding,) = prune.measure_folders(store)
    assert holding.age_seconds < 0
    assert (
        holding.plan_removal(prune.PruneOptions(includes_weights=True, min_age_seconds=60.0))[0]
        == "nothing"
    )
    again = execute_run(plan_run(_request()), store, force=True)
    assert again.record.metrics == plain.metrics
    tried("files from tomorrow")


SUITE = """
title: Small
task: synthesis
methods:
  - {method: tiny-lsgan, settings: {width: 4}}
  - {method: hostile, settings: {deed: DEED}}
  - {method: tiny-lsgan, settings: {width: 6}}
datasets: [discs]
seeds: [0]
metrics: [kl]
presets:
  quick: {size: 16, kimg: 0.12, samples: 8, settings: {batch_size: 8}}
"""


def _suite(folder: Path, *more: str) -> subprocess.Popen[str]:
    words = [sys.executable, "-m", "benchbed", "suite", "small.yaml", "--device", "cpu", *more]
    return subprocess.Popen(words, cwd=folder, stderr=subprocess.PIPE, text=True)


@pytest.mark.slow
@pytest.mark.timeout(3 * 3600)
@pytest.mark.attack(
    promise="Whatever becomes of one run of a suite, the others go on.",
    attack="a run that fills the memory, one that is killed, one that leaves with success",
)
def test_a_suite_goes_on_beside_a_broken_run(
    hostile: Path, tmp_path: Path, tried: Callable[..., None]
) -> None:
    deeds = {
        "fill_device": "out of memory: the process held",
        "kill_itself": "SIGKILL",
        "leave": "sys.exit(0) was called",
    }
    for deed, words in deeds.items():
        folder = tmp_path / deed
        folder.mkdir()
        (folder / "small.yaml").write_text(SUITE.replace("DEED", deed))
        process = _suite(folder, "--results", "results")
        _, said = process.communicate(timeout=PATIENCE)
        assert process.returncode == 1, said
        assert words in said
        assert "Traceback" not in said
        assert len(list((folder / "results/records").iterdir())) == 2
        tried(deed)


@pytest.mark.slow
@pytest.mark.timeout(3 * 3600)
@pytest.mark.attack(
    promise="Whatever becomes of one run of a suite, the others go on.",
    attack="two suites on one store at once: each run is computed once, and both end well",
)
def test_two_suites_on_one_store(hostile: Path, tmp_path: Path) -> None:
    (tmp_path / "small.yaml").write_text(SUITE.replace("DEED", "none"))
    both = [_suite(tmp_path, "--results", "results") for _ in range(2)]
    said = [process.communicate(timeout=PATIENCE)[1] for process in both]
    assert [process.returncode for process in both] == [0, 0], said
    assert len(list((tmp_path / "results/records").iterdir())) == 3
    for log in (tmp_path / "results/runs").glob("*/log.txt"):
        assert log.read_text().count("picture final.png") == 1


@pytest.mark.slow
@pytest.mark.timeout(3 * 3600)
@pytest.mark.attack(
    promise="A suite that is killed goes on when the same command is given again.",
    attack="SIGKILL to a suite while its first run goes on; the run is left alone",
)
def test_a_killed_suite_goes_on(hostile: Path, tmp_path: Path) -> None:
    """The run that was begun is an orphan; the next suite waits for it, and runs what is left."""
    text = SUITE.replace("DEED", "none").replace("width: 4", "width: 4, step_ms: 300")
    (tmp_path / "small.yaml").write_text(text)
    process = _suite(tmp_path, "--results", "results")
    _until(lambda: list((tmp_path / "results").glob("runs/*/samples/real.png")))
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=60)
    again = _suite(tmp_path, "--results", "results")
    _, said = again.communicate(timeout=PATIENCE)
    assert again.returncode == 0, said
    assert len(list((tmp_path / "results/records").iterdir())) == 3
    for log in (tmp_path / "results/runs").glob("*/log.txt"):
        assert log.read_text().count("picture final.png") == 1


RECORDS = 10_000
SECONDS = 60.0
"""What is allowed on a busy machine; an idle one needs a part of it."""


@pytest.mark.slow
@pytest.mark.timeout(3 * 3600)
@pytest.mark.attack(
    promise="Listing and reporting stay quick, however many records there are.",
    attack="10,000 records: list, show, compare, report",
)
def test_very_many_records(
    forker: Any, with_plugin: Path, tmp_path: Path, tried: Callable[..., None]
) -> None:
    """100 methods with 100 seeds each, in processor seconds."""
    store = ResultStore(tmp_path / "results")
    record = execute_run(plan_run(_request()), store).record
    content = json.loads(store.get_record_path(record.id).read_text())
    for number in range(RECORDS):
        method, seed = divmod(number, 100)
        name = f"method{method:02d}-discs-16px-s{seed}-{number:08d}"
        metrics = [{**content["metrics"][0], "value": (number % 997) / 997}]
        changes = {"id": name, "method": f"method{method:02d}", "seed": seed, "metrics": metrics}
        path = store.records_folder / f"{name}.json"
        path.write_text(json.dumps({**content, **changes}))
    commands = {
        "list": ("list", "runs"),
        "show": ("show", "method07-discs-16px-s3"),
        "compare": ("compare", "method07-discs-16px-s3", "method08-discs-16px-s3"),
        "report": ("report", "--no-show"),
    }
    for what, words in commands.items():
        before = os.times()
        process = subprocess.run(
            [sys.executable, "-m", "benchbed", *words], capture_output=True, text=True, check=False
        )
        after = os.times()
        assert process.returncode == 0, process.stderr
        spent = after.children_user - before.children_user
        assert spent < SECONDS, what
        tried(f"{what} in {spent:.0f} s")


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.attack(
    promise="Memory stays flat, however many images there are.",
    attack="50,000 images against 5,000: checked, prepared and trained on",
)
def test_very_many_images(with_plugin: Path, tmp_path: Path, tried: Callable[..., None]) -> None:
    """What a process holds for itself at most; pages of mapped files belong to the system."""
    held = {}
    for count in (5_000, 50_000):
        folder = tmp_path / str(count)
        folder.mkdir()
        rng = np.random.default_rng(count)
        for number in range(count):
            pixels = rng.integers(0, 256, (16, 16), np.uint8)
            Image.fromarray(pixels).save(folder / f"{number:06d}.bmp")
        held[count] = _most_held(
            "run", "--method", "tiny-lsgan", "--dataset", f"folder:{folder}", "--size", "16",
            "--kimg", "0.24", "--samples", "8", "--metric", "kl", "--device", "cpu",
        )  # fmt: skip
        tried(f"{count} images, {held[count] / 2**20:.0f} MiB")
    images = 45_000 * 16 * 16 * 3
    assert held[50_000] - held[5_000] < 3 * images + 64 * 2**20


def _most_held(*words: str) -> int:
    """The most memory of its own that ``benchbed`` holds, in bytes."""
    most = 0
    with subprocess.Popen(
        [sys.executable, "-m", "benchbed", *words], stderr=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        status = Path(f"/proc/{process.pid}/status")
        while process.poll() is None:
            lines = dict(line.split(":", 1) for line in status.read_text().splitlines())
            if "RssAnon" in lines:
                most = max(most, int(lines["RssAnon"].split()[0]) * 1024)
            time.sleep(0.02)
        assert process.returncode == 0, process.stderr.read() if process.stderr else ""
    return most
