"""A suite on a real Ray cluster of three nodes: stopped, gone on with, and one node lost."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

# Ray reads its settings when it is imported, so that waits until they are made.
pytestmark = pytest.mark.skipif(find_spec("ray") is None, reason="Ray is not installed")

SUITE = """
title: Small
task: synthesis
methods:
  tiny-lsgan: {step_ms: 40}
datasets: [discs]
seeds: [0, 1]
metrics: [swd, kl]
presets:
  quick: {size: 32, kimg: 6, samples: 12, settings: {batch_size: 8}}
"""
"""Half a minute of training each: long enough for a node to be lost in the middle."""

STORE_BYTES = 80 * 2**20

PATIENCE = 600.0


@pytest.fixture
def ray_cluster(with_plugin: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A head that computes nothing, and two nodes of one core; all on this machine."""
    # Ray's sockets lie in this folder, and a socket's path must be short.
    folder = tempfile.mkdtemp(prefix="r")
    monkeypatch.setenv("RAY_TMPDIR", folder)
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    # On a busy machine Ray's processes are slow to start, and the more so as it makes them nice.
    monkeypatch.setenv("RAY_worker_niceness", "0")
    monkeypatch.setenv("RAY_worker_register_timeout_seconds", "600")
    monkeypatch.setenv("RAY_agent_register_timeout_ms", "600000")
    monkeypatch.setenv("RAY_raylet_start_wait_time_s", "300")
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    from ray.cluster_utils import Cluster

    cluster = Cluster()
    try:
        cluster.add_node(num_cpus=0, include_dashboard=False, object_store_memory=STORE_BYTES)
        for _ in range(2):
            cluster.add_node(num_cpus=1, object_store_memory=STORE_BYTES)
        yield cluster
    finally:
        cluster.shutdown()
        shutil.rmtree(folder, ignore_errors=True)


def _wait_until(true: Callable[[], bool], process: subprocess.Popen[str]) -> None:
    end = time.monotonic() + PATIENCE
    while not true():
        assert process.poll() is None
        assert time.monotonic() < end
        time.sleep(0.1)


def _training(results: Path) -> int:
    """How many runs train now, and have a checkpoint to go on from."""
    count = 0
    for folder in results.glob("runs/*"):
        try:
            doing = json.loads((folder / "progress.json").read_text())["doing"]
        except (OSError, ValueError):
            continue
        count += doing == "training" and (folder / "checkpoints/last.pt").exists()
    return count


def _values(results: Path) -> dict[str, Any]:
    """Metrics of every record, and what was trained, by the run's identity."""
    records = [json.loads(path.read_text()) for path in results.glob("records/*.json")]
    return {r["id"]: (r["state"], r["training"]["steps"], r["metrics"]) for r in records}


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_a_suite_that_loses_a_node_ends_with_the_records_of_an_undisturbed_one(
    ray_cluster: Any, tmp_path: Path
) -> None:
    (tmp_path / "small.yaml").write_text(SUITE)
    results = tmp_path / "shared"
    words = [sys.executable, "-m", "benchbed", "suite", "small.yaml", "--device", "cpu"]
    remote = [*words, "--results", str(results), "--executor", "ray"]
    remote += ["--address", ray_cluster.address, "--checkpoint-every", "1s"]

    def start() -> subprocess.Popen[str]:
        return subprocess.Popen(
            remote, cwd=tmp_path, stderr=subprocess.PIPE, text=True, env=dict(os.environ)
        )

    with start() as stopped:
        _wait_until(lambda: _training(results) == 2, stopped)
        stopped.send_signal(signal.SIGINT)
        _, said = stopped.communicate(timeout=PATIENCE)
    assert stopped.returncode == 130, said
    assert "2 stopped, 2 left" in said
    assert "Data: the phantom of" in said, "what a run says comes to this terminal"
    states = [json.loads(path.read_text())["state"] for path in results.glob("runs/*/run.json")]
    assert states == ["interrupted", "interrupted"]

    with start() as again:
        _wait_until(lambda: _training(results) == 2, again)
        ray_cluster.remove_node(next(iter(ray_cluster.worker_nodes)), allow_graceful=False)
        _, said = again.communicate(timeout=2 * PATIENCE)
    assert again.returncode == 0, said
    assert "2 finished" in said
    logs = [path.read_text() for path in results.glob("runs/*/log.txt")]
    # Both went on after the stop, and one of them once more after its node was lost.
    assert sorted(log.count("Going on from") for log in logs) == [1, 2]
    assert not list(results.glob(".cluster-*"))

    local = tmp_path / "local"
    subprocess.run([*words, "--results", str(local)], cwd=tmp_path, check=True)
    assert len(_values(local)) == 2
    assert _values(results) == _values(local)
