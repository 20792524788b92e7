"""An edited plugin is noticed: its run is computed anew, and nothing that was stopped is lost."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import pytest

from benchbed.results.sources import find_changed_packages, hash_sources

RUN = (
    "run", "--method", "tiny-lsgan", "--dataset", "discs", "--size", "16", "--kimg", "0.03",
    "--samples", "12", "--metric", "swd", "--device", "cpu",
)  # fmt: skip

CODE = '''"""A module."""


class A:
    """A class."""

    def f(self, x):  # a comment
        """Add one."""
        return x + 1
'''


@pytest.mark.parametrize(
    ("changed", "is_equal"),
    [
        (CODE.replace("  # a comment", "").replace("Add one.", "Return x + 1."), True),
        (CODE.replace("return x + 1", "return (x\n                + 1)"), True),
        (CODE.replace("x + 1", "x + 2"), False),
        (CODE.replace("class A:", "class B:"), False),
    ],
)
@pytest.mark.parametrize("is_package", [True, False])
def test_only_code_counts(
    is_package: bool,
    changed: str,
    is_equal: bool,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    name = f"hashed_{is_package}_{abs(hash(changed))}"
    file = tmp_path / name / "inner.py" if is_package else tmp_path / f"{name}.py"
    file.parent.mkdir(exist_ok=True)
    if is_package:
        (file.parent / "__init__.py").touch()
    file.write_text(CODE)
    monkeypatch.syspath_prepend(str(tmp_path))
    before = hash_sources([f"{name}.inner:A"])
    file.write_text(changed)
    after = hash_sources([f"{name}.inner:A", f"{name}:B"])
    assert list(before) == list(after) == [name]
    assert (find_changed_packages(before, after) == []) == is_equal


def test_packages_of_other_records_are_not_compared() -> None:
    assert find_changed_packages({"a": "1", "b": "2"}, {"b": "2", "c": "3"}) == []


@pytest.fixture
def run(
    third_party: Path, cli: Callable[..., CompletedProcess[str]], tmp_path: Path
) -> Callable[..., CompletedProcess[str]]:
    """Return a function that runs a copy of the example plugin."""
    copy = tmp_path / "plugins"
    shutil.copytree(third_party, copy)
    results = str(tmp_path / "results")
    return lambda *options: cli(*RUN, *options, PYTHONPATH=str(copy), BENCHBED_RESULTS=results)


def _edit(tmp_path: Path) -> None:
    file = tmp_path / "plugins/benchbed_example/lsgan.py"
    file.write_text(file.read_text() + "\n\nEDITED = True\n")


def _read(tmp_path: Path, pattern: str) -> dict[str, Any]:
    (path,) = (tmp_path / "results").glob(pattern)
    content: dict[str, Any] = json.loads(path.read_text())
    return content


def test_a_completed_run_of_other_code_is_computed_anew(
    run: Callable[..., CompletedProcess[str]], tmp_path: Path
) -> None:
    """The record of the old code was returned as that of the new one."""
    assert run().returncode == 0
    first = _read(tmp_path, "records/*.json")["provenance"]
    again = run()
    assert "benchbed_example" not in again.stderr
    assert _read(tmp_path, "records/*.json")["provenance"] == first
    _edit(tmp_path)
    kept = run("--keep-changed")
    assert kept.returncode == 0
    assert _read(tmp_path, "records/*.json")["provenance"] == first
    anew = run()
    assert anew.returncode == 0
    assert "benchbed_example" in anew.stderr
    assert "--keep-changed" in anew.stderr
    second = _read(tmp_path, "records/*.json")["provenance"]
    assert second["sources"].keys() == first["sources"].keys() == {"benchbed_example"}
    assert second["sources"] != first["sources"]


def test_a_stopped_run_of_other_code_continues_and_says_so(
    run: Callable[..., CompletedProcess[str]], tmp_path: Path
) -> None:
    assert run().returncode == 0
    (record,) = (tmp_path / "results").glob("records/*.json")
    record.unlink()
    (state,) = (tmp_path / "results").glob("runs/*/run.json")
    state.write_text(json.dumps({**json.loads(state.read_text()), "state": "interrupted"}))
    _edit(tmp_path)
    result = run()
    assert result.returncode == 0
    assert "benchbed_example" in result.stderr
    assert "--force" in result.stderr
