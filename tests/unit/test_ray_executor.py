"""Ray executor: requests to Ray, rejected options, and the work of a node.

Ray is mocked here; ``tests/cli/test_ray.py`` uses a real cluster.
"""

from __future__ import annotations

import importlib.util
import pickle
import re
import signal
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psutil
import pytest

from benchbed import __version__
from benchbed.config.run_config import RunConfig
from benchbed.errors import BenchbedError
from benchbed.results.store import ResultStore
from benchbed.runs.planner import plan_run
from benchbed.suites import scheduler
from benchbed.suites.executors import job as job_module
from benchbed.suites.executors import ray as ray_module
from benchbed.suites.executors.job import RunJob, execute_job
from benchbed.suites.executors.ray import NodeInfo, RayExecutor, check_ray
from benchbed.suites.plan import SuiteRun


class RayError(Exception):
    """Base class of Ray's errors."""


class TaskCancelledError(RayError):
    """Error of a cancelled task."""


class FakeRay:
    """Mock of Ray that records requests and returns prepared results.

    Attributes:
        resources: Resources of each node.
        node_infos: Answers of the nodes; errors are raised.
        results: Results of the runs in the order of submission; errors are raised.
        remote_options: Options of every remote function.
        task_options: Further options of single tasks.
        jobs: Submitted jobs.
        cancelled: Cancelled tasks, and whether by force.
    """

    exceptions = SimpleNamespace(RayError=RayError, TaskCancelledError=TaskCancelledError)

    def __init__(self, *resources: dict[str, float]) -> None:
        self.resources = resources
        self.node_infos: list[Any] = []
        self.results: list[Any] = []
        self.remote_options: list[dict[str, Any]] = []
        self.task_options: list[dict[str, Any]] = []
        self.jobs: list[RunJob] = []
        self.cancelled: list[tuple[str, bool]] = []
        self.open = True

    def nodes(self) -> list[dict[str, Any]]:
        return [
            {"NodeID": f"{number:056x}", "Alive": True, "Resources": resources}
            for number, resources in enumerate(self.resources)
        ]

    def cluster_resources(self) -> dict[str, float]:
        return {"GPU": sum(resources.get("GPU", 0) for resources in self.resources)}

    def remote(self, **options: Any) -> Callable[[Any], Any]:
        self.remote_options.append(options)

        def task(argument: Any) -> str:
            if isinstance(argument, RunJob):
                self.jobs.append(argument)
                return f"run {len(self.jobs) - 1}"
            return f"look {argument}"

        function = SimpleNamespace(remote=task)

        def options(**more: Any) -> Any:
            self.task_options.append(more)
            return function

        function.options = options
        return lambda _: function

    def wait(
        self, tasks: list[str], *, num_returns: int, timeout: float
    ) -> tuple[list[str], list[str]]:
        return tasks[:1], tasks[1:]

    def get(self, task: Any, timeout: float | None = None) -> Any:
        if isinstance(task, list):
            marker = Path(task[0].removeprefix("look "))
            infos = self.node_infos or [
                NodeInfo("alpha", __version__, marker.exists()) for _ in task
            ]
            for info in infos:
                if isinstance(info, Exception):
                    raise info
            return infos
        result = self.results[int(task.removeprefix("run "))]
        if isinstance(result, Exception):
            raise result
        return result

    def cancel(self, task: str, *, force: bool) -> None:
        self.cancelled.append((task, force))

    def shutdown(self) -> None:
        self.open = False


@pytest.fixture
def ray(monkeypatch: pytest.MonkeyPatch) -> FakeRay:
    """Return a mock with two nodes that compute and one that does not."""
    pytest.importorskip("ray")
    fake = FakeRay({"CPU": 4}, {"CPU": 8}, {})
    monkeypatch.setattr(ray_module, "_connect", lambda address: fake)
    return fake


def member(name: str, *, trains: bool = True) -> SuiteRun:
    config = RunConfig(method="dcgan", dataset="fundus")
    plan = SimpleNamespace(id=name, config=config, method=SimpleNamespace(is_trainable=trains))
    return SuiteRun(plan)  # type: ignore[arg-type]


