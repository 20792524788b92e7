"""A suite as a user runs it: planned, run, done, and gone on with after a stop."""

from __future__ import annotations

import json
import os
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


def test_the_plan_of_a_suite_loads_no_torch(tmp_path: Path) -> None:
    code = """
import sys
sys.argv = ["benchbed", "suite", "guibas-kl", "--source", "phantom", "--dry-run"]
from benchbed.cli.main import main
try:
    main()
finally:
    print("torch" in sys.modules)
"""
    words = [sys.executable, "-c", code]
    answer = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert answer.stdout.splitlines()[-1] == "False", answer.stderr


def test_a_suite_runs_what_is_missing(cli: Run, with_plugin: Path, tmp_path: Path) -> None:
    """A run that breaks does not stop the next; a second call runs only what is not done."""
    (tmp_path / "small.yaml").write_text(SUITE)
    dry = cli("suite", "small.yaml", "--dry-run")
    assert "2 to run" in dry.stderr
    assert "no record tells the speed of tiny-lsgan at 32 px, dcgan at 32 px." in dry.stderr
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
    assert "2 runs, 1 done, 1 to run." in second.stderr
    third = cli("suite", "small.yaml")
    assert "2 runs, 2 done." in third.stderr
    other = json.loads(cli("suite", "small.yaml", "--precision", "bf16", "--json").stdout)
    assert [row["state"] for row in other] == ["missing", "missing"]


def test_runs_beside_each_other_on_the_command_line(
    cli: Run, with_plugin: Path, tmp_path: Path
) -> None:
    """Two at a time: what breaks is told with its last words, the other leaves its record."""
    (tmp_path / "small.yaml").write_text(SUITE)
    answer = cli("suite", "small.yaml", "--jobs", "2")
    assert answer.returncode == 1
    assert "1 broken" in answer.stderr
    assert "1 finished" in answer.stderr
    assert "log.txt" in answer.stderr
    assert len(list((tmp_path / "results/records").glob("*.json"))) == 1


def test_a_misspelt_method_instead_of_the_suites(
    cli: Run, with_plugin: Path, tmp_path: Path
) -> None:
    (tmp_path / "small.yaml").write_text(SUITE)
    answer = cli("suite", "small.yaml", "--method", "dcgn")
    assert answer.returncode == 2
    assert "did you mean 'dcgan'" in answer.stderr


def test_ctrl_c_saves_the_run_at_hand_and_starts_no_other(
    cli: Run, with_plugin: Path, tmp_path: Path
) -> None:
    """The signal goes to the whole group, as from a terminal; the same command goes on."""
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
        _, rest = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "1 stopped, 2 left" in rest
    states = [row["state"] for row in json.loads(cli("suite", "small.yaml", "--json").stdout)]
    assert states == ["begun", "missing"]
