"""The command ``benchbed runs prune``."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def results(tmp_path: Path) -> Path:
    """A results folder with a finished run and one that failed nine days ago."""
    root = tmp_path / "results"
    for name, state, size, days in (("done", "finished", 5000, 0), ("broken", "failed", 3000, 9)):
        folder = root / "runs" / name
        (folder / "checkpoints").mkdir(parents=True)
        (folder / "checkpoints/last.pt").write_bytes(bytes(size))
        (folder / "run.json").write_text(json.dumps({"state": state}))
        modified = time.time() - days * 86400
        for path in folder.rglob("*"):
            os.utime(path, (modified, modified))
    (root / "records").mkdir()
    (root / "records/done.json").write_text("{}")
    return root


def _list_files(root: Path) -> set[str]:
    return {str(path.relative_to(root)) for path in root.rglob("*") if path.name != ".lock"}


def test_without_yes_the_plan_is_printed_and_nothing_is_deleted(cli: Run, results: Path) -> None:
    before = _list_files(results)
    result = cli("runs", "prune", "--failed", "--weights")
    assert result.returncode == 0, result.stderr
    lines = {line.split()[0]: line for line in result.stdout.splitlines()}
    assert "to delete" in lines["run"]
    assert "checkpoints" in lines["done"]
    assert "5.0 kB" in lines["done"]
    assert "all" in lines["broken"]
    assert "3.0 kB" in lines["broken"]
    assert "9 d" in lines["broken"]
    assert "8.0 kB" in result.stderr
    assert "--yes" in result.stderr
    assert _list_files(results) == before


def test_with_yes_files_are_deleted_and_freed_bytes_are_counted(cli: Run, results: Path) -> None:
    result = cli("runs", "prune", "--failed", "--older-than", "1d", "--yes", "--json")
    assert result.returncode == 0, result.stderr
    rows = {row["run"]: row for row in json.loads(result.stdout)}
    assert rows["broken"]["freed_bytes"] == rows["broken"]["bytes"]
    assert (rows["done"]["freed_bytes"], rows["done"]["reason"]) == (0, "too young")
    assert not (results / "runs/broken").exists()
    assert (results / "runs/done/checkpoints/last.pt").exists()
    result = cli("runs", "prune", "--weights", "--yes")
    assert "5.0 kB" in result.stderr
    assert _list_files(results) == {
        "records", "records/done.json", "runs", "runs/done", "runs/done/run.json",
        "runs/done/checkpoints",
    }  # fmt: skip


def test_options_that_free_more_space_are_printed(cli: Run, results: Path) -> None:
    result = cli("runs", "prune")
    assert "0 bytes" in result.stderr
    assert re.search(r"--weights\b.*5\.0 kB", result.stderr)
    assert re.search(r"--failed\b.*3\.0 kB", result.stderr)
    assert "--yes" not in result.stderr


@pytest.mark.parametrize("age", ["soon", "", "7", "-1d", "d", "7dx", "1h7d"])
def test_an_invalid_age_is_rejected(cli: Run, results: Path, age: str) -> None:
    result = cli("runs", "prune", "--older-than", age)
    assert result.returncode == 2
    assert "--older-than" in result.stderr
    assert "Traceback" not in result.stderr


def test_a_results_folder_that_does_not_exist_is_named(cli: Run, tmp_path: Path) -> None:
    """A misspelt folder was reported as one without runs."""
    result = cli("runs", "prune", "--results", str(tmp_path / "nope"))
    assert result.returncode == 2
    assert str(tmp_path / "nope") in result.stderr
    assert "--results" in result.stderr


def test_prune_does_not_import_torch(results: Path, tmp_path: Path) -> None:
    code = (
        "import sys\nsys.argv = ['benchbed', 'runs', 'prune', '--yes', '--weights', '--failed']\n"
        "from benchbed.cli.main import app\napp(standalone_mode=False)\n"
        "print([m for m in ('torch', 'pandas', 'numpy') if m in sys.modules])"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path, check=True
    )
    assert result.stdout.splitlines()[-1] == "[]"
    assert not (results / "runs/broken").exists()
