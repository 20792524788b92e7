"""``benchbed compare`` as a user sees it."""

from __future__ import annotations

import json
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
    """Three committed records: two seeds on the phantom, one run on real photographs."""
    folder = tmp_path / "results/records"
    folder.mkdir(parents=True)
    for name in (FIRST, SECOND, REAL):
        shutil.copy(RECORDS / f"{name}.json", folder)
    return folder


def test_two_seeds_stand_side_by_side(cli: Run, committed: Path) -> None:
    answer = cli("compare", FIRST[:-2], SECOND[:-2])
    assert answer.returncode == 0, answer.stderr
    lines = answer.stdout.splitlines()
    assert lines[:2] == [f"A  {FIRST}", f"B  {SECOND}"]
    assert next(line.split() for line in lines if "seed" in line) == ["seed", "0", "1"]
    assert "processor" not in answer.stdout
    assert "processor" in cli("compare", FIRST, SECOND, "--all").stdout
    swd = next(line for line in lines if line.startswith("SWD"))
    assert swd.split() == ["SWD", "↓", "0.1127", "✓", "0.1257"]


def test_what_must_not_be_compared_is_said_first(cli: Run, committed: Path) -> None:
    answer = cli("compare", FIRST, REAL)
    first, second, third, *rest = answer.stdout.splitlines()
    assert first == "These runs must not be compared:"
    assert second == "  other source: phantom, real"
    assert third.startswith("  other fingerprint: ")
    assert not any("✓" in line or "≈" in line for line in rest)


def test_json_holds_values_and_reasons(cli: Run, committed: Path) -> None:
    found = json.loads(cli("compare", FIRST, SECOND, "--json").stdout)
    assert found["comparable"] is True
    record = json.loads((committed / f"{SECOND}.json").read_text())
    (swd,) = [line for line in found["metrics"] if line["metric"] == "swd"]
    assert swd["best"] == [FIRST]
    assert swd["values"][1]["value"] == record["metrics"][0]["value"]
    assert json.loads(cli("compare", FIRST, REAL, "--json").stdout)["comparable"] is False


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ((FIRST,), ["two runs or more"]),
        ((FIRST, FIRST), ["not the same"]),
        ((FIRST, "acgan-fundus"), ["the beginning of 3 runs", SECOND]),
        ((FIRST, "acgan-fundas"), ["no run 'acgan-fundas'", "benchbed list runs"]),
        ((FIRST, ""), ["no run ''"]),
        ((FIRST, "../records/x"), ["no run '../records/x'"]),
    ],
)
def test_wrong_runs_are_one_sentence(
    cli: Run, committed: Path, words: tuple[str, ...], expected: list[str]
) -> None:
    answer = cli("compare", *words)
    assert answer.returncode == 2
    assert answer.stdout == ""
    assert "Traceback" not in answer.stderr
    for word in expected:
        assert word in answer.stderr


def test_a_run_without_a_record_is_told_how_to_go_on(
    cli: Run, committed: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "results/runs/unfinished-run"
    folder.mkdir(parents=True)
    (folder / "run.json").write_text('{"state": "interrupted"}')
    answer = cli("compare", FIRST, "unfinished")
    assert answer.returncode == 2
    assert "no record, for it is interrupted" in answer.stderr
    assert "benchbed run --resume unfinished-run" in answer.stderr


def test_hostile_text_in_a_record_never_reaches_the_terminal(cli: Run, committed: Path) -> None:
    path = committed / f"{SECOND}.json"
    record = json.loads(path.read_text())
    record["provenance"]["processor"] = "\x1b[2J[red]evil"
    path.write_text(json.dumps(record))
    answer = cli("compare", FIRST, SECOND)
    assert answer.returncode == 2
    assert "\\x1b[2J[red]evil" in answer.stderr
    assert "\x1b[2J" not in answer.stdout + answer.stderr


def test_no_torch_and_no_pandas_are_loaded(committed: Path, tmp_path: Path) -> None:
    code = (
        f"import sys\nsys.argv = ['benchbed', 'compare', {FIRST!r}, {SECOND!r}]\n"
        "from benchbed.cli.main import app\n"
        "app(standalone_mode=False)\n"
        "print([m for m in ('torch', 'pandas') if m in sys.modules])"
    )
    answer = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path, check=True
    )
    assert answer.stdout.splitlines()[-1] == "[]"
