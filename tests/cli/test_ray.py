"""A suite on a Ray cluster of three nodes: stopped, resumed, and with one node lost."""

from __future__ import annotations

import json
import os
import re
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

# Ray reads its settings on import, so the import waits until they are set.
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
"""Each run trains for half a minute, so that a node can be removed during training."""

STORE_BYTES = 80 * 2**20

TIMEOUT_SECONDS = 600.0


@pytest.fixture
def ray_cluster(with_plugin: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A local cluster: a head node without cores, and two nodes of one core each."""
    # Ray creates its sockets in this folder, and the path of a socket must be short.
    folder = tempfile.mkdtemp(prefix="r")
    monkeypatch.setenv("RAY_TMPDIR", folder)
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    # On a busy machine Ray's processes start slowly, even more so with a high niceness.
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


def _wait_until(condition: Callable[[], bool], process: subprocess.Popen[str]) -> None:
    end = time.monotonic() + TIMEOUT_SECONDS
    while not condition():
        assert process.poll() is None
        assert time.monotonic() < end
        time.sleep(0.1)


def _count_training_runs(results: Path) -> int:
    """Return the number of runs that are training and have a checkpoint."""
    count = 0
    for folder in results.glob("runs/*"):
        try:
            doing = json.loads((folder / "progress.json").read_text())["doing"]
        except (OSError, ValueError):
            continue
        count += doing == "training" and (folder / "checkpoints/last.pt").exists()
    return count


def _read_results(results: Path) -> dict[str, Any]:
    """Return the state, steps and metrics of every record, by run id."""
    records = [json.loads(path.read_text()) for path in results.glob("records/*.json")]
    return {r["id"]: (r["state"], r["training"]["steps"], r["metrics"]) for r in records}


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_a_suite_that_loses_a_node_writes_the_same_records_as_an_uninterrupted_one(
    ray_cluster: Any, tmp_path: Path
) -> None:
    (tmp_path / "small.yaml").write_text(SUITE)
    results = tmp_path / "shared"
    command = [sys.executable, "-m", "benchbed", "suite", "small.yaml", "--device", "cpu"]
    ray_command = [*command, "--results", str(results), "--executor", "ray"]
    ray_command += ["--address", ray_cluster.address, "--checkpoint-every", "1s"]

    def start() -> subprocess.Popen[str]:
        return subprocess.Popen(
            ray_command, cwd=tmp_path, stderr=subprocess.PIPE, text=True, env=dict(os.environ)
        )

    with start() as stopped:
        _wait_until(lambda: _count_training_runs(results) == 2, stopped)
        stopped.send_signal(signal.SIGINT)
        _, log = stopped.communicate(timeout=TIMEOUT_SECONDS)
    assert stopped.returncode == 130, log
    assert "2 stopped, 2 left" in log
    assert "phantom" in log, "the output of the runs is not forwarded"
    states = [json.loads(path.read_text())["state"] for path in results.glob("runs/*/run.json")]
    assert states == ["interrupted", "interrupted"]

    with start() as resumed:
        _wait_until(lambda: _count_training_runs(results) == 2, resumed)
        ray_cluster.remove_node(next(iter(ray_cluster.worker_nodes)), allow_graceful=False)
        _, log = resumed.communicate(timeout=2 * TIMEOUT_SECONDS)
    assert resumed.returncode == 0, log
    assert "2 finished" in log
    logs = [path.read_text() for path in results.glob("runs/*/log.txt")]
    # Both runs resumed after the stop, and one resumed again after its node was lost.
    assert sorted(len(re.findall(r"\bfrom [\d.]+ kimg\b", log)) for log in logs) == [1, 2]
    assert not list(results.glob(".cluster-*"))

    local_results = tmp_path / "local_results"
    subprocess.run([*command, "--results", str(local_results)], cwd=tmp_path, check=True)
    assert len(_read_results(local_results)) == 2
    assert _read_results(results) == _read_results(local_results)
