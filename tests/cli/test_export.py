"""The commands ``benchbed export`` and ``benchbed import``."""

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


def _ok(result: subprocess.CompletedProcess[str]) -> str:
    assert result.returncode == 0, result.stderr
    assert "Traceback" not in result.stderr
    return result.stdout


def test_an_exported_run_can_be_imported_and_sampled(
    cli: Run, with_plugin: Path, tmp_path: Path
) -> None:
    """The unit tests compare the weights bit by bit."""
    run = json.loads(
        _ok(
            cli(
                "run", "--method", "tiny-lsgan", "--dataset", "discs", "--size", "16",
                "--kimg", "0.1", "--samples", "8", "--metric", "swd", "--json",
            )
        )
    )["id"]  # fmt: skip
    exported = json.loads(_ok(cli("export", run[:20], "--json")))
    assert exported["file"] == f"{run}.zip"
    other_user = {"BENCHBED_RESULTS": str(tmp_path / "theirs")}
    result = cli("import", f"{run}.zip", **other_user)
    assert _ok(result) == f"{run}, SHA-256 {exported['sha256']}\n"
    assert f"benchbed sample {run}" in result.stderr
    description = json.loads(_ok(cli("show", run, "--json", **other_user)))
    assert f"{run}.zip" in description["imported"]
    assert exported["sha256"] in description["imported"]
    assert description["weights"] == "present"
    _ok(cli("sample", run, "-n", "3", "--seed", "4", "--out", "pictures", **other_user))
    assert len(list((tmp_path / "pictures").iterdir())) == 3


@pytest.mark.parametrize(
    ("arguments", "facts"),
    [
        (("export", "no-such-run"), ["'no-such-run'"]),
        (("export", "acgan"), ["benchbed run --method acgan"]),
        (("import", "none.zip"), ["none.zip", "benchbed export RUN"]),
        (("import", "text.zip"), ["text.zip"]),
    ],
)
def test_wrong_runs_and_archives_exit_with_2_without_importing_torch(
    tmp_path: Path, arguments: tuple[str, ...], facts: list[str]
) -> None:
    records = tmp_path / "results/records"
    records.mkdir(parents=True)
    shutil.copy(RECORD, records)
    (tmp_path / "text.zip").write_text("not a zip file")
    code = (
        f"import sys\nsys.argv = ['benchbed', *{arguments!r}]\n"
        "from benchbed.cli.main import main\n"
        "try:\n    main()\nfinally:\n"
        "    print([m for m in ('torch', 'pandas', 'numpy') if m in sys.modules])"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path, check=False
    )
    assert result.returncode == 2
    assert result.stdout == "[]\n"
    for fact in facts:
        assert fact in result.stderr
    assert sorted(path.name for path in tmp_path.rglob("*") if path.is_file()) == [
        RECORD.name, "text.zip",
    ]  # fmt: skip


def test_show_needs_only_the_record_of_a_run(cli: Run, tmp_path: Path) -> None:
    records = tmp_path / "results/records"
    records.mkdir(parents=True)
    shutil.copy(RECORD, records)
    facts = json.loads(_ok(cli("show", RECORD.stem[:-3], "--json")))
    assert facts["run"] == RECORD.stem
    assert facts["weights"] == "missing"
    assert facts["metrics"][0]["value"] == "0.1127"
    assert "0.1127" in _ok(cli("show", RECORD.stem))
