"""``benchbed runs prune`` as a user sees it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def results(tmp_path: Path) -> Path:
    """A finished run with its record, and one that failed nine days ago."""
    root = tmp_path / "results"
    for name, state, size, days in (("done", "finished", 5000, 0), ("broken", "failed", 3000, 9)):
        folder = root / "runs" / name
        (folder / "checkpoints").mkdir(parents=True)
        (folder / "checkpoints/last.pt").write_bytes(bytes(size))
        (folder / "run.json").write_text(json.dumps({"state": state}))
        then = time.time() - days * 86400
        for path in folder.rglob("*"):
            os.utime(path, (then, then))
    (root / "records").mkdir()
    (root / "records/done.json").write_text("{}")
    return root


def _tree(root: Path) -> set[str]:
    return {str(path.relative_to(root)) for path in root.rglob("*") if path.name != ".lock"}


def test_the_plan_is_told_and_nothing_removed(cli: Run, results: Path) -> None:
    before = _tree(results)
    answer = cli("runs", "prune", "--failed", "--weights")
    assert answer.returncode == 0, answer.stderr
    lines = {line.split()[0]: line for line in answer.stdout.splitlines()}
    assert "checkpoints, 5.0 kB" in lines["done"]
    assert "all, 3.0 kB" in lines["broken"]
    assert "9 d ago" in lines["broken"]
    assert "8.0 kB would be freed; nothing was removed." in answer.stderr
    assert "--yes" in answer.stderr
    assert _tree(results) == before


def test_what_goes_goes_with_yes_and_is_counted(cli: Run, results: Path) -> None:
    answer = cli("runs", "prune", "--failed", "--older-than", "1d", "--yes", "--json")
    assert answer.returncode == 0, answer.stderr
    rows = {row["run"]: row for row in json.loads(answer.stdout)}
    assert rows["broken"]["freed_bytes"] == rows["broken"]["bytes"]
    assert (rows["done"]["freed_bytes"], rows["done"]["reason"]) == (0, "too young")
    assert not (results / "runs/broken").exists()
    assert (results / "runs/done/checkpoints/last.pt").exists()
    answer = cli("runs", "prune", "--weights", "--yes")
    assert "5.0 kB freed." in answer.stderr
    assert _tree(results) == {
        "records", "records/done.json", "runs", "runs/done", "runs/done/run.json",
        "runs/done/checkpoints",
    }  # fmt: skip


def test_what_more_could_go_is_told(cli: Run, results: Path) -> None:
    answer = cli("runs", "prune")
    assert "0 bytes would be freed" in answer.stderr
    assert "--weights would free 5.0 kB more." in answer.stderr
    assert "--failed would free 3.0 kB more." in answer.stderr
    assert "--yes" not in answer.stderr


@pytest.mark.parametrize("age", ["soon", "", "7", "-1d", "d", "7dx", "1h7d"])
def test_an_age_that_is_none_is_refused(cli: Run, results: Path, age: str) -> None:
    answer = cli("runs", "prune", "--older-than", age)
    assert answer.returncode == 2
    assert "--older-than" in answer.stderr
    assert "Traceback" not in answer.stderr


def test_no_torch_is_loaded(results: Path, tmp_path: Path) -> None:
    code = (
        "import sys\nsys.argv = ['benchbed', 'runs', 'prune', '--yes', '--weights', '--failed']\n"
        "from benchbed.cli.main import app\napp(standalone_mode=False)\n"
        "print([m for m in ('torch', 'pandas', 'numpy') if m in sys.modules])"
    )
    answer = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path, check=True
    )
    assert answer.stdout.splitlines()[-1] == "[]"
    assert not (results / "runs/broken").exists()
