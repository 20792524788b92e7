"""A Ray cluster as an executor: what is asked of Ray, what is refused, and what a node does.

Ray itself is played here; ``tests/cli/test_ray.py`` has a real cluster.
"""

from __future__ import annotations

import importlib.util
import pickle
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
from benchbed.errors import BenchbedError
from benchbed.runs.plan import plan
from benchbed.runs.request import Request
from benchbed.runs.store import Store
from benchbed.suites import execute
from benchbed.suites.executors import cluster, node
from benchbed.suites.executors.cluster import Cluster, check_ray
from benchbed.suites.executors.node import Job, Sight, compute
from benchbed.suites.grid import Member


class RayError(Exception):
    """The root of Ray's errors."""


class TaskCancelledError(RayError):
    """What a cancelled task gives."""


class PlayedRay:
    """Computes nothing: says what it was asked, and gives what it was told to.

    Attributes:
        resources: Of each node.
        sights: What the nodes see; errors are raised.
        results: What the runs give, in the order in which they were handed over.
        asked: The options of every task.
        wanted: What else was wanted for a task.
        cancelled: Tasks that were, and whether by force.
    """

    exceptions = SimpleNamespace(RayError=RayError, TaskCancelledError=TaskCancelledError)

    def __init__(self, *resources: dict[str, float]) -> None:
        self.resources = resources
        self.sights: list[Any] = []
        self.results: list[Any] = []
        self.asked: list[dict[str, Any]] = []
        self.wanted: list[dict[str, Any]] = []
        self.jobs: list[Job] = []
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
        self.asked.append(options)

        def task(given: Any) -> str:
            if isinstance(given, Job):
                self.jobs.append(given)
                return f"run {len(self.jobs) - 1}"
            return f"look {given}"

        made = SimpleNamespace(remote=task)

        def options(**more: Any) -> Any:
            self.wanted.append(more)
            return made

        made.options = options
        return lambda function: made

    def wait(
        self, tasks: list[str], *, num_returns: int, timeout: float
    ) -> tuple[list[str], list[str]]:
        return tasks[:1], tasks[1:]

    def get(self, task: Any, timeout: float | None = None) -> Any:
        if isinstance(task, list):
            mark = Path(task[0].removeprefix("look "))
            seen = self.sights or [Sight("alpha", __version__, mark.exists()) for _ in task]
            for sight in seen:
                if isinstance(sight, Exception):
                    raise sight
            return seen
        result = self.results[int(task.removeprefix("run "))]
        if isinstance(result, Exception):
            raise result
        return result

    def cancel(self, task: str, *, force: bool) -> None:
        self.cancelled.append((task, force))

    def shutdown(self) -> None:
        self.open = False


@pytest.fixture
def ray(monkeypatch: pytest.MonkeyPatch) -> PlayedRay:
    """Two nodes that compute, and one that does not."""
    pytest.importorskip("ray")
    played = PlayedRay({"CPU": 4}, {"CPU": 8}, {})
    monkeypatch.setattr(cluster, "_connect", lambda address: played)
    return played


def member(name: str, *, trains: bool = True) -> Member:
    request = Request(method="dcgan", dataset="fundus", settings={})
    plan = SimpleNamespace(id=name, method=SimpleNamespace(trains=trains))
    return Member(request, plan)  # type: ignore[arg-type]


def test_every_run_is_one_task_with_its_needs_and_is_tried_again(
    ray: PlayedRay, tmp_path: Path
) -> None:
    ray.results = [("finished", ""), ("diverged", "loss"), ("broken", "why"), RayError("crashed")]
    said: list[str] = []
    executor = Cluster(
        Store(tmp_path), threads=4, options={"checkpoint_seconds": 5.0}, say=said.append
    )
    runs = [member(name) for name in "abcd"]
    ended = list(execute.carry_out(runs, executor))
    assert [(e.member.plan.id, e.outcome, e.words) for e in ended] == [
        ("a", "finished", ""),
        ("b", "diverged", "loss"),
        ("c", "broken", "why"),
        ("d", "broken", "crashed"),
    ]
    assert ray.asked[-1] == {
        "num_cpus": 4, "num_gpus": 0, "max_retries": cluster.RETRIES, "max_calls": 1,
    }  # fmt: skip
    assert [(job.run, job.device, job.root) for job in ray.jobs] == [
        (name, "cpu", tmp_path) for name in "abcd"
    ]
    assert ray.jobs[0].options == {"checkpoint_seconds": 5.0}
    assert said == ["A cluster of 3 nodes with 12 cores and 0 GPUs: room for 3 at a time."]
    assert executor.room == 3
    assert not ray.open
    assert list(tmp_path.iterdir()) == [], "the mark of the shared folder is gone"