def test_every_run_is_one_task_with_resources_and_retries(ray: FakeRay, tmp_path: Path) -> None:
    ray.results = [("finished", ""), ("diverged", "loss"), ("broken", "why"), RayError("crashed")]
    messages: list[str] = []
    executor = RayExecutor(
        ResultStore(tmp_path), threads=4, options={"checkpoint_seconds": 5.0}, log=messages.append
    )
    runs = [member(name) for name in "abcd"]
    ended = list(scheduler.execute_runs(runs, executor))
    assert [(e.suite_run.plan.id, e.outcome, e.message) for e in ended] == [
        ("a", "finished", ""),
        ("b", "diverged", "loss"),
        ("c", "broken", "why"),
        ("d", "broken", "crashed"),
    ]
    assert ray.remote_options[-1] == {
        "num_cpus": 4, "num_gpus": 0, "max_retries": ray_module.MAX_RETRIES, "max_calls": 1,
    }  # fmt: skip
    assert [(job.run, job.device, job.root) for job in ray.jobs] == [
        (name, "cpu", tmp_path) for name in "abcd"
    ]
    assert ray.jobs[0].options == {"checkpoint_seconds": 5.0}
    (message,) = messages
    assert re.search(r"\b3 nodes\b.*\b12 cores\b.*\b0 GPUs\b.*\b3\b", message)
    assert executor.capacity == 3
    assert not ray.open
    assert list(tmp_path.iterdir()) == [], "the marker file of the shared folder is deleted"


def test_every_run_gets_one_gpu_by_default(ray: FakeRay, tmp_path: Path) -> None:
    ray.resources = ({"CPU": 4}, {"CPU": 8, "GPU": 2})
    for device, gpus, room in (("auto", 1, 2), ("cuda", 1, 2), ("cpu", 0, 12)):
        executor = RayExecutor(ResultStore(tmp_path), device=device)
        executor.close()
        assert ray.remote_options[-1]["num_gpus"] == gpus
        assert executor.capacity == room
    with pytest.raises(BenchbedError, match=r"--device\b.*'cuda:1'"):
        RayExecutor(ResultStore(tmp_path), device="cuda:1")


def test_every_run_gets_its_devices_and_cores_on_one_node(ray: FakeRay, tmp_path: Path) -> None:
    """A run without training gets one device; a run is not divided among nodes."""
    ray.resources = ({"CPU": 4, "GPU": 3}, {"CPU": 2, "GPU": 4}, {"CPU": 8})
    ray.results = [("finished", "")] * 2
    messages: list[str] = []
    executor = RayExecutor(ResultStore(tmp_path), threads=1, devices=2, log=messages.append)
    assert ray.remote_options[-1]["num_cpus"] == 2
    assert ray.remote_options[-1]["num_gpus"] == 2
    assert executor.capacity == 2, (
        "the first node has GPUs for one run, the second has cores for one"
    )
    list(scheduler.execute_runs([member("a"), member("expert", trains=False)], executor))
    assert ray.task_options[-2:] == [
        {"num_cpus": 2, "num_gpus": 2}, {"num_cpus": 1, "num_gpus": 1},
    ]  # fmt: skip
    assert [job.devices for job in ray.jobs] == [2, 1]
    RayExecutor(ResultStore(tmp_path), threads=2, devices=5, log=messages.append).close()
    assert "10 cores and 5 GPUs" in messages[-1]
    RayExecutor(ResultStore(tmp_path), threads=2, devices=2, device="cpu").close()
    assert ray.remote_options[-1]["num_cpus"] == 4
    assert ray.remote_options[-1]["num_gpus"] == 0


def test_resources_that_no_node_has_are_reported(ray: FakeRay, tmp_path: Path) -> None:
    messages: list[str] = []
    RayExecutor(ResultStore(tmp_path), threads=16, log=messages.append)
    RayExecutor(ResultStore(tmp_path), device="cuda", log=messages.append)
    assert "16 cores" in messages[1]
    assert "GPU" not in messages[1]
    assert "1 core and 1 GPU." in messages[3]


