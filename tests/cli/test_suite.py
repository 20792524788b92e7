"""The command ``benchbed suite``: planned, run, stopped and resumed."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

Run = Callable[..., "subprocess.CompletedProcess[str]"]

SUITE = """
title: Small
task: synthesis
methods:
  tiny-lsgan: {fail_at: 3}
  dcgan: {features: 4, max_features: 8}
datasets: [discs]
seeds: [0]
metrics: [kl]
presets:
  quick: {size: 32, kimg: 0.2, samples: 16, settings: {batch_size: 8}}
"""


def test_planning_a_suite_does_not_import_torch(tmp_path: Path) -> None:
    code = """
import sys
sys.argv = ["benchbed", "suite", "guibas-kl", "--source", "phantom", "--dry-run"]
from benchbed.cli.main import main
try:
    main()
finally:
    print("torch" in sys.modules)
"""
    command = [sys.executable, "-c", code]
    result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert result.stdout.splitlines()[-1] == "False", result.stderr


def test_a_suite_runs_only_missing_runs(cli: Run, with_plugin: Path, tmp_path: Path) -> None:
    """A failed run does not stop the next; a second call skips completed runs."""
    (tmp_path / "small.yaml").write_text(SUITE)
    dry = cli("suite", "small.yaml", "--dry-run")
    assert "2 to run" in dry.stderr
    assert "tiny-lsgan at 32 px" in dry.stderr
    assert "dcgan at 32 px" in dry.stderr
    assert not (tmp_path / "results").exists()
    first = cli("suite", "small.yaml")
    assert first.returncode == 1
    assert "1 broken, 1 finished" in first.stderr
    plan = json.loads(cli("suite", "small.yaml", "--json").stdout)
    assert [row["state"] for row in plan] == ["begun", "done"]
    assert (tmp_path / "results/records" / f"{plan[1]['run']}.json").exists()
    (tmp_path / "small.yaml").write_text(SUITE.replace("{fail_at: 3}", "{}"))
    second = cli("suite", "small.yaml")
    assert second.returncode == 0, second.stderr
    assert re.search(r"\b2 runs, 1\b.*\b1\b", second.stderr)
    third = cli("suite", "small.yaml")
    assert re.search(r"\b2 runs, 2\b", third.stderr)
    bf16_plan = json.loads(cli("suite", "small.yaml", "--precision", "bf16", "--json").stdout)
    assert [row["state"] for row in bf16_plan] == ["missing", "missing"]


def test_a_suite_runs_two_jobs_in_parallel(cli: Run, with_plugin: Path, tmp_path: Path) -> None:
    """The error of the failed run is printed, and the other run writes its record."""
    (tmp_path / "small.yaml").write_text(SUITE)
    result = cli("suite", "small.yaml", "--jobs", "2")
    assert result.returncode == 1
    assert "1 broken" in result.stderr
    assert "1 finished" in result.stderr
    assert "log.txt" in result.stderr
    assert len(list((tmp_path / "results/records").glob("*.json"))) == 1


def test_a_misspelt_method_is_rejected_with_the_nearest_match(
    cli: Run, with_plugin: Path, tmp_path: Path
) -> None:
    (tmp_path / "small.yaml").write_text(SUITE)
    result = cli("suite", "small.yaml", "--method", "dcgn")
    assert result.returncode == 2
    assert "'dcgn'" in result.stderr
    assert "'dcgan'" in result.stderr


def test_ctrl_c_saves_the_current_run_and_starts_no_other(
    cli: Run, with_plugin: Path, tmp_path: Path
) -> None:
    """The signal is sent to the process group, as a terminal does."""
    slow = SUITE.replace("{fail_at: 3}", "{step_ms: 100}").replace("kimg: 0.2", "kimg: 4")
    (tmp_path / "small.yaml").write_text(slow)
    with subprocess.Popen(
        [sys.executable, "-m", "benchbed", "suite", "small.yaml"],
        cwd=tmp_path, stderr=subprocess.PIPE, text=True, start_new_session=True,
    ) as process:  # fmt: skip
        runs = tmp_path / "results/runs"
        while not list(runs.glob("*/run.json")):
            assert process.poll() is None
            time.sleep(0.05)
        time.sleep(1)
        os.killpg(process.pid, signal.SIGINT)
        _, log = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "1 stopped, 2 left" in log
    states = [row["state"] for row in json.loads(cli("suite", "small.yaml", "--json").stdout)]
    assert states == ["begun", "missing"]
