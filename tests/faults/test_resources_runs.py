"""Resources: concurrent processes, clock changes, killed workers, many records and images."""

from __future__ import annotations

import json
import os
import re
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


TIMEOUT_SECONDS = 3600.0
"""Most seconds for a suite on a busy machine."""


@pytest.mark.attack(
    guarantee="Only one process executes a run; a second one exits with an error, or waits.",
    attack="two processes that start the same run at once",
)
def test_two_processes_on_one_run(
    forker: Any, with_plugin: Path, tmp_path: Path, count_attempt: Callable[..., None]
) -> None:
    arguments = (*RUN, "--set", "step_ms=20")
    first = forker.start(*arguments)
    _wait_until(lambda: list((tmp_path / "results").glob("runs/*/samples/real.png")))
    second, third = forker.start(*arguments), forker.start(*arguments, "--wait")
    assert second.wait() == 2
    assert re.search(r"benchbed: .*tiny-lsgan-discs-16px-s0-\w+", second.stderr_text())
    count_attempt("error")
    assert (first.wait(), third.wait()) == (0, 0)
    assert "tiny-lsgan-discs-16px-s0-" in third.stderr_text()
    assert "training:" in first.stderr_text()
    assert "training:" not in third.stderr_text(), "the waiting process trained the run again"
    count_attempt("wait")
    assert len(list((tmp_path / "results/records").iterdir())) == 1


def _wait_until(condition: Callable[[], Any], seconds: float = TIMEOUT_SECONDS) -> None:
    last = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < last
        time.sleep(0.02)


@pytest.mark.attack(
    guarantee="Budgets, resuming and pruning do not depend on the system clock.",
    attack="a clock that jumps back during a run, and files with future timestamps",
)
def test_a_clock_that_jumps_back(
    with_plugin: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    count_attempt: Callable[..., None],
) -> None:
    from benchbed.results import prune
    from benchbed.runs import status as status_module

    reference = execute_run(plan_run(_request()), ResultStore(tmp_path / "reference")).record
    now = [time.time()]

    def time_going_back() -> float:
        now[0] -= 3600
        return now[0]

    class Clock(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> Any:
            return datetime.fromtimestamp(time_going_back(), tz or UTC)

    monkeypatch.setattr(time, "time", time_going_back)
    monkeypatch.setattr(status_module, "datetime", Clock)
    store = ResultStore(tmp_path / "jumping")
    record = execute_run(plan_run(_request()), store).record
    assert record.metrics == reference.metrics
    assert 0 < record.training.seconds < 60
    count_attempt("clock")
    monkeypatch.undo()
    tomorrow = (datetime.now() + timedelta(days=1)).timestamp()
    for path in (tmp_path / "jumping").rglob("*"):
        os.utime(path, (tomorrow, tomorrow))
    assert not execute_run(plan_run(_request()), store).is_new
    (holding,) = prune.measure_folders(store)
    assert holding.age_seconds < 0
    assert (
        holding.plan_removal(prune.PruneOptions(includes_weights=True, min_age_seconds=60.0))[0]
        == "nothing"
    )
    again = execute_run(plan_run(_request()), store, force=True)
    assert again.record.metrics == reference.metrics
    count_attempt("future timestamps")


SUITE = """
title: Small
task: synthesis
methods:
  - {method: tiny-lsgan, settings: {width: 4}}
  - {method: hostile, settings: {fault: FAULT}}
  - {method: tiny-lsgan, settings: {width: 6}}
datasets: [discs]
seeds: [0]
metrics: [kl]
presets:
  quick: {size: 16, kimg: 0.12, samples: 8, settings: {batch_size: 8}}
"""


def _suite(folder: Path, *more: str) -> subprocess.Popen[str]:
    arguments = [sys.executable, "-m", "benchbed", "suite", "small.yaml", "--device", "cpu", *more]
    return subprocess.Popen(arguments, cwd=folder, stderr=subprocess.PIPE, text=True)


@pytest.mark.slow
@pytest.mark.timeout(3 * 3600)
@pytest.mark.attack(
    guarantee="A failed run of a suite does not affect the other runs.",
    attack="a run that fills the memory, one that is killed, one that calls sys.exit(0)",
)
def test_a_suite_continues_after_a_failed_run(
    hostile: Path, tmp_path: Path, count_attempt: Callable[..., None]
) -> None:
    messages = {
        "fill_device": "out of memory",
        "kill_itself": "SIGKILL",
        "exit_with_success": "sys.exit(0)",
    }
    for fault, message in messages.items():
        folder = tmp_path / fault
        folder.mkdir()
        (folder / "small.yaml").write_text(SUITE.replace("FAULT", fault))
        process = _suite(folder, "--results", "results")
        _, log = process.communicate(timeout=TIMEOUT_SECONDS)
        assert process.returncode == 1, log
        assert message in log
        assert "Traceback" not in log
        assert len(list((folder / "results/records").iterdir())) == 2
        count_attempt(fault)


@pytest.mark.slow
@pytest.mark.timeout(3 * 3600)
@pytest.mark.attack(
    guarantee="A failed run of a suite does not affect the other runs.",
    attack="two suites on one store at once: each run is computed once, and both succeed",
)
def test_two_suites_on_one_store(hostile: Path, tmp_path: Path) -> None:
    (tmp_path / "small.yaml").write_text(SUITE.replace("FAULT", "none"))
    processes = [_suite(tmp_path, "--results", "results") for _ in range(2)]
    logs = [process.communicate(timeout=TIMEOUT_SECONDS)[1] for process in processes]
    assert [process.returncode for process in processes] == [0, 0], logs
    assert len(list((tmp_path / "results/records").iterdir())) == 3
    for log in (tmp_path / "results/runs").glob("*/log.txt"):
        assert len(re.findall(r"\bfinal\.png\b", log.read_text())) == 1


@pytest.mark.slow
@pytest.mark.timeout(3 * 3600)
@pytest.mark.attack(
    guarantee="A killed suite resumes when the command is repeated.",
    attack="SIGKILL to a suite during its first run, which keeps running",
)
def test_a_killed_suite_resumes(hostile: Path, tmp_path: Path) -> None:
    """The next suite waits for the run that still runs, and then runs the rest."""
    text = SUITE.replace("FAULT", "none").replace("width: 4", "width: 4, step_ms: 300")
    (tmp_path / "small.yaml").write_text(text)
    process = _suite(tmp_path, "--results", "results")
    _wait_until(lambda: list((tmp_path / "results").glob("runs/*/samples/real.png")))
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=60)
    again = _suite(tmp_path, "--results", "results")
    _, log = again.communicate(timeout=TIMEOUT_SECONDS)
    assert again.returncode == 0, log
    assert len(list((tmp_path / "results/records").iterdir())) == 3
    for log in (tmp_path / "results/runs").glob("*/log.txt"):
        assert len(re.findall(r"\bfinal\.png\b", log.read_text())) == 1


