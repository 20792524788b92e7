"""A run interrupted with Ctrl-C resumes to the same result; tests/faults kills runs."""

from __future__ import annotations

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

RUN = (
    "run", "--method", "tiny-lsgan", "--dataset", "discs", "--size", "16", "--kimg", "3",
    "--samples", "12", "--metric", "swd", "--metric", "kl", "--set", "step_ms=6",
    "--checkpoint-every", "0.2s",
)  # fmt: skip


def _start(results: Path, *more: str) -> subprocess.Popen[bytes]:
    environment = {**os.environ, "BENCHBED_RESULTS": str(results)}
    return subprocess.Popen(
        [sys.executable, "-m", "benchbed", *RUN, *more],
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )


def _finish(results: Path, *more: str) -> None:
    process = _start(results, *more)
    _, errors = process.communicate(timeout=240)
    assert process.returncode == 0, errors.decode()


def _equal(first: Any, second: Any) -> bool:
    if isinstance(first, torch.Tensor):
        return torch.equal(first, second)
    if isinstance(first, dict):
        return first.keys() == second.keys() and all(_equal(first[k], second[k]) for k in first)
    if isinstance(first, list | tuple):
        return len(first) == len(second) and all(map(_equal, first, second))
    return bool(first == second)


def _weights(results: Path) -> dict[str, Any]:
    (path,) = _checkpoints(results)
    content = torch.load(path, weights_only=True)
    return {name: content[name] for name in ("state", "random", "shown", "sums", "summed")}


def _metrics(results: Path) -> list[dict[str, Any]]:
    (path,) = results.glob("records/*.json")
    return json.loads(path.read_text())["metrics"]


@pytest.fixture(scope="module")
def uninterrupted(
    third_party: Path, shared_cache: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """Results of a run without interruption."""
    results = tmp_path_factory.mktemp("uninterrupted")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(third_party))
        patch.setenv("BENCHBED_CACHE", str(shared_cache))
        patch.delenv("BENCHBED_DATA", raising=False)
        _finish(results)
    return results


def test_ctrl_c_saves_prints_the_resume_command_and_keeps_the_result(
    uninterrupted: Path, with_plugin: Path, tmp_path: Path
) -> None:
    results = tmp_path / "interrupted"
    process = _start(results, "--checkpoint-every", "1h")
    _wait_for_training(results)
    time.sleep(0.5)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130, errors.decode()
    assert b"benchbed run --resume tiny-lsgan-discs-16px-s0-" in errors.replace(b"\n", b" ")
    (state,) = results.glob("runs/*/run.json")
    assert json.loads(state.read_text())["state"] == "interrupted"
    assert torch.load(_checkpoints(results)[0], weights_only=True)["shown"]
    _finish(results)
    assert _equal(_weights(results), _weights(uninterrupted))
    assert _metrics(results) == _metrics(uninterrupted)


def test_ctrl_c_twice_stops_immediately(with_plugin: Path, tmp_path: Path) -> None:
    """Steps of two seconds: the second signal does not wait for the step to end."""
    results = tmp_path / "twice"
    process = _start(results, "--set", "step_ms=60000", "--checkpoint-every", "1h")
    _wait_for_training(results)
    time.sleep(1.0)
    process.send_signal(signal.SIGINT)
    time.sleep(0.5)
    start = time.monotonic()
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)
    assert time.monotonic() - start < 20
    assert process.returncode == 130
    (state,) = results.glob("runs/*/run.json")
    assert json.loads(state.read_text())["state"] == "interrupted"
    assert not list(results.glob("records/*"))
    assert not list(results.rglob("*.part"))


def _checkpoints(results: Path) -> list[Path]:
    return list(results.glob("runs/*/checkpoints/last.pt"))


def _wait_for_training(results: Path) -> None:
    """Wait until the picture of real images is written, just before training."""
    start = time.time()
    while True:
        pictures = list(results.glob("runs/*/samples/real.png"))
        if pictures and pictures[0].stat().st_mtime > start:
            return
        assert time.time() < start + 60
        time.sleep(0.02)
