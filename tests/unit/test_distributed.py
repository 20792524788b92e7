"""Distributed runs: the results of one device, and only one process that writes."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch

from benchbed.api.distributed import DistributedContext
from benchbed.api.types import Batch
from benchbed.config.run_config import RunConfig
from benchbed.errors import BenchbedError
from benchbed.results.store import ResultStore
from benchbed.runs import workers
from benchbed.runs.plan import RunPlan
from benchbed.runs.planner import plan_run
from benchbed.runs.workers import check_devices
from benchbed.training.device import create_fabric
from benchbed.training.loop import DeviceCountError, TrainingDiverged

pytestmark = pytest.mark.usefixtures("with_plugin")

TOLERANCE = 1e-3
"""Largest relative difference of a loss after 40 steps: float32 sums in another order."""


class TwoRanks(DistributedContext):
    """One of two processes, without communication."""

    def __init__(self, rank: int) -> None:
        super().__init__()
        self.rank, self.world_size = rank, 2


def test_the_parts_of_a_batch_make_up_the_batch() -> None:
    batch = Batch(
        image=torch.rand(4, 1, 2, 2), label=torch.arange(4), extra={"edges": torch.rand(4, 1)}
    )
    parts = [TwoRanks(rank).split_batch(batch) for rank in (0, 1)]
    for name, whole in batch.iter_tensors():
        assert torch.equal(torch.cat([dict(part.iter_tensors())[name] for part in parts]), whole)
    assert parts[0].mask is None
    assert DistributedContext().split_batch(batch) is batch


def test_a_single_process_does_not_communicate() -> None:
    single = DistributedContext()
    tensor = torch.ones(2)
    single.reduce_mean([tensor])
    single.wait_for_all()
    assert single.is_first_rank
    assert single.broadcast_value(0.25) == 0.25
    assert single.gather_values("mine") == ["mine"]
    assert single.noise_generator is None


def _plan(method: str = "tiny-lsgan", **more: Any) -> RunPlan:
    options = {"settings": {}, "dataset": "discs", "size": 16, "kimg": 0.1, **more}
    return plan_run(RunConfig(method=method, **options))


@pytest.mark.parametrize(
    ("devices", "request_", "facts"),
    [
        (3, {}, r"8 .*--devices 3.*batch_size=6"),
        (2, {"method": "human-expert", "task": "segmentation", "dataset": "drive", "size": 64},
         r"human-expert.*--devices"),
        (2, {"method": "unet", "task": "augmentation", "dataset": "drive", "size": 64,
             "regime": "mixed", "generator": "dual-gan", "pairs": 8}, "--devices"),
    ],
)  # fmt: skip
def test_runs_unsupported_on_several_devices_are_refused(
    devices: int, request_: dict[str, Any], facts: str
) -> None:
    made = _plan(**request_)
    check_devices(made, 1)
    with pytest.raises(BenchbedError, match=facts):
        check_devices(made, devices)


@pytest.mark.parametrize(
    ("error", "lines"),
    [
        (DeviceCountError("of rank 0 as well"), 0),
        (TrainingDiverged("of rank 0 as well"), 0),
        (BenchbedError("of this rank"), 1),
    ],
)
def test_a_worker_rank_prints_only_its_errors_as_a_sentence(
    error: Exception,
    lines: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Resuming on another number of devices printed a traceback of each worker."""

    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr(workers, "_build_loop", fail)
    monkeypatch.setattr(os, "_exit", sys.exit)
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    with pytest.raises(SystemExit) as caught:
        workers.run_worker_rank(_plan(), ResultStore(tmp_path), create_fabric("cpu", "fp32", 1))
    assert caught.value.code == lines
    output = capsys.readouterr().err
    assert output.count("\n") == lines
    assert "Traceback" not in output


RUN = (
    "run", "--method", "tiny-lsgan", "--dataset", "discs", "--size", "16", "--kimg", "0.32",
    "--samples", "8", "--metric", "kl", "--set", "plain=true", "--device", "cpu",
)  # fmt: skip


def _start(results: Path, *more: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "benchbed", *RUN, "--results", str(results), *more],
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )


def _finish(results: Path, *more: str) -> tuple[Path, str]:
    process = _start(results, *more)
    _, output = process.communicate(timeout=600)
    assert process.returncode == 0, output
    (folder,) = results.glob("runs/*")
    return folder, output


def _history(folder: Path) -> list[dict[str, float]]:
    with (folder / "history.csv").open() as file:
        return [{k: float(v) for k, v in row.items()} for row in csv.DictReader(file)]


def _state(folder: Path) -> Any:
    return torch.load(folder / "checkpoints/last.pt", weights_only=True)["state"]["modules"]


def _flat(state: Any) -> torch.Tensor:
    return torch.cat([t.float().flatten() for part in state.values() for t in part.values()])


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_two_devices_give_the_results_of_one(with_plugin: Path, tmp_path: Path) -> None:
    """The same losses and weights within the tolerance, one record, and each message once."""
    one, _ = _finish(tmp_path / "one")
    two, output = _finish(tmp_path / "two", "--devices", "2")
    assert one.name == two.name, "the number of devices is not part of the run id"
    single, distributed = _history(one), _history(two)
    assert len(single) == len(distributed) == 40
    for expected, found in zip(single, distributed, strict=True):
        assert found["step"] == expected["step"]
        assert found["kimg"] == expected["kimg"]
        for name in ("generator", "discriminator"):
            assert found[name] == pytest.approx(expected[name], rel=TOLERANCE)
    torch.testing.assert_close(_flat(_state(two)), _flat(_state(one)), rtol=1e-2, atol=1e-3)
    (path,) = (tmp_path / "two").glob("records/*.json")
    record = json.loads(path.read_text())
    assert record["provenance"]["devices"] == 2
    assert record["training"]["updates"] == {"discriminator": 40, "generator": 40}
    assert output.count("Run tiny-lsgan") == 1


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_an_interrupted_run_on_two_devices_resumes_bit_for_bit(
    with_plugin: Path, tmp_path: Path
) -> None:
    """With dropout, whose random numbers differ between the processes, and batch norm."""
    whole, _ = _finish(tmp_path / "whole", "--devices", "2", "--set", "plain=false")
    results = tmp_path / "stopped"
    options = ("--devices", "2", "--set", "plain=false", "--set", "step_ms=100")
    process = _start(results, *options)
    while (
        not list(results.glob("runs/*/progress.json"))
        or "training" not in next(results.glob("runs/*/progress.json")).read_text()
    ):
        assert process.poll() is None
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, output = process.communicate(timeout=600)
    assert process.returncode == 130, output
    (folder,) = results.glob("runs/*")
    assert 0 < len(_history(folder)) < 40
    refused = _start(results, *options[2:])
    _, output = refused.communicate(timeout=600)
    assert refused.returncode == 2
    assert "--devices 2" in output
    refused = _start(results, "--devices", "4", *options[2:])
    _, output = refused.communicate(timeout=600)
    assert refused.returncode == 2
    assert output.count("--devices 2") == 1
    assert "Traceback" not in output
    again, _ = _finish(results, *options)
    assert torch.equal(_flat(_state(again)), _flat(_state(whole)))