def test_a_cluster_with_gpus_gives_one_to_every_run_unless_told_otherwise(
    ray: PlayedRay, tmp_path: Path
) -> None:
    ray.resources = ({"CPU": 4}, {"CPU": 8, "GPU": 2})
    for device, gpus, room in (("auto", 1, 2), ("cuda", 1, 2), ("cpu", 0, 12)):
        executor = Cluster(Store(tmp_path), device=device)
        executor.close()
        assert ray.asked[-1]["num_gpus"] == gpus
        assert executor.room == room
    with pytest.raises(BenchbedError, match="Ray chooses the GPU"):
        Cluster(Store(tmp_path), device="cuda:1")


def test_every_run_gets_its_devices_and_their_cores_on_one_node(
    ray: PlayedRay, tmp_path: Path
) -> None:
    """A run that trains nothing gets one of each; no node has room for parts of two runs."""
    ray.resources = ({"CPU": 4, "GPU": 3}, {"CPU": 2, "GPU": 4}, {"CPU": 8})
    ray.results = [("finished", "")] * 2
    said: list[str] = []
    executor = Cluster(Store(tmp_path), threads=1, devices=2, say=said.append)
    assert ray.asked[-1]["num_cpus"] == 2
    assert ray.asked[-1]["num_gpus"] == 2
    assert executor.room == 2, "the first has GPUs for one run, the second cores for one"
    list(execute.carry_out([member("a"), member("expert", trains=False)], executor))
    assert ray.wanted[-2:] == [
        {"num_cpus": 2, "num_gpus": 2}, {"num_cpus": 1, "num_gpus": 1},
    ]  # fmt: skip
    assert [job.devices for job in ray.jobs] == [2, 1]
    Cluster(Store(tmp_path), threads=2, devices=5, say=said.append).close()
    assert said[-1] == "No node has 10 cores and 5 GPUs: the runs wait until one joins."
    Cluster(Store(tmp_path), threads=2, devices=2, device="cpu").close()
    assert ray.asked[-1]["num_cpus"] == 4
    assert ray.asked[-1]["num_gpus"] == 0


def test_what_no_node_has_is_said(ray: PlayedRay, tmp_path: Path) -> None:
    said: list[str] = []
    Cluster(Store(tmp_path), threads=16, say=said.append)
    Cluster(Store(tmp_path), device="cuda", say=said.append)
    assert said[1] == "No node has 16 cores: the runs wait until one joins."
    assert said[3] == "No node has 1 cores and 1 GPUs: the runs wait until one joins."


@pytest.mark.parametrize(
    ("sight", "words"),
    [
        (Sight("beta", __version__, False), "is not there on beta"),
        (Sight("beta", "0.0.1", True), r"there is another on beta \(0.0.1\)"),
        (RayError("first\nNo module named 'benchbed'"), "No module named 'benchbed'"),
    ],
)
def test_nodes_that_cannot_do_the_runs_are_refused_before_any_begins(
    sight: Any, words: str, ray: PlayedRay, tmp_path: Path
) -> None:
    ray.sights = [Sight("alpha", __version__, True), sight]
    with pytest.raises(BenchbedError, match=words):
        Cluster(Store(tmp_path))
    assert ray.jobs == []
    assert not ray.open


def test_no_more_runs_than_asked_for_are_handed_over(ray: PlayedRay, tmp_path: Path) -> None:
    executor = Cluster(Store(tmp_path), jobs=2)
    ray.results = [("finished", "")] * 3
    for name in "ab":
        assert executor.has_room()
        executor.start(member(name))
    assert not executor.has_room()
    assert executor.room == 2
    assert len(executor.ended()) == 1
    assert executor.has_room()


def test_a_stop_cancels_every_task_and_force_stops_at_once(ray: PlayedRay, tmp_path: Path) -> None:
    """A run that saved says so itself; one that waited, or was ended, is Ray's to tell of."""
    ray.results = [("stopped", ""), TaskCancelledError(), RayError("ended by force")]
    executor = Cluster(Store(tmp_path))
    for name in "abc":
        executor.start(member(name))
    executor.stop(at_once=False)
    executor.stop(at_once=True)
    assert ray.cancelled == [(f"run {n}", force) for force in (False, True) for n in range(3)]
    assert [executor.ended()[0].outcome for _ in "abc"] == ["stopped"] * 3


def test_without_ray_one_sentence_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster, "find_spec", lambda name: None)
    with pytest.raises(BenchbedError, match=r"pip install 'benchbed\[ray\]'"):
        check_ray()


def test_planning_a_suite_for_a_cluster_loads_no_ray() -> None:
    """The executor is looked at before the plan is made, and Ray takes seconds to load."""
    import subprocess
    import sys

    code = (
        "import sys; from benchbed.suites.executors.cluster import check_ray; check_ray();"
        "print([name for name in ('ray', 'torch', 'numpy') if name in sys.modules])"
    )
    if importlib.util.find_spec("ray") is None:
        pytest.skip("Ray is not installed")
    answer = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert answer.stdout.strip() == "[]"


