"""``benchbed export`` and ``import`` as two users see them."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

Run = Callable[..., "subprocess.CompletedProcess[str]"]

RECORD = Path(__file__).parents[2] / "results/records/acgan-fundus-64px-s0-21c321eb.json"


def _ok(answer: subprocess.CompletedProcess[str]) -> str:
    assert answer.returncode == 0, answer.stderr
    assert "Traceback" not in answer.stderr
    return answer.stdout


def test_a_run_goes_to_somebody_else(cli: Run, with_plugin: Path, tmp_path: Path) -> None:
    """Exported, imported, shown and sampled from; tests of units compare the bits."""
    run = json.loads(
        _ok(
            cli(
                "run", "--method", "tiny-lsgan", "--dataset", "discs", "--size", "16",
                "--kimg", "0.1", "--samples", "8", "--metric", "swd", "--json",
            )
        )
    )["id"]  # fmt: skip
    made = json.loads(_ok(cli("export", run[:20], "--json")))
    assert made["file"] == f"{run}.zip"
    there = {"BENCHBED_RESULTS": str(tmp_path / "theirs")}
    answer = cli("import", f"{run}.zip", **there)
    assert _ok(answer) == f"{run}, SHA-256 {made['sha256']}\n"
    assert f"Next: benchbed sample {run}" in answer.stderr
    shown = json.loads(_ok(cli("show", run, "--json", **there)))
    assert shown["imported"].startswith(f"from {run}.zip, SHA-256 {made['sha256']}")
    assert shown["weights"] == "present"
    _ok(cli("sample", run, "-n", "3", "--seed", "4", "--out", "pictures", **there))
    assert len(list((tmp_path / "pictures").iterdir())) == 3


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("export", "no-such-run"), ["no run 'no-such-run'"]),
        (("export", "acgan"), ["are not here", "Train it with: benchbed run --method acgan"]),
        (("import", "none.zip"), ["There is no archive none.zip", "benchbed export RUN"]),
        (("import", "text.zip"), ["text.zip is not taken", "no zip file"]),
    ],
)
def test_what_is_refused_is_refused_without_torch(
    tmp_path: Path, words: tuple[str, ...], expected: list[str]
) -> None:
    records = tmp_path / "results/records"
    records.mkdir(parents=True)
    shutil.copy(RECORD, records)
    (tmp_path / "text.zip").write_text("no archive")
    code = (
        f"import sys\nsys.argv = ['benchbed', *{words!r}]\n"
        "from benchbed.cli.main import main\n"
        "try:\n    main()\nfinally:\n"
        "    print([m for m in ('torch', 'pandas', 'numpy') if m in sys.modules])"
    )
    answer = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path, check=False
    )
    assert answer.returncode == 2
    assert answer.stdout == "[]\n"
    for word in expected:
        assert word in answer.stderr
    assert sorted(path.name for path in tmp_path.rglob("*") if path.is_file()) == [
        RECORD.name, "text.zip",
    ]  # fmt: skip


def test_show_knows_a_run_by_its_record_alone(cli: Run, tmp_path: Path) -> None:
    records = tmp_path / "results/records"
    records.mkdir(parents=True)
    shutil.copy(RECORD, records)
    facts = json.loads(_ok(cli("show", RECORD.stem[:-3], "--json")))
    assert facts["run"] == RECORD.stem
    assert facts["weights"] == "missing"
    assert facts["metrics"][0]["value"] == "0.1127"
    assert "0.1127" in _ok(cli("show", RECORD.stem))
