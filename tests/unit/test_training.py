"""The training loop through the harness: budget, history, pictures, divergence, faults."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from benchbed.data.feed import Feed
from benchbed.errors import BenchbedError
from benchbed.runs.assemble import build, prepare_plan
from benchbed.runs.device import fabric
from benchbed.runs.done import checkpoint_of
from benchbed.runs.lookup import folder_names, state_of
from benchbed.runs.plan import Plan, plan
from benchbed.runs.request import Request
from benchbed.runs.runner import RunFailed, carry_out
from benchbed.runs.store import Store
from benchbed.training.budget import Budget, Position
from benchbed.training.events import Progress, Silent
from benchbed.training.loop import Interrupted, Loop, Options
from benchbed.training.sampling import draw

pytestmark = pytest.mark.usefixtures("with_plugin")


def _plan(**changes: Any) -> Plan:
    settings = changes.pop("settings", {})
    request = {"kimg": 0.4, "size": 16, "samples": 8, "metrics": ("kl",), **changes}
    return plan(Request(method="tiny-lsgan", dataset="discs", settings=settings, **request))


def _run(tmp_path: Path, **changes: Any) -> tuple[Any, Path]:
    store = Store(tmp_path)
    outcome = carry_out(_plan(**changes), store)
    return outcome.record, outcome.folder


def test_a_run_leaves_history_pictures_state_and_record(tmp_path: Path) -> None:
    record, folder = _run(tmp_path)
    assert record.state == "finished"
    assert record.training.kimg == 0.4
    assert record.training.steps == 50
    assert record.training.updates == {"discriminator": 50, "generator": 50}
    assert json.loads((folder / "run.json").read_text())["state"] == "finished"
    with (folder / "history.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [int(row["step"]) for row in rows] == list(range(1, 51))
    assert rows[-1]["kimg"] == "0.400"
    assert {"discriminator", "generator"} <= rows[0].keys()
    pictures = sorted(path.name for path in (folder / "samples").iterdir())
    assert {"final.png", "real.png"} < set(pictures)
    with Image.open(folder / "samples/final.png") as picture:
        assert picture.size == (8 * 130, 4 * 130)


def test_the_same_seed_gives_the_same_run_and_another_does_not(tmp_path: Path) -> None:
    first, _ = _run(tmp_path / "a")
    again, _ = _run(tmp_path / "b")
    other, _ = _run(tmp_path / "c", seed=1)
    assert first.metrics == again.metrics
    assert first.id == again.id
    assert first.metrics != other.metrics
    assert first.id != other.id


def test_a_run_that_is_done_is_not_computed_twice_unless_forced(tmp_path: Path) -> None:
    store = Store(tmp_path)
    first = carry_out(_plan(), store)
    assert first.fresh
    assert not carry_out(_plan(), store).fresh
    assert carry_out(_plan(), store, force=True).fresh


def test_metrics_that_a_done_run_lacks_are_measured_without_training_it_again(
    tmp_path: Path,
) -> None:
    """As if they had been asked for at once; how the run was made stays in its record."""
    store = Store(tmp_path / "later")
    first = carry_out(_plan(metrics=("kl",)), store).record
    history = (store.run_folder(first.id) / "history.csv").read_bytes()
    later = carry_out(_plan(metrics=("swd", "kl")), store).record
    at_once = carry_out(_plan(metrics=("kl", "swd")), Store(tmp_path / "at-once")).record
    assert later.metrics == at_once.metrics
    assert (later.training, later.provenance) == (first.training, first.provenance)
    assert (store.run_folder(first.id) / "history.csv").read_bytes() == history
    assert not carry_out(_plan(metrics=("swd",)), store).fresh
    again = carry_out(_plan(metrics=("swd",)), store, force=True).record
    assert {m.metric: m for m in again.metrics} == {m.metric: m for m in later.metrics}


def test_without_weights_what_a_done_run_lacks_is_said(tmp_path: Path) -> None:
    store = Store(tmp_path)
    first = carry_out(_plan(metrics=("kl",)), store).record
    checkpoint_of(_plan(), store).unlink()
    heard: list[str] = []
    listener = Silent()
    listener.say = heard.append  # type: ignore[method-assign]
    assert carry_out(_plan(metrics=("kl", "swd")), store, listener).record == first
    assert len(heard) == 1
    assert "lacks swd, and the weights are not here" in heard[0]


def test_every_part_of_the_identity_changes_the_run(tmp_path: Path) -> None:
    ids = {
        _plan().id,
        _plan(seed=1).id,
        _plan(kimg=0.5).id,
        _plan(size=32).id,
        _plan(samples=9).id,
        _plan(augment="flip").id,
        _plan(precision="bf16").id,
        _plan(settings={"width": 4}).id,
    }
    assert len(ids) == 8
    assert _plan(metrics=("swd",)).id == _plan().id, "what is measured does not change what is run"


def test_training_learns_on_the_discs(tmp_path: Path) -> None:
    """Proves that updates go the right way: samples come nearer to the data than untrained ones.

    Long enough for every seed: processors round otherwise, so that a seed is another one on each.
    """
    untrained, _ = _run(tmp_path, kimg=0.008, metrics=("swd",), samples=24)
    trained, _ = _run(tmp_path, kimg=16, metrics=("swd",), samples=24)
    assert trained.metrics[0].value < 0.6 * untrained.metrics[0].value


def test_divergence_is_a_result(tmp_path: Path) -> None:
    record, folder = _run(tmp_path, settings={"nan_at": 20})
    assert record.state == "diverged"
    assert "loss 'generator' was nan" in record.message
    assert record.metrics == []
    assert json.loads((folder / "run.json").read_text())["state"] == "diverged"
    assert len((folder / "history.csv").read_text().splitlines()) == 22


def test_a_broken_method_fails_with_its_traceback_kept_and_no_record(tmp_path: Path) -> None:
    store = Store(tmp_path)
    with pytest.raises(RunFailed, match="the plugin has a bug"):
        carry_out(_plan(settings={"fail_at": 5}), store)
    (run,) = folder_names(store)
    assert state_of(store, run) == "failed"
    assert store.records() == []
    log = next(tmp_path.glob("runs/*/log.txt")).read_text()
    assert "Traceback" in log
    assert "lsgan.py" in log


def test_two_processes_do_not_work_on_one_run(tmp_path: Path) -> None:
    store = Store(tmp_path)
    with store.locked(_plan().id), pytest.raises(BenchbedError, match="Another process"):
        carry_out(_plan(), store)


def test_a_budget_by_the_clock_ends_on_time_and_counts_only_training(tmp_path: Path) -> None:
    record, _ = _run(tmp_path, kimg=None, seconds=1.0, settings={"step_ms": 10})
    assert 1.0 <= record.training.seconds < 1.5
    assert record.training.steps >= 5


def test_budgets_tell_their_share() -> None:
    assert Budget(kimg=2).share(Position(shown=500)) == 0.25
    assert Budget(seconds=10).share(Position(seconds=20)) == 1.0
    assert Budget(kimg=10).log_steps(10) == 5


def test_sampling_is_apart_from_training(tmp_path: Path) -> None:
    """Pictures while training must change neither the weights nor the random state."""
    quiet, _ = _run(tmp_path / "a")
    store = Store(tmp_path / "b")
    busy = carry_out(_plan(), store, options=Options(pictures=40, checkpoint_seconds=0)).record
    assert quiet.metrics == busy.metrics


def test_samples_are_the_same_for_a_seed_and_leave_the_generators_alone(tmp_path: Path) -> None:
    planned = _plan()
    method = build(planned, prepare_plan(planned, Silent()), fabric("cpu", "fp32"))
    before = torch.get_rng_state()
    first, again, other = (draw(method, 5, seed).image for seed in (1, 1, 2))
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert method.training


class _Listener(Silent):
    def __init__(self) -> None:
        self.progress: list[Progress] = []

    def training(self, progress: Progress) -> None:
        self.progress.append(progress)


def test_progress_reports_speed_losses_and_time_left(tmp_path: Path) -> None:
    listener = _Listener()
    carry_out(_plan(kimg=2, settings={"step_ms": 5}), Store(tmp_path), listener)
    middle = listener.progress[1]
    assert 0 < middle.share < 1
    assert 0 < middle.images_per_second < 8 / 0.005
    assert 0 < middle.remaining < 60
    assert {"discriminator", "generator"} == middle.losses.keys()
    assert listener.progress[-1].share == 1.0


def test_a_stop_saves_and_the_next_call_goes_on(tmp_path: Path) -> None:
    planned = _plan()
    prepared = prepare_plan(planned, Silent())

    def loop(stop_after: int) -> Loop:
        method = build(planned, prepared, fabric("cpu", "fp32"))

        return Loop(
            method=method,
            name="tiny-lsgan",
            run=planned.id,
            feed=Feed(prepared.split("train"), 0, torch.device("cpu")),
            budget=Budget(kimg=0.4),
            folder=tmp_path,
            reporter=Silent(),
            preview=lambda: np.zeros((8, 8, 3), np.uint8),
            stop=lambda: method.steps >= stop_after,
        )

    with pytest.raises(Interrupted):
        loop(20).train()
    second = loop(10**9)
    assert second.train().shown == 400
    assert second.method.steps == 50


def test_bf16_trains_and_says_so(tmp_path: Path) -> None:
    record, _ = _run(tmp_path, precision="bf16")
    assert (record.state, record.precision) == ("finished", "bf16")


def test_an_unknown_device_is_refused() -> None:
    with pytest.raises(BenchbedError, match="auto, cpu, cuda"):
        fabric("tpu", "fp32")
    if not torch.cuda.is_available():
        with pytest.raises(BenchbedError, match="not there"):
            fabric("cuda:7", "fp32")


def test_a_metric_that_needs_more_images_refuses_in_words_before_training(tmp_path: Path) -> None:
    with pytest.raises(BenchbedError, match=r"too few for swd \(8\); give --samples 8"):
        _run(tmp_path, samples=4, metrics=("swd",))


def test_memorisation_is_measured_and_shown(tmp_path: Path) -> None:
    """The phantom holds out its test split; the picture has two rows of each side."""
    record, folder = _run(tmp_path, samples=16, metrics=("memorisation",))
    found = record.metrics[0]
    assert found.value is not None
    assert found.low is not None
    assert found.high is not None
    assert 0 <= found.low <= found.value <= found.high <= 1
    with Image.open(folder / "samples" / "nearest.png") as picture:
        assert picture.size == (8 * 130, 4 * 130)


def test_the_mean_of_a_loss_is_over_the_steps_that_had_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A method of two stages reports other losses in each; a row that holds both dilutes none."""
    planned = _plan()
    prepared = prepare_plan(planned, Silent())
    method = build(planned, prepared, fabric("cpu", "fp32"))

    def stages(batch: Any, progress: float) -> dict[str, torch.Tensor]:
        return {"first": torch.tensor(4.0)} if progress < 0.5 else {"second": torch.tensor(8.0)}

    monkeypatch.setattr(method, "training_step", stages)
    loop = Loop(
        method=method,
        name="tiny-lsgan",
        run=planned.id,
        feed=Feed(prepared.split("train"), 0, torch.device("cpu")),
        budget=Budget(kimg=0.4),
        folder=tmp_path,
        reporter=Silent(),
        preview=lambda: np.zeros((8, 8, 3), np.uint8),
    )
    loop._log_steps = 20
    loop.train()
    with (tmp_path / "history.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [(row["first"], row["second"]) for row in rows] == [("4", ""), ("4", "8"), ("", "8")]


def test_a_checkpoint_that_counts_no_steps_is_told(tmp_path: Path) -> None:
    store = Store(tmp_path)
    carry_out(_plan(), store)
    path = checkpoint_of(_plan(), store)
    content = torch.load(path, weights_only=True)
    store.record_path(_plan().id).unlink()
    for steps in (float("inf"), float("nan"), "many", None):
        content["state"]["steps"] = steps
        torch.save(content, path)
        with pytest.raises(BenchbedError, match=r"last\.pt is damaged"):
            carry_out(_plan(), store)
