"""Untrusted runs: checkpoints, records and ``run.json`` are used, or rejected by name."""

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

CountAttempt = Callable[..., None]
Content = dict[str, Any]

HISTORIC = Path(__file__).parents[1] / "historic/schema-1"
RUN = next(HISTORIC.glob("runs/*")).name


@pytest.fixture
def store(tmp_path: Path) -> ResultStore:
    """A results folder with one finished run and its weights."""
    for part in ("records", "runs"):
        shutil.copytree(HISTORIC / part, tmp_path / "results" / part)
    return ResultStore(tmp_path / "results")


def _change_state(**changes: Any) -> Callable[[Content], Content]:
    return lambda saved: {**saved, "state": {**saved["state"], **changes}}


def _change_data(**changes: Any) -> Callable[[Content], Content]:
    return lambda saved: {**saved, "data": {**saved["data"], **changes}}


def _without(name: str) -> Callable[[Content], Content]:
    return lambda saved: {key: value for key, value in saved.items() if key != name}


CHECKPOINTS: dict[str, Callable[[Content], Content]] = {
    "header only": lambda saved: {name: saved[name] for name in ("format", "method")},
    "no run": _without("run"),
    "no state": _without("state"),
    "no data": _without("data"),
    "state is None": lambda saved: {**saved, "state": None},
    "run is a tensor": lambda saved: {**saved, "run": torch.arange(3000)},
    "steps as text": _change_state(steps="five"),
    "infinite steps": _change_state(steps=float("inf")),
    "steps of 5,000 digits": _change_state(steps=10**5000),
    "steps as a tensor": _change_state(steps=torch.arange(9)),
    "networks as a list": _change_state(modules=[1, 2]),
    "network is a number": _change_state(modules={"generator": 3}),
    "tensor as text": _change_state(modules={"generator": {"0.weight": "text"}}),
    "complex tensors": _change_state(own={"more": torch.zeros(3, dtype=torch.complex64)}),
    "tensors with integer keys": _change_state(own={1: torch.zeros(3), "b": torch.zeros(3)}),
    "data as a list": lambda saved: {**saved, "data": [3, 32, 32]},
    "no size": _change_data(spatial=[]),
    "size as text": _change_data(spatial="large"),
    "size of one pixel": _change_data(spatial=(1, 1)),
    "huge size": _change_data(spatial=(10**9, 10**9)),
}
"""Changes that make a checkpoint invalid."""


def _error_message(use: Callable[[], object]) -> str:
    """Return the message of the `BenchbedError`, or an empty string if there is none."""
    try:
        use()
    except BenchbedError as error:
        return str(error)
    return ""


@pytest.mark.attack(
    guarantee="Untrusted checkpoints are used, or rejected with a message that names them.",
    attack="checkpoints with missing or wrong parts: export, sample, import",
)
def test_invalid_checkpoints(
    store: ResultStore, tmp_path: Path, count_attempt: CountAttempt
) -> None:
    path = store.get_run_folder(RUN) / "checkpoints/last.pt"
    valid = torch.load(path, weights_only=True)
    offer = check_archive(HISTORIC / "run.zip")
    uses: dict[str, Callable[[], object]] = {
        "export": lambda: export_run(find_exportable_run(store, RUN), tmp_path / "out.zip"),
        "sample": lambda: load_trained_method(store, RUN, "cpu"),
        "import": lambda: import_run(offer, store),
    }
    for name, use in uses.items():
        assert _error_message(use) == "", name
    (tmp_path / "out.zip").unlink()
    for kind, change in CHECKPOINTS.items():
        torch.save(change(copy.deepcopy(valid)), path)
        messages = {name: _error_message(use) for name, use in uses.items()}
        assert any(messages.values()), kind
        for name, text in messages.items():
            assert "\n" not in text, (kind, name)
            facts = ("last.pt", RUN, "'generator.")
            assert not text or any(fact in text for fact in facts), (kind, name, text)
            count_attempt(name)
        (tmp_path / "out.zip").unlink(missing_ok=True)


@pytest.mark.attack(
    guarantee="Every accepted record or run is usable.",
    attack="an unknown precision in run.json and in an archive",
)
def test_an_unknown_precision_is_rejected(
    store: ResultStore,
    make_forged_archive: Callable[[Callable[[Content], None]], Path],
    count_attempt: CountAttempt,
) -> None:
    path = store.get_run_folder(RUN) / "run.json"
    content = json.loads(path.read_text(encoding="utf-8"))
    for precision in ("fp16", "", "__class__", "FP32"):
        content["plan"]["precision"] = precision
        path.write_text(json.dumps(content), encoding="utf-8")
        with pytest.raises(BenchbedError, match=f"'{precision}'"):
            load_trained_method(store, RUN, "cpu")
        count_attempt("run.json")
        archive = make_forged_archive(lambda record: record.update(precision=precision))  # noqa: B023
        with pytest.raises(ArchiveError, match=f"'{precision}'.*fp32.*bf16"):
            check_archive(archive)
        count_attempt("archive")


@pytest.mark.attack(
    guarantee="Every accepted record or run is usable.",
    attack="run.json with strings for numbers in its protocol, and invalid metric names",
)
def test_invalid_plans(store: ResultStore, count_attempt: CountAttempt) -> None:
    path = store.get_run_folder(RUN) / "run.json"
    valid = json.loads(path.read_text(encoding="utf-8"))
    invalid_values: dict[str, Any] = {
        "size": "32",
        "kimg": "16",
        "samples": None,
        "preset": 3,
        "source": [],
    }
    for name, value in invalid_values.items():
        protocol = {**valid["plan"]["protocol"], name: value}
        plan = {**valid["plan"], "protocol": protocol}
        path.write_text(json.dumps({**valid, "plan": plan}), encoding="utf-8")
        with pytest.raises(BenchbedError, match=r"run\.json"):
            load_trained_method(store, RUN, "cpu")
        count_attempt("protocol")
    plan = {**valid["plan"], "metrics": ["swd", 3]}
    path.write_text(json.dumps({**valid, "plan": plan}), encoding="utf-8")
    with pytest.raises(BenchbedError, match=r"run\.json"):
        load_trained_method(store, RUN, "cpu")
    count_attempt("metrics")


@pytest.mark.attack(
    guarantee="A run id identifies exactly one record.",
    attack="a record under the id of another run, and two files of one run",
)
def test_a_record_under_another_id_is_rejected(
    store: ResultStore, count_attempt: CountAttempt
) -> None:
    record_path = store.get_record_path(RUN)
    copied_path = store.get_record_path("another-run")
    shutil.copy(record_path, copied_path)
    message = rf"\b{RUN}\b.*\banother-run\b.*\b{RUN}\.json\b"
    for read in (store.load_records, lambda: store.load_record("another-run")):
        with pytest.raises(BenchbedError, match=message):
            read()
        count_attempt("two files of one run")
    record_path.unlink()
    with pytest.raises(BenchbedError, match=message):
        store.load_records()
    count_attempt("id of another run")