@pytest.fixture
def job(with_plugin: Path, tmp_path: Path) -> Job:
    """A small run for a node."""
    request = Request(
        method="tiny-lsgan", dataset="discs", settings={}, kimg=0.1, size=16, samples=8,
        metrics=("kl",),
    )  # fmt: skip
    mark = tmp_path / "mark"
    mark.touch()
    return Job(request, plan(request).id, tmp_path, mark, "cpu", {"checkpoint_seconds": 1.0})


def test_a_node_carries_out_the_run_and_says_its_lines(
    job: Job, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert compute(job) == ("finished", "")
    assert Store(tmp_path).record(job.run) is not None
    assert f"{job.run}: Data:" in capfd.readouterr().err
    assert compute(job) == ("finished", ""), "a run that is done is not an error on a second try"


def test_a_node_that_plans_another_run_refuses_it(job: Job, tmp_path: Path) -> None:
    outcome, words = compute(replace(job, run="tiny-lsgan-discs-16px-s0-00000000"))
    assert outcome == "broken"
    assert "plans tiny-lsgan-discs-16px-s0-" in words
    assert "its plugins or its benchbed differ" in words
    assert not (tmp_path / "records").exists()


def test_a_node_with_another_folder_under_that_path_refuses_the_run(job: Job) -> None:
    job.mark.unlink()
    outcome, words = compute(job)
    assert outcome == "broken"
    assert "all of them need the same folder under the same path" in words


def test_a_broken_and_a_diverged_run_on_a_node(job: Job, tmp_path: Path) -> None:
    for settings, outcome, words in (
        ({"fail_at": 2}, "broken", "the plugin has a bug"),
        ({"nan_at": 2}, "diverged", "loss 'generator' was nan"),
    ):
        request = replace(job.request, settings=settings)
        got, said = compute(replace(job, request=request, run=plan(request).id))
        assert got == outcome
        assert words in said


def test_an_interrupt_on_a_node_saves_the_run(job: Job, tmp_path: Path) -> None:
    """What Ray's cancel does to a task: Ctrl-C in its main thread."""
    import _thread

    request = replace(job.request, settings={"step_ms": 50})
    slow = replace(job, request=request, run=plan(request).id)
    folder = Store(tmp_path).run_folder(slow.run)

    def interrupt() -> None:
        while '"training"' not in _text(folder / "progress.json"):
            threading.Event().wait(0.02)
        _thread.interrupt_main(signal.SIGINT)

    thread = threading.Thread(target=interrupt)
    thread.start()
    assert compute(slow) == ("stopped", "")
    thread.join()
    assert (folder / "checkpoints/last.pt").exists()


def test_a_run_waits_for_the_lock_of_the_node_that_was_lost(
    job: Job, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a file server holds it for a while; only when it never comes free is the run refused."""
    store = Store(tmp_path)
    monkeypatch.setattr(node, "LOCK_SECONDS", 0.2)
    with store.locked(job.run):
        assert compute(job)[0] == "broken"
    monkeypatch.setattr(node, "LOCK_SECONDS", 60.0)
    held, free = threading.Event(), threading.Event()

    def hold() -> None:
        with store.locked(job.run):
            held.set()
            free.wait(0.5)

    thread = threading.Thread(target=hold)
    thread.start()
    held.wait()
    assert compute(job) == ("finished", "")
    thread.join()


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_a_node_carries_out_a_run_on_two_devices(
    job: Job, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """In processes of its own, whose lines are the node's; a refusal comes back in words."""
    several = replace(job, devices=2)
    assert compute(several) == ("finished", "")
    record = Store(tmp_path).record(job.run)
    assert record is not None
    assert record.provenance.devices == 2
    assert record.provenance.threads == 1
    assert capfd.readouterr().err.count(f"{job.run}: Data:") == 1
    outcome, words = compute(replace(several, run="tiny-lsgan-discs-16px-s0-00000000"))
    assert outcome == "broken"
    assert "plans tiny-lsgan-discs-16px-s0-" in words


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_an_interrupt_and_the_end_of_the_task_reach_a_run_on_two_devices(
    job: Job, tmp_path: Path
) -> None:
    """Ctrl-C saves it. A task that is killed, as with its node, takes every process along."""
    import os
    import subprocess
    import sys
    import time

    request = replace(job.request, settings={"step_ms": 50})
    slow = replace(job, request=request, run=plan(request).id, devices=2)
    folder = Store(tmp_path).run_folder(slow.run)
    code = f"""
import pickle
from benchbed.suites.executors.node import compute
print(compute(pickle.loads({pickle.dumps(slow)!r})), flush=True)
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
    family = psutil.Process(killed.pid).children(recursive=True)
    assert len(family) >= 2
    killed.kill()
    killed.communicate()
    if sys.platform == "linux":
        _, alive = psutil.wait_procs(family, timeout=60)
        assert alive == []
    assert compute(replace(slow, devices=1))[0] == "broken", "it goes on with two devices only"
    assert compute(slow) == ("finished", "")


def _text(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""
