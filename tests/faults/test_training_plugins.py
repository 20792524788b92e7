"""Training: a misbehaving plugin is named and does not break the harness."""

from __future__ import annotations

import json
import re
import resource
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from benchbed.config.run_config import RunConfig
from benchbed.results.store import ResultStore
from benchbed.runs.execute import RunError, execute_run
from benchbed.runs.plan import RunPlan
from benchbed.runs.planner import plan_run
from benchbed.training.loop import TrainingInterrupted, TrainingOptions
from benchbed.utils.progress import NullReporter

pytestmark = pytest.mark.usefixtures("hostile")

RUN = (
    "run", "--method", "hostile", "--dataset", "discs", "--size", "16", "--kimg", "0.12",
    "--samples", "8", "--metric", "kl", "--device", "cpu",
)  # fmt: skip

NO_IMAGES = TrainingOptions(picture_count=0)
"""Saving images takes most of the time of these runs."""


class _RecordingReporter(NullReporter):
    def __init__(self) -> None:
        self.lines: list[str] = []

    def report_message(self, text: str) -> None:
        self.lines.append(text)


def _plan(fault: str, where: str = "step", **settings: Any) -> RunPlan:
    settings = {"fault": fault, "where": where, "batch_size": 8, **settings}
    return plan_run(
        RunConfig(method="hostile", dataset="discs", settings=settings, kimg=0.12, size=16,
                samples=8, metrics=("kl",))
    )  # fmt: skip


def _read_state(store: ResultStore, run: str) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((store.get_run_folder(run) / "run.json").read_text())
    return content


def _error_of(folder: Path, fault: str, where: str) -> str:
    """Return the error of a failed run, which is also in ``run.json``; there is no record."""
    store, planned = ResultStore(folder / fault / where), _plan(fault, where)
    with pytest.raises(RunError) as caught:
        execute_run(planned, store, options=NO_IMAGES)
    state = _read_state(store, planned.id)
    assert (state["state"], state["error"]) == ("failed", str(caught.value))
    assert store.load_records() == []
    assert "\n" not in str(caught.value)
    return str(caught.value)


EXPECTED_FACTS = {
    "nan_loss": ["'generator'", "nan", "48 images (6 steps)"],
    "inf_loss": ["'generator'", "inf", "48 images (6 steps)"],
    "huge_loss": ["'generator'"],
    "nan_data": ["'discriminator'", "nan", "48 images (6 steps)"],
    "nan_gradient": ["nan", "56 images (7 steps)"],
    "inf_weight": ["NaN", "infinity", "120 images (15 steps)"],
}


@pytest.mark.attack(
    guarantee="Divergence is a result: it is recorded, shown, and excluded from means.",
    attack="NaN and infinity in loss, data, gradient and weights",
)
def test_nan_and_infinity_are_a_divergence(
    tmp_path: Path, count_attempt: Callable[..., None]
) -> None:
    for fault, facts in EXPECTED_FACTS.items():
        store, planned = ResultStore(tmp_path / fault), _plan(fault)
        record = execute_run(planned, store, options=NO_IMAGES).record
        assert (record.state, record.metrics) == ("diverged", []), fault
        assert all(fact in record.message for fact in facts), record.message
        assert _read_state(store, planned.id)["state"] == "diverged"
        assert store.load_record(planned.id) == record
        count_attempt(fault)


@pytest.mark.attack(
    guarantee="Divergence is a result: it is recorded, shown, and excluded from means.",
    attack="NaN in the gradient of the last step, with finite losses",
)
def test_nan_weights_after_the_last_step_are_a_divergence(tmp_path: Path) -> None:
    record = execute_run(
        _plan("nan_gradient", at=14), ResultStore(tmp_path), options=NO_IMAGES
    ).record
    assert record.state == "diverged"
    assert "120 images (15 steps)" in record.message


@pytest.mark.attack(
    guarantee="Divergence is a result: it is recorded, shown, and excluded from means.",
    attack="samples that contain NaN, from finite weights",
)
def test_nan_samples_are_a_divergence(tmp_path: Path) -> None:
    record = execute_run(
        _plan("nan_samples", "sample"), ResultStore(tmp_path), options=NO_IMAGES
    ).record
    assert (record.state, record.metrics) == ("diverged", [])
    assert all(fact in record.message for fact in ("Hostile", "NaN", "15 steps"))