RECORD_COUNT = 10_000
MAX_CPU_SECONDS = 60.0
"""Most CPU seconds of a command."""


@pytest.mark.slow
@pytest.mark.timeout(3 * 3600)
@pytest.mark.attack(
    guarantee="Listing and reporting are fast for many records.",
    attack="10,000 records: list, show, compare, report",
)
def test_many_records(
    forker: Any, with_plugin: Path, tmp_path: Path, count_attempt: Callable[..., None]
) -> None:
    """Uses 100 methods with 100 seeds each, and measures CPU seconds."""
    store = ResultStore(tmp_path / "results")
    record = execute_run(plan_run(_request()), store).record
    content = json.loads(store.get_record_path(record.id).read_text())
    for number in range(RECORD_COUNT):
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
    for name, arguments in commands.items():
        before = os.times()
        process = subprocess.run(
            [sys.executable, "-m", "benchbed", *arguments],
            capture_output=True,
            text=True,
            check=False,
        )
        after = os.times()
        assert process.returncode == 0, process.stderr
        cpu_seconds = after.children_user - before.children_user
        assert cpu_seconds < MAX_CPU_SECONDS, name
        count_attempt(f"{name} in {cpu_seconds:.0f} s")


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.attack(
    guarantee="Memory use stays bounded for many images.",
    attack="50,000 images compared with 5,000: checked, prepared and used for training",
)
def test_many_images(with_plugin: Path, tmp_path: Path, count_attempt: Callable[..., None]) -> None:
    """Measures private memory, because the system can free pages of mapped files."""
    peak_bytes = {}
    for count in (5_000, 50_000):
        folder = tmp_path / str(count)
        folder.mkdir()
        rng = np.random.default_rng(count)
        for number in range(count):
            pixels = rng.integers(0, 256, (16, 16), np.uint8)
            Image.fromarray(pixels).save(folder / f"{number:06d}.bmp")
        peak_bytes[count] = _peak_private_memory(
            "run", "--method", "tiny-lsgan", "--dataset", f"folder:{folder}", "--size", "16",
            "--kimg", "0.24", "--samples", "8", "--metric", "kl", "--device", "cpu",
        )  # fmt: skip
        count_attempt(f"{count} images, {peak_bytes[count] / 2**20:.0f} MiB")
    images = 45_000 * 16 * 16 * 3
    assert peak_bytes[50_000] - peak_bytes[5_000] < 3 * images + 64 * 2**20


def _peak_private_memory(*arguments: str) -> int:
    """Run ``benchbed`` and return the peak of its private memory in bytes."""
    peak = 0
    with subprocess.Popen(
        [sys.executable, "-m", "benchbed", *arguments],
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as process:
        status = Path(f"/proc/{process.pid}/status")
        while process.poll() is None:
            lines = dict(line.split(":", 1) for line in status.read_text().splitlines())
            if "RssAnon" in lines:
                peak = max(peak, int(lines["RssAnon"].split()[0]) * 1024)
            time.sleep(0.02)
        assert process.returncode == 0, process.stderr.read() if process.stderr else ""
    return peak
