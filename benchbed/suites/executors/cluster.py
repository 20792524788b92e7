"""Runs as tasks of a Ray cluster: one task a run, tried again where its node is lost."""

from __future__ import annotations

import logging
import os
import uuid
from collections.abc import Callable, Mapping
from dataclasses import replace
from importlib.util import find_spec
from types import ModuleType
from typing import TYPE_CHECKING, Any

from benchbed import __version__, paths
from benchbed.data.source import path_of
from benchbed.errors import BenchbedError
from benchbed.runs.request import Request
from benchbed.runs.status import forget_status
from benchbed.runs.store import Store
from benchbed.suites.executors.executor import Ended
from benchbed.suites.executors.node import Job, Sight, compute, look, unshared
from benchbed.suites.grid import Member

if TYPE_CHECKING:
    from ray import ObjectRef

RETRIES = 10
"""How often a run is begun anew, each time from its last checkpoint, when its node is lost."""

POLL_SECONDS = 0.5

LOOK_SECONDS = 120.0
"""How long the nodes may take to answer the first question."""


def check_ray() -> None:
    """Refuse where Ray is not installed.

    Raises:
        BenchbedError: It is not.
    """
    if find_spec("ray") is None:
        raise BenchbedError(
            "--executor ray needs Ray, which is not installed. Install it on every node with "
            "`pip install 'benchbed[ray]'`, or use --executor local."
        )