@pytest.mark.attack(
    guarantee="A failing plugin is named with the line of code, and the run fails.",
    attack="an error, an error without message, sys.exit(0), sys.exit with a message",
)
def test_a_plugin_that_raises_or_exits_is_named(
    tmp_path: Path, count_attempt: Callable[..., None]
) -> None:
    expected = {
        "raise_error": "ValueError: the plugin has a bug",
        "raise_without_message": "AssertionError",
        "exit_with_success": "sys.exit(0)",
        "exit_with_message": "sys.exit('the plugin stops')",
    }
    for fault, error in expected.items():
        for where in ("build", "step", "sample"):
            message = _error_of(tmp_path, fault, where)
            assert error in message
            assert f"{fault} of benchbed_hostile (faults.py, line " in message
            count_attempt(f"{fault} in {where}")


@pytest.mark.attack(
    guarantee="A failing plugin is named with the line of code, and the run fails.",
    attack="sys.exit(0) in a training step, on the command line",
)
def test_exiting_with_code_0_fails_the_run(forker: Any, tmp_path: Path) -> None:
    process = forker.start(*RUN, "--set", "fault=exit_with_success")
    assert process.wait() == 1
    assert "sys.exit(0)" in process.stderr_text()
    assert "exit_with_success of benchbed_hostile" in process.stderr_text()
    assert "Traceback" not in process.stderr_text()


