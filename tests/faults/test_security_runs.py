"""Runs of strangers: their checkpoints, records and ``run.json`` are used, or refused by name."""

from __future__ import annotations

import copy
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from benchbed.errors import BenchbedError
from benchbed.results.store import ResultStore
from benchbed.runs.build import load_trained_method
from benchbed.sharing.archive import ArchiveError
from benchbed.sharing.export import export_run, find_exportable_run
from benchbed.sharing.install import check_archive, import_run

Tried = Callable[..., None]
Content = dict[str, Any]

OLD = Path(__file__).parents[1] / "historic/schema-1"
RUN = next(OLD.glob("runs/*")).name


@pytest.fixture
def store(tmp_path: Path) -> ResultStore:
    """A results folder with one finished run and its weights, a copy."""
    for part in ("records", "runs"):
        shutil.copytree(OLD / part, tmp_path / "results" / part)
    return ResultStore(tmp_path / "results")


def _state(**changes: Any) -> Callable[[Content], Content]:
    return lambda saved: {**saved, "state": {**saved["state"], **changes}}


def _data(**changes: Any) -> Callable[[Content], Content]:
    return lambda saved: {**saved, "data": {**saved["data"], **changes}}


def _without(name: str) -> Callable[[Content], Content]:
    return lambda saved: {key: value for key, value in saved.items() if key != name}


CHECKPOINTS: dict[str, Callable[[Content], Content]] = {
    "a head alone": lambda saved: {name: saved[name] for name in ("format", "method")},
    "no run": _without("run"),
    "no state": _without("state"),
    "no data": _without("data"),
    "a state of nothing": lambda saved: {**saved, "state": None},
    "a run of numbers": lambda saved: {**saved, "run": torch.arange(3000)},
    "steps in words": _state(steps="five"),
    "endless steps": _state(steps=float("inf")),
    "steps of 5,000 digits": _state(steps=10**5000),
    "many steps": _state(steps=torch.arange(9)),
    "networks in a list": _state(modules=[1, 2]),
    "a network of numbers": _state(modules={"generator": 3}),
    "a tensor in words": _state(modules={"generator": {"0.weight": "heavy"}}),
    "tensors of complex numbers": _state(own={"more": torch.zeros(3, dtype=torch.complex64)}),
    "tensors by number": _state(own={1: torch.zeros(3), "b": torch.zeros(3)}),
    "data in a list": lambda saved: {**saved, "data": [3, 32, 32]},
    "no size": _data(spatial=[]),
    "a size in words": _data(spatial="large"),
    "the size of a pixel": _data(spatial=(1, 1)),
    "an endless size": _data(spatial=(10**9, 10**9)),
}
"""What somebody may have made of a checkpoint."""


def _refusal(use: Callable[[], object]) -> str:
    """Why it is refused; empty where it is not. Anything else fails the test."""
    try:
        use()
    except BenchbedError as error:
        return str(error)
    return ""


@pytest.mark.attack(
    promise="Checkpoints of strangers are used, or refused by a sentence that names them.",
    attack="checkpoints that lack a part or have another in its place: export, sample, import",
)
def test_checkpoints_that_are_not_what_they_should_be(
    store: ResultStore, tmp_path: Path, tried: Tried
) -> None:
    path = store.get_run_folder(RUN) / "checkpoints/last.pt"
    sound = torch.load(path, weights_only=True)
    offer = check_archive(OLD / "run.zip")
    uses: dict[str, Callable[[], object]] = {
        "export": lambda: export_run(find_exportable_run(store, RUN), tmp_path / "out.zip"),
        "sample": lambda: load_trained_method(store, RUN, "cpu"),
        "import": lambda: import_run(offer, store),
    }
    for name, use in uses.items():
        assert _refusal(use) == "", name
    (tmp_path / "out.zip").unlink()
    for kind, change in CHECKPOINTS.items():
        torch.save(change(copy.deepcopy(sound)), path)
        said = {name: _refusal(use) for name, use in uses.items()}
        assert any(said.values()), kind
        for name, text in said.items():
            assert "\n" not in text, (kind, name)
            named = ("last.pt", RUN, "The network state 'generator.")
            assert not text or any(words in text for words in named), (kind, name, text)
            tried(name)
        (tmp_path / "out.zip").unlink(missing_ok=True)


@pytest.mark.attack(
    promise="What is read as a record or a run can be used.",
    attack="a precision that there is not, in run.json and in an archive",
)
def test_a_precision_that_there_is_not(
    store: ResultStore, forged: Callable[[Callable[[Content], None]], Path], tried: Tried
) -> None:
    path = store.get_run_folder(RUN) / "run.json"
    content = json.loads(path.read_text(encoding="utf-8"))
    for precision in ("fp16", "", "__class__", "FP32"):
        content["plan"]["precision"] = precision
        path.write_text(json.dumps(content), encoding="utf-8")
        with pytest.raises(BenchbedError, match=f"There is no precision '{precision}'"):
            load_trained_method(store, RUN, "cpu")
        tried("run.json")
        archive = forged(lambda record: record.update(precision=precision))  # noqa: B023
        with pytest.raises(ArchiveError, match=f"its precision is '{precision}', not fp32 or bf16"):
            check_archive(archive)
        tried("archive")


@pytest.mark.attack(
    promise="What is read as a record or a run can be used.",
    attack="run.json whose protocol holds texts for numbers, and metrics that are no names",
)
def test_plans_of_other_kinds(store: ResultStore, tried: Tried) -> None:
    path = store.get_run_folder(RUN) / "run.json"
    sound = json.loads(path.read_text(encoding="utf-8"))
    odd: dict[str, Any] = {"size": "32", "kimg": "16", "samples": None, "preset": 3, "source": []}
    for name, value in odd.items():
        protocol = {**sound["plan"]["protocol"], name: value}
        plan = {**sound["plan"], "protocol": protocol}
        path.write_text(json.dumps({**sound, "plan": plan}), encoding="utf-8")
        with pytest.raises(BenchbedError, match=r"run\.json is broken"):
            load_trained_method(store, RUN, "cpu")
        tried("protocol")
    plan = {**sound["plan"], "metrics": ["swd", 3]}
    path.write_text(json.dumps({**sound, "plan": plan}), encoding="utf-8")
    with pytest.raises(BenchbedError, match=r"run\.json is broken"):
        load_trained_method(store, RUN, "cpu")
    tried("metrics")


@pytest.mark.attack(
    promise="A number leads to the record that it is from, and to no other.",
    attack="a record under the name of another run, and two files of one run",
)
def test_a_record_under_another_name_is_refused(store: ResultStore, tried: Tried) -> None:
    there = store.get_record_path(RUN)
    twin = store.get_record_path("another-run")
    shutil.copy(there, twin)
    words = f"is of the run {RUN}, not of another-run; call the file {RUN}.json"
    for read in (store.load_records, lambda: store.load_record("another-run")):
        with pytest.raises(BenchbedError, match=words):
            read()
        tried("two files of one run")
    there.unlink()
    with pytest.raises(BenchbedError, match=words):
        store.load_records()
    tried("under the name of another")
