"""Executor for a Ray cluster: one task per run, retried if its node is lost."""

from __future__ import annotations

import logging
import os
import socket
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from benchbed import __version__
from benchbed.config import paths
from benchbed.config.run_config import RunConfig
from benchbed.data.sources.own_data import parse_own_path
from benchbed.errors import BenchbedError
from benchbed.results.store import ResultStore
from benchbed.runs.status import remove_status
from benchbed.suites.executors.base import FinishedRun
from benchbed.suites.executors.job import RunJob, execute_job, make_unshared_error
from benchbed.suites.plan import SuiteRun
from benchbed.utils.text import format_count

if TYPE_CHECKING:
    from ray import ObjectRef


@dataclass(frozen=True)
class NodeInfo:
    """State of a node."""

    name: str
    version: str
    has_shared_folder: bool


def describe_node(marker: Path) -> NodeInfo:
    """Return the state of this node."""
    return NodeInfo(socket.gethostname(), __version__, marker.exists())


MAX_RETRIES = 10
"""Maximum restarts of a run whose node is lost, each from its last checkpoint."""


POLL_SECONDS = 0.5


PROBE_SECONDS = 120.0
"""Timeout of the first query to all nodes."""


def check_ray() -> None:
    """Raise an error if Ray is not installed.

    Raises:
        BenchbedError: It is not installed.
    """
    if find_spec("ray") is None:
        raise BenchbedError(
            "--executor ray needs Ray, which is not installed. Install it on every node with "
            "`pip install 'benchbed[ray]'`, or use --executor local."
        )


