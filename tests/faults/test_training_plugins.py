"""Training: whatever a plugin does, the harness survives and says who did it."""

from __future__ import annotations

import json
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

PLAIN = TrainingOptions(picture_count=0)
"""Pictures take longer than all the rest."""


class _Heard(NullReporter):
    def __init__(self) -> None:
        self.lines: list[str] = []

    def report_message(self, text: str) -> None:
        self.lines.append(text)


def _plan(deed: str, where: str = "step", **settings: Any) -> RunPlan:
    settings = {"deed": deed, "where": where, "batch_size": 8, **settings}
    return plan_run(
        RunConfig(method="hostile", dataset="discs", settings=settings, kimg=0.12, size=16,
                samples=8, metrics=("kl",))
    )  # fmt: skip


def _state(store: ResultStore, run: str) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((store.get_run_folder(run) / "run.json").read_text())
    return content


def _fails(folder: Path, deed: str, where: str) -> str:
    """What the run that fails says; it says so in ``run.json`` too, and leaves no record."""
    store, planned = ResultStore(folder / deed / where), _plan(deed, where)
    with pytest.raises(RunError) as caught:
        execute_run(planned, store, options=PLAIN)
    told = _state(store, planned.id)
    assert (told["state"], told["error"]) == ("failed", str(caught.value))
    assert store.load_records() == []
    assert "\n" not in str(caught.value)
    return str(caught.value)


NUMBERS = {
    "nan_loss": "loss 'generator' was nan after 48 images (6 steps)",
    "inf_loss": "loss 'generator' was inf after 48 images (6 steps)",
    "huge_loss": "loss 'generator' was",
    "nan_data": "loss 'discriminator' was nan after 48 images (6 steps)",
    "nan_gradient": "was nan after 56 images (7 steps)",
    "inf_weight": "hold NaN or infinity after 120 images (15 steps)",
}


@pytest.mark.attack(
    promise="Divergence is a result: recorded, shown as such, and never averaged away.",
    attack="NaN and infinity in loss, data, gradient and weights",
)
def test_what_is_no_number_is_a_divergence(tmp_path: Path, tried: Callable[..., None]) -> None:
    for deed, words in NUMBERS.items():
        store, planned = ResultStore(tmp_path / deed), _plan(deed)
        record = execute_run(planned, store, options=PLAIN).record
        assert (record.state, record.metrics) == ("diverged", []), deed
        assert words in record.message
        assert _state(store, planned.id)["state"] == "diverged"
        assert store.load_record(planned.id) == record
        tried(deed)


@pytest.mark.attack(
    promise="Divergence is a result: recorded, shown as such, and never averaged away.",
    attack="NaN in the gradient of the very last step, whose losses look well",
)
def test_a_last_step_to_nowhere_is_a_divergence(tmp_path: Path) -> None:
    record = execute_run(_plan("nan_gradient", at=14), ResultStore(tmp_path), options=PLAIN).record
    assert record.state == "diverged"
    assert "weights" in record.message
    assert "after 120 images (15 steps)" in record.message


@pytest.mark.attack(
    promise="Divergence is a result: recorded, shown as such, and never averaged away.",
    attack="samples that hold a NaN, of weights that are finite",
)
def test_samples_that_are_no_numbers_are_a_divergence(tmp_path: Path) -> None:
    record = execute_run(
        _plan("nan_samples", "sample"), ResultStore(tmp_path), options=PLAIN
    ).record
    assert (record.state, record.metrics) == ("diverged", [])
    assert record.message == "the image that Hostile made holds NaN or infinity after 15 steps"


@pytest.mark.attack(
    promise="A plugin that breaks is named, with the place; the run is failed.",
    attack="an error, an error without words, sys.exit(0), sys.exit with words",
)
def test_a_plugin_that_raises_or_leaves_is_named(
    tmp_path: Path, tried: Callable[..., None]
) -> None:
    expected = {
        "raise_error": "ValueError: the plugin has a bug",
        "raise_without_words": "AssertionError",
        "leave": "sys.exit(0) was called",
        "leave_with_words": "sys.exit('this plugin has had enough') was called",
    }
    for deed, words in expected.items():
        for where in ("build", "step", "sample"):
            said = _fails(tmp_path, deed, where)
            assert said.startswith(f"{words}, in {deed} of benchbed_hostile (deeds.py, line ")
            tried(f"{deed} in {where}")


@pytest.mark.attack(
    promise="A plugin that breaks is named, with the place; the run is failed.",
    attack="sys.exit(0) in a training step, on the command line",
)
def test_leaving_with_success_is_no_success(forker: Any, tmp_path: Path) -> None:
    process = forker.start(*RUN, "--set", "deed=leave")
    assert process.wait() == 1
    assert "The run broke: sys.exit(0) was called, in leave of benchbed_hostile" in process.said()
    assert "Traceback" not in process.said()