@pytest.mark.parametrize(
    ("info", "facts"),
    [
        (NodeInfo("beta", __version__, False), r"{path} .*\bbeta\b.*--results"),
        (NodeInfo("beta", "0.0.1", True), r"{version}\b.*\bbeta \(0\.0\.1\)"),
        (RayError("first\nNo module named 'benchbed'"), r"No module named 'benchbed'"),
    ],
)
def test_unsuitable_nodes_are_rejected_before_any_run_starts(
    info: Any, facts: str, ray: FakeRay, tmp_path: Path
) -> None:
    ray.node_infos = [NodeInfo("alpha", __version__, True), info]
    facts = facts.format(path=re.escape(str(tmp_path)), version=re.escape(__version__))
    with pytest.raises(BenchbedError, match=facts):
        RayExecutor(ResultStore(tmp_path))
    assert ray.jobs == []
    assert not ray.open


def test_no_more_runs_than_requested_are_submitted(ray: FakeRay, tmp_path: Path) -> None:
    executor = RayExecutor(ResultStore(tmp_path), jobs=2)
    ray.results = [("finished", "")] * 3
    for name in "ab":
        assert executor.can_start()
        executor.start_run(member(name))
    assert not executor.can_start()
    assert executor.capacity == 2
    assert len(executor.collect_finished()) == 1
    assert executor.can_start()


def test_a_stop_cancels_every_task_and_a_second_one_forces_it(ray: FakeRay, tmp_path: Path) -> None:
    """Also for runs that were waiting or were killed, which Ray reports as errors."""
    ray.results = [("stopped", ""), TaskCancelledError(), RayError("killed")]
    executor = RayExecutor(ResultStore(tmp_path))
    for name in "abc":
        executor.start_run(member(name))
    executor.stop_runs(immediately=False)
    executor.stop_runs(immediately=True)
    assert ray.cancelled == [(f"run {n}", force) for force in (False, True) for n in range(3)]
    assert [executor.collect_finished()[0].outcome for _ in "abc"] == ["stopped"] * 3


def test_a_missing_ray_error_shows_the_install_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ray_module, "find_spec", lambda name: None)
    with pytest.raises(BenchbedError, match=r"pip install 'benchbed\[ray\]'"):
        check_ray()


def test_planning_a_suite_for_a_cluster_does_not_import_ray() -> None:
    """The executor is checked before planning, and importing Ray takes seconds."""
    import subprocess
    import sys

    code = (
        "import sys; from benchbed.suites.executors.ray import check_ray; check_ray();"
        "print([name for name in ('ray', 'torch', 'numpy') if name in sys.modules])"
    )
    if importlib.util.find_spec("ray") is None:
        pytest.skip("Ray is not installed")
    completed = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert completed.stdout.strip() == "[]"


@pytest.fixture
def job(with_plugin: Path, tmp_path: Path) -> RunJob:
    """Return a small run for a node."""
    request = RunConfig(
        method="tiny-lsgan", dataset="discs", settings={}, kimg=0.1, size=16, samples=8,
        metrics=("kl",),
    )  # fmt: skip
    marker = tmp_path / "marker"
    marker.touch()
    return RunJob(
        request, plan_run(request).id, tmp_path, marker, "cpu", {"checkpoint_seconds": 1.0}
    )


