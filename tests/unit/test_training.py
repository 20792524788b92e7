"""Training runs: budget, history, pictures, divergence, failures."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from benchbed.config.run_config import RunConfig
from benchbed.errors import BenchbedError
from benchbed.results.lookup import list_folder_names, read_state
from benchbed.results.store import ResultStore
from benchbed.runs.build import build_method, prepare_plan_data
from benchbed.runs.execute import RunError, execute_run
from benchbed.runs.plan import RunPlan
from benchbed.runs.planner import plan_run
from benchbed.runs.resume import find_checkpoint
from benchbed.training.device import create_fabric
from benchbed.training.loop import TrainingInterrupted, TrainingLoop, TrainingOptions
from benchbed.training.sampling import draw_samples
from benchbed.utils.progress import Budget, NullReporter, TrainingPosition, TrainingProgress

pytestmark = pytest.mark.usefixtures("with_plugin")

MakeLoop = Callable[..., TrainingLoop]


def _plan(**changes: Any) -> RunPlan:
    settings = changes.pop("settings", {})
    request = {"kimg": 0.4, "size": 16, "samples": 8, "metrics": ("kl",), **changes}
    return plan_run(RunConfig(method="tiny-lsgan", dataset="discs", settings=settings, **request))


def _run(tmp_path: Path, **changes: Any) -> tuple[Any, Path]:
    store = ResultStore(tmp_path)
    outcome = execute_run(_plan(**changes), store)
    return outcome.record, outcome.folder


def test_a_run_writes_history_pictures_state_and_record(tmp_path: Path) -> None:
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


def test_a_completed_run_is_repeated_only_with_force(tmp_path: Path) -> None:
    store = ResultStore(tmp_path)
    first = execute_run(_plan(), store)
    assert first.is_new
    assert not execute_run(_plan(), store).is_new
    assert execute_run(_plan(), store, force=True).is_new


def test_missing_metrics_of_a_completed_run_are_computed_without_retraining(
    tmp_path: Path,
) -> None:
    """Equal to metrics requested at first; the record keeps the provenance of the run."""
    store = ResultStore(tmp_path / "later")
    first = execute_run(_plan(metrics=("kl",)), store).record
    history = (store.get_run_folder(first.id) / "history.csv").read_bytes()
    later = execute_run(_plan(metrics=("swd", "kl")), store).record
    at_once = execute_run(_plan(metrics=("kl", "swd")), ResultStore(tmp_path / "at-once")).record
    assert later.metrics == at_once.metrics
    assert (later.training, later.provenance) == (first.training, first.provenance)
    assert (store.get_run_folder(first.id) / "history.csv").read_bytes() == history
    assert not execute_run(_plan(metrics=("swd",)), store).is_new
    again = execute_run(_plan(metrics=("swd",)), store, force=True).record
    assert {m.metric: m for m in again.metrics} == {m.metric: m for m in later.metrics}


def test_missing_metrics_without_weights_give_a_message(tmp_path: Path) -> None:
    store = ResultStore(tmp_path)
    first = execute_run(_plan(metrics=("kl",)), store).record
    find_checkpoint(_plan(), store).unlink()
    messages: list[str] = []
    listener = NullReporter()
    listener.report_message = messages.append  # type: ignore[method-assign]
    assert execute_run(_plan(metrics=("kl", "swd")), store, listener).record == first
    (message,) = messages
    assert all(fact in message for fact in (first.id, "swd", "--force"))
    assert "kl" not in message.replace(first.id, "")


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
    assert _plan(metrics=("swd",)).id == _plan().id, "metrics are not part of the run id"


def test_training_learns_on_the_discs(tmp_path: Path) -> None:
    """Samples of a trained network are closer to the data than those of an untrained one.

    Long enough for every seed, as rounding differs between processors.
    """
    untrained, _ = _run(tmp_path, kimg=0.008, metrics=("swd",), samples=24)
    trained, _ = _run(tmp_path, kimg=16, metrics=("swd",), samples=24)
    assert trained.metrics[0].value < 0.6 * untrained.metrics[0].value


def test_divergence_is_a_result(tmp_path: Path) -> None:
    record, folder = _run(tmp_path, settings={"nan_at": 20})
    assert record.state == "diverged"
    assert all(fact in record.message for fact in ("'generator'", "nan"))
    assert record.metrics == []
    assert json.loads((folder / "run.json").read_text())["state"] == "diverged"
    assert len((folder / "history.csv").read_text().splitlines()) == 22


def test_a_failing_method_logs_its_traceback_and_has_no_record(tmp_path: Path) -> None:
    store = ResultStore(tmp_path)
    with pytest.raises(RunError, match=r"ValueError: the plugin has a bug.*lsgan\.py"):
        execute_run(_plan(settings={"fail_at": 5}), store)
    (run,) = list_folder_names(store)
    assert read_state(store, run) == "failed"
    assert store.load_records() == []
    log = next(tmp_path.glob("runs/*/log.txt")).read_text()
    assert "Traceback" in log
    assert "lsgan.py" in log


def test_a_run_used_by_another_process_is_refused(tmp_path: Path) -> None:
    store = ResultStore(tmp_path)
    with store.lock_run(_plan().id), pytest.raises(BenchbedError, match=f"process.*{_plan().id}"):
        execute_run(_plan(), store)


def test_a_budget_in_seconds_ends_on_time_and_counts_only_training(tmp_path: Path) -> None:
    record, _ = _run(tmp_path, kimg=None, seconds=1.0, settings={"step_ms": 10})
    assert 1.0 <= record.training.seconds < 1.5
    assert record.training.steps >= 5


def test_share_of_a_budget() -> None:
    assert Budget(kimg=2).compute_share(TrainingPosition(images_shown=500)) == 0.25
    assert Budget(seconds=10).compute_share(TrainingPosition(seconds=20)) == 1.0
    assert Budget(kimg=10).compute_log_interval(10) == 5


def test_sampling_does_not_affect_training(tmp_path: Path) -> None:
    """Pictures during training change neither the weights nor the random state."""
    quiet, _ = _run(tmp_path / "a")
    store = ResultStore(tmp_path / "b")
    busy = execute_run(
        _plan(), store, options=TrainingOptions(picture_count=40, checkpoint_seconds=0)
    ).record
    assert quiet.metrics == busy.metrics


def test_samples_depend_on_the_seed_and_not_on_global_random_state(tmp_path: Path) -> None:
    planned = _plan()
    method = build_method(
        planned, prepare_plan_data(planned, NullReporter()), create_fabric("cpu", "fp32")
    )
    before = torch.get_rng_state()
    first, again, other = (draw_samples(method, 5, seed).image for seed in (1, 1, 2))
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert method.training


class _Listener(NullReporter):
    def __init__(self) -> None:
        self.progress: list[TrainingProgress] = []

    def report_training(self, progress: TrainingProgress) -> None:
        self.progress.append(progress)


def test_progress_reports_speed_losses_and_time_left(tmp_path: Path) -> None:
    listener = _Listener()
    execute_run(_plan(kimg=2, settings={"step_ms": 5}), ResultStore(tmp_path), listener)
    middle = listener.progress[1]
    assert 0 < middle.budget_share < 1
    assert 0 < middle.images_per_second < 8 / 0.005
    assert 0 < middle.seconds_left < 60
    assert {"discriminator", "generator"} == middle.losses.keys()
    assert listener.progress[-1].budget_share == 1.0


def test_an_interrupted_loop_saves_and_resumes(tmp_path: Path, make_loop: MakeLoop) -> None:
    with pytest.raises(TrainingInterrupted):
        make_loop(_plan(), tmp_path, 20).train()
    second = make_loop(_plan(), tmp_path)
    assert second.train().images_shown == 400
    assert second.method.steps == 50


def test_bf16_trains_and_is_recorded(tmp_path: Path) -> None:
    record, _ = _run(tmp_path, precision="bf16")
    assert (record.state, record.precision) == ("finished", "bf16")


def test_an_unknown_device_is_refused() -> None:
    with pytest.raises(BenchbedError, match=r"--device.*auto, cpu, cuda.*'tpu'"):
        create_fabric("tpu", "fp32")
    if not torch.cuda.is_available():
        with pytest.raises(BenchbedError, match=r"cuda:7.*benchbed doctor"):
            create_fabric("cuda:7", "fp32")


def test_too_few_samples_for_a_metric_are_refused_before_training(tmp_path: Path) -> None:
    with pytest.raises(BenchbedError, match=r"--samples.*4.*swd.*8.*--samples 8"):
        _run(tmp_path, samples=4, metrics=("swd",))


def test_memorisation_is_computed_and_pictured(tmp_path: Path) -> None:
    """The phantom has a held-out test split; the picture has two rows of each kind."""
    record, folder = _run(tmp_path, samples=16, metrics=("memorisation",))
    found = record.metrics[0]
    assert found.value is not None
    assert found.ci_low is not None
    assert found.ci_high is not None
    assert 0 <= found.ci_low <= found.value <= found.ci_high <= 1
    with Image.open(folder / "samples" / "nearest.png") as picture:
        assert picture.size == (8 * 130, 4 * 130)


def test_mean_losses_are_over_the_steps_that_report_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, make_loop: MakeLoop
) -> None:
    """A method with two stages reports other losses in each; one row may contain both."""
    loop = make_loop(_plan(), tmp_path)

    def stages(batch: Any, progress: float) -> dict[str, torch.Tensor]:
        return {"first": torch.tensor(4.0)} if progress < 0.5 else {"second": torch.tensor(8.0)}

    monkeypatch.setattr(loop.method, "training_step", stages)
    loop._log_steps = 20
    loop.train()
    with (tmp_path / "history.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [(row["first"], row["second"]) for row in rows] == [("4", ""), ("4", "8"), ("", "8")]


def test_a_checkpoint_with_an_invalid_step_count_is_refused(tmp_path: Path) -> None:
    store = ResultStore(tmp_path)
    execute_run(_plan(), store)
    path = find_checkpoint(_plan(), store)
    content = torch.load(path, weights_only=True)
    store.get_record_path(_plan().id).unlink()
    for steps in (float("inf"), float("nan"), "many", None):
        content["state"]["steps"] = steps
        torch.save(content, path)
        with pytest.raises(BenchbedError, match=re.escape(str(path))):
            execute_run(_plan(), store)