@pytest.fixture
def limited_memory() -> Iterator[None]:
    """Limits this process to 1 GiB more memory than it uses."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    before = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + 2**30, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_AS, before)


@pytest.mark.attack(
    guarantee="Out of memory: the run fails with its peak memory and the options to reduce.",
    attack="a plugin that fills the host memory, with arrays and with tensors",
)
def test_full_memory_is_reported_with_the_peak(
    tmp_path: Path, limited_memory: None, count_attempt: Callable[..., None]
) -> None:
    for fault in ("fill_memory", "fill_memory_with_tensors"):
        for where in ("step", "sample"):
            message = _error_of(tmp_path, fault, where)
            assert "memory" in message
            assert float(message.partition(" GiB")[0].split()[-1]) > 0.1
            assert re.search(r"--set batch_size=4\b.*\b8\b.*--size\b.*16.*--samples\b.*8", message)
            assert f"{fault} of benchbed_hostile" in message
            count_attempt(f"{fault} in {where}")


@pytest.mark.attack(
    guarantee="Out of memory: the run fails with its peak memory and the options to reduce.",
    attack="the out-of-memory error of torch on a device (simulated)",
)
def test_a_full_device_is_reported_with_the_options_to_reduce(tmp_path: Path) -> None:
    message = _error_of(tmp_path, "fill_device", "step")
    assert "memory" in message
    assert re.search(r"--set batch_size=4\b.*\b8\b", message)


@pytest.mark.attack(
    guarantee="Ctrl-C once saves and stops, twice stops immediately, for every plugin.",
    attack="a plugin that hangs: in a loop, and in one call",
)
def test_a_hanging_plugin_is_named_and_stopped(
    forker: Any, tmp_path: Path, count_attempt: Callable[..., None]
) -> None:
    """The first signal waits for the step and names the method; the second stops immediately."""
    for fault in ("hang", "wait"):
        results = tmp_path / fault
        arguments = (*RUN, "--set", f"fault={fault}")
        process = forker.start(*arguments, BENCHBED_RESULTS=str(results))
        _wait_until(lambda: "hanging now" in process.stderr_text())  # noqa: B023
        process.send(signal.SIGINT)
        _wait_until(lambda: "Ctrl-C" in process.stderr_text())  # noqa: B023
        assert "hostile" in process.stderr_text().partition("hanging now")[2]
        process.send(signal.SIGINT)
        assert process.wait(60) == 130
        assert f"{fault} of benchbed_hostile (faults.py, line " in process.stderr_text()
        assert "Traceback" not in process.stderr_text()
        (path,) = results.glob("runs/*/run.json")
        assert json.loads(path.read_text())["state"] == "interrupted"
        count_attempt(fault)


def _wait_until(condition: Callable[[], Any], seconds: float = 240.0) -> None:
    last = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < last
        time.sleep(0.02)


@pytest.mark.attack(
    guarantee="Output of plugins goes to stderr instead of stdout, with the plugin's name.",
    attack="a plugin that writes to stdout by print, os.write and a shell",
)
def test_a_plugin_that_prints_does_not_corrupt_the_json_output(forker: Any) -> None:
    arguments = ("--json", "--set", "fault=print_text", "--set", "where=step")
    process = forker.start(*RUN, *arguments)
    assert process.wait() == 0, process.stderr_text()
    assert json.loads(process.stdout.read_text())["state"] == "finished"
    assert "hostile: printed by print" in process.stderr_text()
    assert "hostile: printed by write" in process.stderr_text()
    assert "printed by os.write" in process.stderr_text()
    assert "printed by a shell" in process.stderr_text()


@pytest.mark.attack(
    guarantee="Only one process executes a run; a forked copy writes nothing.",
    attack="a plugin that forks; the copy continues, raises, or draws samples",
)
def test_a_forked_copy_of_a_run_is_ended_and_the_run_continues(
    forker: Any, tmp_path: Path, count_attempt: Callable[..., None]
) -> None:
    for fault, where in (("fork", "step"), ("fork_and_raise", "step"), ("fork", "sample")):
        results = tmp_path / f"{fault}-{where}"
        process = forker.start(
            *RUN, "--set", f"fault={fault}", "--set", f"where={where}",
            BENCHBED_RESULTS=str(results),
        )  # fmt: skip
        assert process.wait() == 0, process.stderr_text()
        _wait_until(lambda: re.search(r"\bhostile\b.*\bfork", process.stderr_text()))  # noqa: B023
        (path,) = results.glob("records/*.json")
        assert json.loads(path.read_text())["state"] == "finished"
        (path,) = results.glob("runs/*/run.json")
        assert json.loads(path.read_text())["state"] == "finished"
        assert not list(results.rglob("*.part"))
        count_attempt(f"{fault} in {where}")


@pytest.mark.attack(
    guarantee="Seeds that a plugin sets change neither data nor evaluation.",
    attack="a plugin that seeds every global generator during training and sampling",
)
def test_seeds_of_a_plugin_affect_only_its_noise(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, count_attempt: Callable[..., None]
) -> None:
    """The batches and metrics are those of the run without seeds."""
    from benchbed.data.loader import CaseLoader

    batches: dict[str, list[bytes]] = {}
    original_batch = CaseLoader.get_batch
    for fault in ("none", "seed"):
        recorded = batches.setdefault(fault, [])

        def recording_batch(
            self: CaseLoader, cases_drawn: int, count: int, recorded: list[bytes] = recorded
        ) -> Any:
            batch = original_batch(self, cases_drawn, count)
            recorded.append(batch.image.numpy().tobytes())
            return batch

        monkeypatch.setattr(CaseLoader, "get_batch", recording_batch)
        reporter = _RecordingReporter()
        execute_run(_plan(fault), ResultStore(tmp_path / fault), reporter, options=NO_IMAGES)
        assert any("generator" in line and "seed" in line for line in reporter.lines) == (
            fault == "seed"
        )
    assert batches["none"] == batches["seed"]
    count_attempt("step")
    before = torch.get_rng_state(), np.random.get_state()[1].tolist()  # type: ignore[union-attr]
    plain = execute_run(
        _plan("none", "sample"), ResultStore(tmp_path / "a"), options=NO_IMAGES
    ).record
    seeded = execute_run(
        _plan("seed", "sample"), ResultStore(tmp_path / "b"), options=NO_IMAGES
    ).record
    assert plain.metrics == seeded.metrics
    assert len(before[1]) == 624
    count_attempt("sample")


@pytest.mark.attack(
    guarantee="An interrupted run can be resumed.",
    attack="a plugin that raises KeyboardInterrupt itself",
)
def test_a_plugin_that_raises_keyboard_interrupt(tmp_path: Path) -> None:
    store, planned, reporter = ResultStore(tmp_path), _plan("interrupt"), _RecordingReporter()
    with pytest.raises(TrainingInterrupted):
        execute_run(planned, store, reporter, options=NO_IMAGES)
    assert _read_state(store, planned.id)["state"] == "interrupted"
    assert "interrupt of benchbed_hostile (faults.py, line " in reporter.lines[-1]
