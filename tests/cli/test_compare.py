"""The command ``benchbed compare``."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

Run = Callable[..., "subprocess.CompletedProcess[str]"]

RECORDS = Path(__file__).parents[2] / "results/records"
FIRST, SECOND = "acgan-fundus-64px-s0-21c321eb", "acgan-fundus-64px-s1-2bc0eb8d"
REAL = "acgan-fundus-64px-s0-c548e39f"


@pytest.fixture
def committed(tmp_path: Path) -> Path:
    """Three committed records: two seeds on the phantom, one run on real images."""
    folder = tmp_path / "results/records"
    folder.mkdir(parents=True)
    for name in (FIRST, SECOND, REAL):
        shutil.copy(RECORDS / f"{name}.json", folder)
    return folder


def test_two_seeds_are_printed_side_by_side(cli: Run, committed: Path) -> None:
    result = cli("compare", FIRST[:-2], SECOND[:-2])
    assert result.returncode == 0, result.stderr
    lines = result.stdout.splitlines()
    assert lines[:2] == [f"A  {FIRST}", f"B  {SECOND}"]
    assert next(line.split() for line in lines if "seed" in line) == ["seed", "0", "1"]
    assert "processor" not in result.stdout
    assert "processor" in cli("compare", FIRST, SECOND, "--all").stdout
    swd = next(line for line in lines if line.startswith("SWD"))
    assert swd.split() == ["SWD", "↓", "0.1127", "✓", "0.1257"]


def test_the_reasons_against_a_comparison_are_printed_first(cli: Run, committed: Path) -> None:
    result = cli("compare", FIRST, REAL)
    reasons, _, values = result.stdout.partition(f"A  {FIRST}")
    assert re.search(r"source\b.*phantom.*real\n.*fingerprint", reasons)
    assert "swd" in values.lower()
    assert not any(mark in values for mark in "✓≈")


def test_json_contains_values_and_comparability(cli: Run, committed: Path) -> None:
    comparison = json.loads(cli("compare", FIRST, SECOND, "--json").stdout)
    assert comparison["comparable"] is True
    record = json.loads((committed / f"{SECOND}.json").read_text())
    (swd,) = [line for line in comparison["metrics"] if line["metric"] == "swd"]
    assert swd["best"] == [FIRST]
    assert swd["values"][1]["value"] == record["metrics"][0]["value"]
    assert json.loads(cli("compare", FIRST, REAL, "--json").stdout)["comparable"] is False


@pytest.mark.parametrize(
    ("arguments", "facts"),
    [
        ((FIRST,), ["benchbed list runs"]),
        ((FIRST, FIRST), [FIRST]),
        ((FIRST, "acgan-fundus"), ["'acgan-fundus'", "3 runs", FIRST, SECOND, REAL]),
        ((FIRST, "acgan-fundas"), ["'acgan-fundas'", "benchbed list runs"]),
        ((FIRST, ""), ["''"]),
        ((FIRST, "../records/x"), ["'../records/x'"]),
    ],
)
def test_wrong_runs_exit_with_2(
    cli: Run, committed: Path, arguments: tuple[str, ...], facts: list[str]
) -> None:
    result = cli("compare", *arguments)
    assert result.returncode == 2
    assert result.stdout == ""
    assert "Traceback" not in result.stderr
    for fact in facts:
        assert fact in result.stderr


def test_a_run_without_a_record_gets_the_command_that_resumes_it(
    cli: Run, committed: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "results/runs/unfinished-run"
    folder.mkdir(parents=True)
    (folder / "run.json").write_text('{"state": "interrupted"}')
    result = cli("compare", FIRST, "unfinished")
    assert result.returncode == 2
    assert "interrupted" in result.stderr
    assert "benchbed run --resume unfinished-run" in result.stderr


def test_control_characters_in_a_record_are_escaped(cli: Run, committed: Path) -> None:
    path = committed / f"{SECOND}.json"
    record = json.loads(path.read_text())
    record["provenance"]["processor"] = "\x1b[2J[red]evil"
    path.write_text(json.dumps(record))
    result = cli("compare", FIRST, SECOND)
    assert result.returncode == 2
    assert "\\x1b[2J[red]evil" in result.stderr
    assert "\x1b[2J" not in result.stdout + result.stderr


def test_compare_does_not_import_torch_or_pandas(committed: Path, tmp_path: Path) -> None:
    code = (
        f"import sys\nsys.argv = ['benchbed', 'compare', {FIRST!r}, {SECOND!r}]\n"
        "from benchbed.cli.main import app\n"
        "app(standalone_mode=False)\n"
        "print([m for m in ('torch', 'pandas') if m in sys.modules])"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path, check=True
    )
    assert result.stdout.splitlines()[-1] == "[]"