class Cluster:
    """One task a run, on whichever node has the cores, and the GPU, that it needs.

    Every node sees the results folder under the same path: there a run whose node is lost finds
    its checkpoint, and there the records gather. Ray brings the lines that runs say to this
    process's terminal.

    Args:
        store: Where results go.
        address: The cluster, as Ray names it; None for the one of ``$RAY_ADDRESS``, else one that
            this machine is part of, else a new one of this machine alone.
        jobs: How many runs go on at a time; None for as many as the cluster has room for.
        threads: Cores that each of its processes computes with.
        device: ``"cpu"``, ``"cuda"``, or ``"auto"``: cuda where the cluster has a GPU at all.
        options: Fields of the loop's `Options`.
        devices: How many devices of one node train a run together; on CPUs, processes.
        say: Told what the cluster is, and what it lacks.

    Attributes:
        room: How many runs it had room for when it was asked, and no more than `jobs`.

    Raises:
        BenchbedError: Ray or the cluster is not there, or its nodes cannot do such runs.
    """

    def __init__(
        self,
        store: Store,
        *,
        address: str | None = None,
        jobs: int | None = None,
        threads: int = 1,
        device: str = "auto",
        options: Mapping[str, Any] | None = None,
        devices: int = 1,
        say: Callable[[str], None] = lambda text: None,
    ) -> None:
        if device not in ("auto", "cpu", "cuda"):
            raise BenchbedError(
                f"--device must be auto, cpu or cuda with --executor ray, not {device!r}: Ray "
                "selects the GPU."
            )
        check_ray()
        self._root = paths.writable(store.root).absolute()
        self._store = Store(self._root)
        self._jobs = jobs
        self._threads = threads
        self._devices = devices
        self._options = dict(options or {})
        self._going: dict[ObjectRef[Any], Member] = {}
        self._stopping = False
        self._mark = self._root / f".cluster-{uuid.uuid4().hex}"
        self._ray = _connect(address)
        try:
            self._mark.touch()
            self._look_around()
            gpus = self._ray.cluster_resources().get("GPU", 0)
            self._device = "cuda" if device == "cuda" or (device == "auto" and gpus) else "cpu"
            self._task = self._ray.remote(
                **self._needs(devices),
                max_retries=RETRIES,
                max_calls=1,  # a process of its own for every run
            )(compute)
            self.room = self._tell(say)
        except BaseException:
            self.close()
            raise

    def has_room(self) -> bool:
        """Whether fewer than `jobs` runs were handed over; Ray itself has a queue."""
        return self._jobs is None or len(self._going) < self._jobs

    def start(self, member: Member) -> None:
        """Hand a run to Ray."""
        forget_status(self._store.run_folder(member.plan.id))
        request, run = from_anywhere(member.request), member.plan.id
        devices = member.devices(self._devices)
        job = Job(
            request,
            run,
            self._root,
            self._mark,
            self._device,
            self._options,
            devices=devices,
            threads=self._threads,
        )
        task = self._task.options(**self._needs(devices))
        self._going[task.remote(job)] = member

    def ended(self) -> list[Ended]:
        """Wait a moment, and say which tasks are over."""
        over, _ = self._ray.wait(
            list(self._going), num_returns=len(self._going), timeout=POLL_SECONDS
        )
        return [self._told(task) for task in over]

    def stop(self, *, at_once: bool) -> None:
        """Cancel every task: one that waits is dropped, one that goes on hears Ctrl-C."""
        self._stopping = True
        for task in self._going:
            self._ray.cancel(task, force=at_once)

    def close(self) -> None:
        """Leave the cluster; it ends what this process still has there."""
        self._ray.shutdown()
        self._mark.unlink(missing_ok=True)

    def _told(self, task: ObjectRef[Any]) -> Ended:
        member = self._going.pop(task)
        errors = self._ray.exceptions
        try:
            outcome, words = self._ray.get(task)
        except errors.TaskCancelledError:
            return Ended(member, "stopped")
        except errors.RayError as error:
            if self._stopping:
                return Ended(member, "stopped")
            return Ended(member, "broken", str(error))
        return Ended(member, outcome, words)

    def _look_around(self) -> None:
        """Ask every node what it sees.

        Raises:
            BenchbedError: One of them does not answer, has another benchbed, or does not see the
                results folder.
        """
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        task = self._ray.remote(num_cpus=0)(look)
        asked = [
            task.options(
                scheduling_strategy=NodeAffinitySchedulingStrategy(node["NodeID"], soft=False)
            ).remote(self._mark)
            for node in self._ray.nodes()
            if node["Alive"] and node["Resources"].get("CPU")
        ]
        try:
            seen: list[Sight] = self._ray.get(asked, timeout=LOOK_SECONDS)
        except self._ray.exceptions.RayError as error:
            reason = str(error).strip().splitlines()[-1]
            raise BenchbedError(
                f"A cluster node cannot run benchbed: {reason}. Install benchbed there for the "
                "same Python version."
            ) from error
        if other := sorted(f"{s.name} ({s.version})" for s in seen if s.version != __version__):
            raise BenchbedError(
                f"This is benchbed {__version__}, but other versions are installed on "
                f"{', '.join(other)}. Install the same version on every node."
            )
        if blind := sorted({s.name for s in seen if not s.shared}):
            raise unshared(self._root, ", ".join(blind))

    def _needs(self, devices: int) -> dict[str, int]:
        """What Ray must find on one node for a run."""
        gpus = devices if self._device == "cuda" else 0
        return {"num_cpus": self._threads * devices, "num_gpus": gpus}

    def _tell(self, say: Callable[[str], None]) -> int:
        """Say what the cluster is.

        Returns:
            How many runs it has room for.
        """
        alive = [node["Resources"] for node in self._ray.nodes() if node["Alive"]]
        cores = sum(int(node.get("CPU", 0)) for node in alive)
        gpus = sum(int(node.get("GPU", 0)) for node in alive)
        needs = {"CPU": (wanted := self._needs(self._devices))["num_cpus"]}
        needs |= {"GPU": wanted["num_gpus"]} if wanted["num_gpus"] else {}
        fitting = sum(
            int(min(node.get(kind, 0) // count for kind, count in needs.items())) for node in alive
        )
        room = fitting if self._jobs is None else min(fitting, self._jobs)
        at_once = f", capacity {room} runs" if room else ""
        say(f"Cluster with {len(alive)} nodes, {cores} cores and {gpus} GPUs{at_once}.")
        if not fitting:
            words = [f"{needs['CPU']} cores", *([f"{n} GPUs"] if (n := needs.get("GPU")) else [])]
            say(f"No node has {' and '.join(words)}. The runs wait until one joins the cluster.")
        return room


def from_anywhere(request: Request) -> Request:
    """The same request, for a process in another folder that has another environment."""
    root = request.data_root
    if root is None and os.environ.get("BENCHBED_DATA"):
        root = paths.data_root()
    return replace(
        request,
        dataset=_absolute(request.dataset),
        generator_dataset=request.generator_dataset and _absolute(request.generator_dataset),
        masks_from=request.masks_from and _absolute(request.masks_from),
        data_root=root and root.absolute(),
    )


def _absolute(dataset: str) -> str:
    path = path_of(dataset)
    return dataset if path is None else f"{dataset.partition(':')[0]}:{path.absolute()}"


def _connect(address: str | None) -> ModuleType:
    # Nothing is told to Ray's makers unless the user asks for it.
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