def test_a_node_executes_the_run_and_prints_its_output(
    job: RunJob, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert execute_job(job) == ("finished", "")
    assert ResultStore(tmp_path).load_record(job.run) is not None
    assert f"{job.run}: Data:" in capfd.readouterr().err
    assert execute_job(job) == ("finished", ""), "a completed run is no error on retry"


def test_a_node_that_plans_a_different_run_rejects_it(job: RunJob, tmp_path: Path) -> None:
    outcome, words = execute_job(replace(job, run="tiny-lsgan-discs-16px-s0-00000000"))
    assert outcome == "broken"
    assert job.run in words
    assert "tiny-lsgan-discs-16px-s0-00000000" in words
    assert not (tmp_path / "records").exists()


def test_a_node_without_the_shared_folder_rejects_the_run(job: RunJob) -> None:
    job.marker_file.unlink()
    outcome, words = execute_job(job)
    assert outcome == "broken"
    assert str(job.root) in words
    assert "--results" in words


def test_a_failed_and_a_diverged_run_on_a_node(job: RunJob, tmp_path: Path) -> None:
    for settings, expected, fact in (
        ({"fail_at": 2}, "broken", "the plugin has a bug"),
        ({"nan_at": 2}, "diverged", r"'generator'.*\bnan\b"),
    ):
        request = job.config.model_copy(update={"settings": settings})
        outcome, words = execute_job(replace(job, config=request, run=plan_run(request).id))
        assert outcome == expected
        assert re.search(fact, words)


def test_an_interrupt_on_a_node_saves_the_run(job: RunJob, tmp_path: Path) -> None:
    """Ray cancels a task by KeyboardInterrupt in its main thread."""
    import _thread

    request = job.config.model_copy(update={"settings": {"step_ms": 50}})
    slow = replace(job, config=request, run=plan_run(request).id)
    folder = ResultStore(tmp_path).get_run_folder(slow.run)

    def interrupt() -> None:
        while '"training"' not in _text(folder / "progress.json"):
            threading.Event().wait(0.02)
        _thread.interrupt_main(signal.SIGINT)

    thread = threading.Thread(target=interrupt)
    thread.start()
    assert execute_job(slow) == ("stopped", "")
    thread.join()
    assert (folder / "checkpoints/last.pt").exists()


def test_a_run_waits_for_the_lock_of_a_lost_node(
    job: RunJob, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """File servers keep such locks for a while; the run fails only if it is never released."""
    store = ResultStore(tmp_path)
    monkeypatch.setattr(job_module, "LOCK_SECONDS", 0.2)
    with store.lock_run(job.run):
        assert execute_job(job)[0] == "broken"
    monkeypatch.setattr(job_module, "LOCK_SECONDS", 60.0)
    held, release = threading.Event(), threading.Event()

    def hold() -> None:
        with store.lock_run(job.run):
            held.set()
            release.wait(0.5)

    thread = threading.Thread(target=hold)
    thread.start()
    held.wait()
    assert execute_job(job) == ("finished", "")
    thread.join()


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_a_node_executes_a_run_on_two_devices(
    job: RunJob, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """In separate processes, whose output is printed and whose errors are returned."""
    several = replace(job, devices=2)
    assert execute_job(several) == ("finished", "")
    record = ResultStore(tmp_path).load_record(job.run)
    assert record is not None
    assert record.provenance.devices == 2
    assert record.provenance.threads == 1
    assert capfd.readouterr().err.count(f"{job.run}: Data:") == 1
    outcome, words = execute_job(replace(several, run="tiny-lsgan-discs-16px-s0-00000000"))
    assert outcome == "broken"
    assert job.run in words


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_an_interrupt_and_the_end_of_the_task_reach_a_run_on_two_devices(
    job: RunJob, tmp_path: Path
) -> None:
    """Ctrl-C saves it. A killed task, as with a lost node, terminates all its processes."""
    import os
    import subprocess
    import sys
    import time

    request = job.config.model_copy(update={"settings": {"step_ms": 50}})
    slow = replace(job, config=request, run=plan_run(request).id, devices=2)
    folder = ResultStore(tmp_path).get_run_folder(slow.run)
    code = f"""
import pickle
from benchbed.suites.executors.job import execute_job
print(execute_job(pickle.loads({pickle.dumps(slow)!r})), flush=True)
"""

    def start() -> subprocess.Popen[str]:
        task = subprocess.Popen(
            [sys.executable, "-c", code],
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )
        while '"training"' not in _text(folder / "progress.json"):
            assert task.poll() is None
            time.sleep(0.05)
        return task

    stopped = start()
    stopped.send_signal(signal.SIGINT)
    assert stopped.communicate(timeout=300)[0].strip() == "('stopped', '')"
    killed = start()
    workers = psutil.Process(killed.pid).children(recursive=True)
    assert len(workers) >= 2
    killed.kill()
    killed.communicate()
    if sys.platform == "linux":
        _, alive = psutil.wait_procs(workers, timeout=60)
        assert alive == []
    assert execute_job(replace(slow, devices=1))[0] == "broken", "it resumes with two devices only"
    assert execute_job(slow) == ("finished", "")


def _text(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""