@pytest.fixture
def little_memory() -> Iterator[None]:
    """This process may hold 1 GiB more than it does."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    before = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + 2**30, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_AS, before)


@pytest.mark.attack(
    promise="Out of memory: the run is failed, with the peak and what to lower.",
    attack="a plugin that fills the memory of the host, with arrays and with tensors",
)
def test_a_full_memory_is_said_with_the_peak(
    tmp_path: Path, little_memory: None, tried: Callable[..., None]
) -> None:
    for deed in ("fill_memory", "fill_memory_with_tensors"):
        for where in ("step", "sample"):
            said = _fails(tmp_path, deed, where)
            assert said.startswith("out of memory: the process held ")
            assert float(said.partition("held ")[2].split()[0]) > 0.1
            assert "lower --set batch_size=4 (now 8), --size (now 16) or --samples (now 8)" in said
            assert f"in {deed} of benchbed_hostile" in said
            tried(f"{deed} in {where}")


@pytest.mark.attack(
    promise="Out of memory: the run is failed, with the peak and what to lower.",
    attack="what torch raises where a device is full (simulated)",
)
def test_a_full_device_is_said_with_what_to_lower(tmp_path: Path) -> None:
    said = _fails(tmp_path, "fill_device", "step")
    assert said.startswith("out of memory: ")
    assert "lower --set batch_size=4 (now 8)" in said


@pytest.mark.attack(
    promise="Ctrl-C once saves and stops, twice stops at once, whatever the plugin does.",
    attack="a plugin that hangs: in a loop, and in one call",
)
def test_a_plugin_that_hangs_is_named_and_stopped(
    forker: Any, tmp_path: Path, tried: Callable[..., None]
) -> None:
    """The first signal waits for a step that never ends, and says for whom; the second does not."""
    for deed in ("hang", "wait"):
        results = tmp_path / deed
        words = (*RUN, "--set", f"deed={deed}")
        process = forker.start(*words, BENCHBED_RESULTS=str(results))
        _until(lambda: "now I hang" in process.said())  # noqa: B023
        process.send(signal.SIGINT)
        _until(lambda: "of hostile; once more stops at once" in process.said())  # noqa: B023
        process.send(signal.SIGINT)
        assert process.wait(60) == 130
        assert f"Stopped in {deed} of benchbed_hostile (deeds.py, line " in process.said()
        assert "Traceback" not in process.said()
        (path,) = results.glob("runs/*/run.json")
        assert json.loads(path.read_text())["state"] == "interrupted"
        tried(deed)


def _until(true: Callable[[], Any], seconds: float = 240.0) -> None:
    last = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < last
        time.sleep(0.02)


@pytest.mark.attack(
    promise="stdout is a script's: what a plugin prints is kept out of it, and named.",
    attack="a plugin that writes to stdout by print, below Python, and through a shell",
)
def test_a_plugin_that_prints_leaves_the_record_readable(forker: Any) -> None:
    words = ("--json", "--set", "deed=speak", "--set", "where=step")
    process = forker.start(*RUN, *words)
    assert process.wait() == 0, process.said()
    assert json.loads(process.stdout.read_text())["state"] == "finished"
    assert "hostile: I am the plugin" in process.said()
    assert "hostile: and I talk" in process.said()
    assert "below python" in process.said()
    assert "and through a shell" in process.said()


@pytest.mark.attack(
    promise="One run is one process's: a copy of it writes nothing.",
    attack="a plugin that forks; the copy goes on, breaks, or draws samples",
)
def test_a_forked_copy_of_a_run_is_ended_and_the_run_goes_on(
    forker: Any, tmp_path: Path, tried: Callable[..., None]
) -> None:
    for deed, where in (("fork", "step"), ("fork_and_raise", "step"), ("fork", "sample")):
        results = tmp_path / f"{deed}-{where}"
        process = forker.start(
            *RUN, "--set", f"deed={deed}", "--set", f"where={where}", BENCHBED_RESULTS=str(results)
        )
        assert process.wait() == 0, process.said()
        _until(lambda: "hostile forked a process" in process.said())  # noqa: B023
        (path,) = results.glob("records/*.json")
        assert json.loads(path.read_text())["state"] == "finished"
        (path,) = results.glob("runs/*/run.json")
        assert json.loads(path.read_text())["state"] == "finished"
        assert not list(results.rglob("*.part"))
        tried(f"{deed} in {where}")


@pytest.mark.attack(
    promise="The harness owns seeds: data and evaluation are the same whatever a plugin seeds.",
    attack="a plugin that seeds every global generator, while it trains and while it samples",
)
def test_a_plugin_that_seeds_reaches_its_own_noise_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tried: Callable[..., None]
) -> None:
    """The batches are those of the plain run; a run that is stopped after it ends the same."""
    from benchbed.data.loader import CaseLoader

    seen: dict[str, list[bytes]] = {}
    gather = CaseLoader.get_batch
    for deed in ("none", "seed"):
        rows = seen.setdefault(deed, [])

        def watched(self: CaseLoader, shown: int, count: int, rows: list[bytes] = rows) -> Any:
            batch = gather(self, shown, count)
            rows.append(batch.image.numpy().tobytes())
            return batch

        monkeypatch.setattr(CaseLoader, "get_batch", watched)
        heard = _Heard()
        execute_run(_plan(deed), ResultStore(tmp_path / deed), heard, options=PLAIN)
        said = "hostile seeds torch's global generator while it trains." in heard.lines
        assert said == (deed == "seed")
    assert seen["none"] == seen["seed"]
    tried("step")
    before = torch.get_rng_state(), np.random.get_state()[1].tolist()  # type: ignore[union-attr]
    plain = execute_run(_plan("none", "sample"), ResultStore(tmp_path / "a"), options=PLAIN).record
    seeded = execute_run(_plan("seed", "sample"), ResultStore(tmp_path / "b"), options=PLAIN).record
    assert plain.metrics == seeded.metrics
    assert len(before[1]) == 624
    tried("sample")


@pytest.mark.attack(
    promise="A stop is a stop: what is saved goes on.",
    attack="a plugin that raises KeyboardInterrupt itself",
)
def test_a_plugin_that_pretends_to_be_the_user(tmp_path: Path) -> None:
    store, planned, heard = ResultStore(tmp_path), _plan("interrupt"), _Heard()
    with pytest.raises(TrainingInterrupted):
        execute_run(planned, store, heard, options=PLAIN)
    assert _state(store, planned.id)["state"] == "interrupted"
    assert heard.lines[-1].startswith("Stopped in interrupt of benchbed_hostile (deeds.py, line ")
