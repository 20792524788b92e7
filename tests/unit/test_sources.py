"""An edited plugin is noticed: its run is computed anew, and nothing that was stopped is lost."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import pytest
import torch

from benchbed.results import provenance
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


def _commit(folder: Path) -> None:
    identity = ("-c", "user.name=n", "-c", "user.email=e", "-c", "commit.gpgsign=false")
    for words in (("init", "-q"), ("add", "."), (*identity, "commit", "-qm", "x")):
        subprocess.run(["git", "-C", str(folder), *words], check=True)


@pytest.mark.parametrize(
    ("change", "is_found"),
    [
        (lambda package: None, False),
        (lambda package: (package / "__init__.py").write_text("A = 2\n"), True),
        (lambda package: (package / "new.py").write_text("A = 2\n"), True),
        (lambda package: (package.parent / "notes.txt").write_text("outside\n"), False),
        (lambda package: shutil.rmtree(package.parent / ".git"), False),
    ],
)
def test_uncommitted_changes_of_a_plugin_are_found(
    change: Callable[[Path], object],
    is_found: bool,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """`dirty` was about the repository of benchbed only."""
    name = f"committed_{tmp_path.name}"
    package = tmp_path / name
    package.mkdir()
    (package / "__init__.py").write_text("A = 1\n")
    _commit(tmp_path)
    change(package)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(provenance, "_find_commit", lambda: ("abc", False))
    collected = provenance.collect_provenance("", torch.device("cpu"), sources={name: "0" * 12})
    assert collected.uncommitted == ([name] if is_found else [])
    assert collected.has_local_changes is is_found


def test_installed_copies_are_known_by_their_version(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "site-packages").mkdir()
    (tmp_path / "site-packages/installed_gan.py").write_text("A = 1\n")
    subprocess.run(["git", "-C", str(tmp_path), "init", "-q"], check=True)
    monkeypatch.syspath_prepend(str(tmp_path / "site-packages"))
    assert provenance.find_uncommitted_packages(["installed_gan", "not_installed"]) == []