class RayExecutor:
    """Executor with one Ray task per run, on any node with the required cores and GPUs.

    Every node must see the results folder under the same path: a restarted run finds its
    checkpoint there, and records are written there. Ray forwards the runs' messages to this
    process's terminal.

    Args:
        store: The results folder.
        address: Address of the cluster; None for ``$RAY_ADDRESS``, else a cluster that this
            machine is part of, else a new one on this machine.
        jobs: Maximum number of parallel runs; None for the capacity of the cluster.
        threads: Cores of each process of a run.
        device: ``"cpu"``, ``"cuda"``, or ``"auto"``: cuda if the cluster has any GPU.
        options: Fields of the loop's `TrainingOptions`.
        devices: Devices of one node per run; on CPUs, processes.
        log: Receives messages about the cluster.

    Attributes:
        capacity: Number of runs that the cluster had capacity for at the start, at most `jobs`.

    Raises:
        BenchbedError: Ray or the cluster is unavailable, or its nodes are unsuitable.
    """

    def __init__(
        self,
        store: ResultStore,
        *,
        address: str | None = None,
        jobs: int | None = None,
        threads: int = 1,
        device: str = "auto",
        options: Mapping[str, Any] | None = None,
        devices: int = 1,
        log: Callable[[str], None] = lambda text: None,
    ) -> None:
        if device not in ("auto", "cpu", "cuda"):
            raise BenchbedError(
                f"--device must be auto, cpu or cuda with --executor ray, not {device!r}: Ray "
                "selects the GPU."
            )
        check_ray()
        self._root = paths.ensure_writable(store.root).absolute()
        self._store = ResultStore(self._root)
        self._jobs = jobs
        self._threads = threads
        self._devices = devices
        self._options = dict(options or {})
        self._running: dict[ObjectRef[Any], SuiteRun] = {}
        self._stopping = False
        self._marker = self._root / f".cluster-{uuid.uuid4().hex}"
        self._ray = _connect(address)
        try:
            self._marker.touch()
            self._check_nodes()
            gpus = self._ray.cluster_resources().get("GPU", 0)
            self._device = "cuda" if device == "cuda" or (device == "auto" and gpus) else "cpu"
            self._task = self._ray.remote(
                **self._get_requirements(devices),
                max_retries=MAX_RETRIES,
                max_calls=1,  # a new process for every run
            )(execute_job)
            self.capacity = self._report_cluster(log)
        except BaseException:
            self.close()
            raise

    def can_start(self) -> bool:
        """Return whether fewer than `jobs` runs are active; Ray queues excess runs itself."""
        return self._jobs is None or len(self._running) < self._jobs

    def start_run(self, suite_run: SuiteRun) -> None:
        """Submit a run to Ray."""
        remove_status(self._store.get_run_folder(suite_run.plan.id))
        config, run = resolve_config_paths(suite_run.plan.config), suite_run.plan.id
        devices = suite_run.count_devices(self._devices)
        job = RunJob(
            config,
            run,
            self._root,
            self._marker,
            self._device,
            self._options,
            devices=devices,
            threads=self._threads,
        )
        task = self._task.options(**self._get_requirements(devices))
        self._running[task.remote(job)] = suite_run

    def collect_finished(self) -> list[FinishedRun]:
        """Wait briefly, and return the runs that have ended since the last call."""
        finished, _ = self._ray.wait(
            list(self._running), num_returns=len(self._running), timeout=POLL_SECONDS
        )
        return [self._read_outcome(task) for task in finished]

    def stop_runs(self, *, immediately: bool) -> None:
        """Cancel every task: a waiting one is dropped, an active one receives an interrupt."""
        self._stopping = True
        for task in self._running:
            self._ray.cancel(task, force=immediately)

    def close(self) -> None:
        """Disconnect from the cluster, which ends the remaining tasks."""
        self._ray.shutdown()
        self._marker.unlink(missing_ok=True)

    def _read_outcome(self, task: ObjectRef[Any]) -> FinishedRun:
        suite_run = self._running.pop(task)
        errors = self._ray.exceptions
        try:
            outcome, message = self._ray.get(task)
        except errors.TaskCancelledError:
            return FinishedRun(suite_run, "stopped")
        except errors.RayError as error:
            if self._stopping:
                return FinishedRun(suite_run, "stopped")
            return FinishedRun(suite_run, "broken", str(error))
        return FinishedRun(suite_run, outcome, message)

    def _check_nodes(self) -> None:
        """Check every node.

        Raises:
            BenchbedError: A node does not respond, has another version of benchbed, or does not
                see the results folder.
        """
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        task = self._ray.remote(num_cpus=0)(describe_node)
        tasks = [
            task.options(
                scheduling_strategy=NodeAffinitySchedulingStrategy(node["NodeID"], soft=False)
            ).remote(self._marker)
            for node in self._ray.nodes()
            if node["Alive"] and node["Resources"].get("CPU")
        ]
        try:
            nodes: list[NodeInfo] = self._ray.get(tasks, timeout=PROBE_SECONDS)
        except self._ray.exceptions.RayError as error:
            reason = str(error).strip().splitlines()[-1]
            raise BenchbedError(
                f"A cluster node cannot run benchbed: {reason}. Install benchbed there for the "
                "same Python version."
            ) from error
        if others := sorted(f"{s.name} ({s.version})" for s in nodes if s.version != __version__):
            raise BenchbedError(
                f"This is benchbed {__version__}, but other versions are installed on "
                f"{', '.join(others)}. Install the same version on every node."
            )
        if unshared_nodes := sorted({s.name for s in nodes if not s.has_shared_folder}):
            raise make_unshared_error(self._root, ", ".join(unshared_nodes))

    def _get_requirements(self, devices: int) -> dict[str, int]:
        gpus = devices if self._device == "cuda" else 0
        return {"num_cpus": self._threads * devices, "num_gpus": gpus}

    def _report_cluster(self, log: Callable[[str], None]) -> int:
        """Report the resources of the cluster.

        Returns:
            Its capacity in runs.
        """
        alive = [node["Resources"] for node in self._ray.nodes() if node["Alive"]]
        cores = sum(int(node.get("CPU", 0)) for node in alive)
        gpus = sum(int(node.get("GPU", 0)) for node in alive)
        needs = {"CPU": (required := self._get_requirements(self._devices))["num_cpus"]}
        needs |= {"GPU": required["num_gpus"]} if required["num_gpus"] else {}
        capacity = sum(
            int(min(node.get(kind, 0) // count for kind, count in needs.items())) for node in alive
        )
        limited = capacity if self._jobs is None else min(capacity, self._jobs)
        room = f", capacity {format_count(limited, 'run')}" if limited else ""
        log(
            f"Cluster with {format_count(len(alive), 'node')}, {format_count(cores, 'core')} and "
            f"{format_count(gpus, 'GPU')}{room}."
        )
        if not capacity:
            nouns = {"CPU": "core", "GPU": "GPU"}
            missing = [format_count(count, nouns[kind]) for kind, count in needs.items()]
            log(f"No node has {' and '.join(missing)}. The runs wait until one joins the cluster.")
        return limited


def resolve_config_paths(config: RunConfig) -> RunConfig:
    """Return the configuration with absolute paths, for a process in another folder."""
    root = config.data_root
    if root is None and os.environ.get("BENCHBED_DATA"):
        root = paths.resolve_data_root()
    changes: dict[str, Any] = {"data_root": root and root.absolute()}
    for field in ("dataset", "generator_dataset", "masks_from"):
        if (dataset := getattr(config, field)) is not None:
            changes[field] = _resolve_dataset_path(dataset)
    return config.model_copy(update=changes)


def _resolve_dataset_path(dataset: str) -> str:
    path = parse_own_path(dataset)
    return dataset if path is None else f"{dataset.partition(':')[0]}:{path.absolute()}"


def _connect(address: str | None) -> ModuleType:
    # Usage statistics are sent to Ray's developers only if the user enables them.
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    import ray

    try:
        ray.init(address=address, include_dashboard=False, logging_level=logging.WARNING)
    except (ConnectionError, RuntimeError, ValueError) as error:
        reason = str(error).strip().splitlines()[0]
        raise BenchbedError(
            f"No Ray cluster reachable{f' at {address}' if address else ''}: {reason} Start one "
            "with `ray start --head`, and add nodes with `ray start --address`."
        ) from error
    return ray
