"""A suite as a user runs it: planned, run, done, and gone on with after a stop."""

from __future__ import annotations

import json
import subprocess
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
presets:
  quick: {size: 32, kimg: 0.2, samples: 16, settings: {batch_size: 8}}
"""


def test_a_suite_runs_what_is_missing(cli: Run, with_plugin: Path, tmp_path: Path) -> None:
    """A run that breaks does not stop the next; a second call runs only what is not done."""
    (tmp_path / "small.yaml").write_text(SUITE)
    dry = cli("suite", "small.yaml", "--dry-run")
    assert "2 to run" in dry.stderr
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
    assert "2 runs, 1 done, 1 to run" in second.stderr
    third = cli("suite", "small.yaml")
    assert "2 runs, 2 done." in third.stderr
