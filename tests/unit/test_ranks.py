"""One run on several devices: the course of one device, and one process that leaves everything."""

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

from benchbed.api.ranks import Ranks
from benchbed.api.types import Batch
from benchbed.errors import BenchbedError
from benchbed.runs.along import check_devices
from benchbed.runs.plan import Plan, plan
from benchbed.runs.request import Request

pytestmark = pytest.mark.usefixtures("with_plugin")

TOLERANCE = 1e-3
"""Largest relative difference of a loss: sums of single precision in another order, which the
training of 40 steps enlarges."""


class TwoRanks(Ranks):
    """One of two processes, as far as no other is asked."""

    def __init__(self, rank: int) -> None:
        super().__init__()
        self.rank, self.size = rank, 2


def test_the_parts_of_a_batch_are_the_batch() -> None:
    batch = Batch(
        image=torch.rand(4, 1, 2, 2), label=torch.arange(4), extra={"edges": torch.rand(4, 1)}
    )
    parts = [TwoRanks(rank).part_of(batch) for rank in (0, 1)]
    for name, whole in batch.tensors():
        assert torch.equal(torch.cat([dict(part.tensors())[name] for part in parts]), whole)
    assert parts[0].mask is None
    assert Ranks().part_of(batch) is batch


def test_alone_nothing_is_asked_of_anybody() -> None:
    alone = Ranks()
    tensor = torch.ones(2)
    alone.average([tensor])
    alone.wait()
    assert alone.first
    assert alone.agree(0.25) == 0.25
    assert alone.gather("mine") == ["mine"]
    assert alone.noise is None


def _plan(method: str = "tiny-lsgan", **more: Any) -> Plan:
    wanted = {"settings": {}, "dataset": "discs", "size": 16, "kimg": 0.1, **more}
    return plan(Request(method=method, **wanted))


@pytest.mark.parametrize(
    ("devices", "request_", "words"),
    [
        (3, {}, "Batches of 8 do not divide by --devices 3"),
        (2, {"method": "human-expert", "task": "segmentation", "dataset": "drive", "size": 64},
         "is not trained"),
        (2, {"method": "unet", "task": "augmentation", "dataset": "drive", "size": 64,
             "regime": "mixed", "generator": "dual-gan", "pairs": 8}, "builds on another"),
    ],
)  # fmt: skip
def test_what_several_devices_cannot_train_is_refused(
    devices: int, request_: dict[str, Any], words: str
) -> None:
    made = _plan(**request_)
    check_devices(made, 1)
    with pytest.raises(BenchbedError, match=words):
        check_devices(made, devices)


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
    _, said = process.communicate(timeout=600)
    assert process.returncode == 0, said
    (folder,) = results.glob("runs/*")
    return folder, said


def _history(folder: Path) -> list[dict[str, float]]:
    with (folder / "history.csv").open() as file:
        return [{k: float(v) for k, v in row.items()} for row in csv.DictReader(file)]


def _state(folder: Path) -> Any:
    return torch.load(folder / "checkpoints/last.pt", weights_only=True)["state"]["modules"]


def _flat(state: Any) -> torch.Tensor:
    return torch.cat([t.float().flatten() for part in state.values() for t in part.values()])


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_two_devices_take_the_course_of_one(with_plugin: Path, tmp_path: Path) -> None:
    """The same losses and weights within the tolerance, one record, and nothing said twice."""
    one, _ = _finish(tmp_path / "one")
    two, said = _finish(tmp_path / "two", "--devices", "2")
    assert one.name == two.name, "on how many devices is no part of a run's identity"
    alone, together = _history(one), _history(two)
    assert len(alone) == len(together) == 40
    for expected, found in zip(alone, together, strict=True):
        assert found["step"] == expected["step"]
        assert found["kimg"] == expected["kimg"]
        for name in ("generator", "discriminator"):
            assert found[name] == pytest.approx(expected[name], rel=TOLERANCE)
    torch.testing.assert_close(_flat(_state(two)), _flat(_state(one)), rtol=1e-2, atol=1e-3)
    (path,) = (tmp_path / "two").glob("records/*.json")
    record = json.loads(path.read_text())
    assert record["provenance"]["devices"] == 2
    assert record["training"]["updates"] == {"discriminator": 40, "generator": 40}
    assert said.count("Run tiny-lsgan") == 1


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_a_stopped_run_on_two_devices_goes_on_bit_for_bit(
    with_plugin: Path, tmp_path: Path
) -> None:
    """With dropout and batch normalisation, whose random numbers differ between the processes."""
    whole, _ = _finish(tmp_path / "whole", "--devices", "2", "--set", "plain=false")
    results = tmp_path / "stopped"
    words = ("--devices", "2", "--set", "plain=false", "--set", "step_ms=100")
    process = _start(results, *words)
    while (
        not list(results.glob("runs/*/progress.json"))
        or "training" not in next(results.glob("runs/*/progress.json")).read_text()
    ):
        assert process.poll() is None
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=600)
    assert process.returncode == 130, said
    (folder,) = results.glob("runs/*")
    assert 0 < len(_history(folder)) < 40
    refused = _start(results, *words[2:])
    _, said = refused.communicate(timeout=600)
    assert refused.returncode == 2
    assert "give --devices 2" in said
    again, _ = _finish(results, *words)
    assert torch.equal(_flat(_state(again)), _flat(_state(whole)))
