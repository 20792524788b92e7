"""Estimate how long runs will take, from the training speeds in existing records."""

from __future__ import annotations

import csv
import heapq
import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING

from benchbed.config.paths import get_checkpoint_path
from benchbed.results.lookup import read_state
from benchbed.results.store import ResultStore
from benchbed.runs.plan import RunPlan
from benchbed.suites.plan import SuiteRun
from benchbed.training.loggers import MAX_HISTORY_BYTES
from benchbed.utils.regular_files import read_regular_file

if TYPE_CHECKING:
    from benchbed.results.record import Record


@dataclass(frozen=True)
class ResourceShare:
    """Resources of each run.

    Attributes:
        threads: Cores of each process; None if unknown.
        devices: Devices of each run, one process per device.
    """

    threads: int | None = None
    devices: int = 1

    def is_same_as(self, record: Record) -> bool:
        """Return whether a record's run had equal resources; on GPUs cores are ignored."""
        provenance = record.provenance
        equal_cores = self.threads in (None, provenance.threads) or provenance.device != "cpu"
        return equal_cores and provenance.devices == self.devices


@dataclass(frozen=True)
class Estimate:
    """Estimated duration of runs; only training counts, since records state no other times.

    Attributes:
        upstream_count: Number of missing upstream runs.
        seconds: Seconds of training by run, including upstream runs.
        unknown_speeds: Methods with size whose speed is in no record; without them the totals are
            too low.
        has_same_resources: Whether every speed is from runs with equal resources.
        pending_plans: The runs in starting order.
    """

    upstream_count: int
    seconds: Mapping[str, float]
    unknown_speeds: tuple[str, ...]
    has_same_resources: bool
    pending_plans: tuple[RunPlan, ...]

    @property
    def total_seconds(self) -> float:
        """Seconds of training in total, each run counted once."""
        return sum(self.seconds.values())

    def estimate_wall_seconds(self, parallel_runs: int) -> float:
        """Return seconds until the last run ends.

        Simulates an executor: whenever a slot is free, the next run of the suite starts. The first
        run that needs an upstream run trains it, and others that need it wait.
        """
        end_times: dict[str, float] = {}

        def finish(plan: RunPlan, now: float) -> float:
            if plan.id not in self.seconds:  # completed before
                return now
            if plan.id not in end_times:
                for other in list_upstream_runs(plan):
                    now = finish(other, now)
                end_times[plan.id] = now + self.seconds[plan.id]
            return max(now, end_times[plan.id])

        slots = [0.0] * parallel_runs
        for plan in self.pending_plans:
            heapq.heapreplace(slots, finish(plan, slots[0]))
        return max(slots)


def estimate_duration(
    pending: Sequence[SuiteRun], store: ResultStore, share: ResourceShare
) -> Estimate:
    """Estimate how long runs will take.

    A method's speed is the median of its records at the same size and precision, preferably with
    equal resources. Of a started run, only the rest of its budget counts.
    """
    plans = {suite_run.plan.id: suite_run.plan for suite_run in pending}
    missing = {plan.id: plan for plan in _iter_with_upstream(plans.values(), store)}
    speeds = _SpeedTable(store.load_records(lambda _: None) if missing else (), share)
    seconds: dict[str, float] = {}
    unknown: dict[str, None] = {}
    for run, plan in missing.items():
        duration = speeds.estimate_seconds(plan)
        if duration is None:
            unknown[f"{plan.method.name} at {plan.protocol.size} px"] = None
        else:
            seconds[run] = duration * (1.0 - _compute_spent_share(plan, store))
    return Estimate(
        upstream_count=len(missing) - len(plans),
        seconds=seconds,
        unknown_speeds=tuple(unknown),
        has_same_resources=speeds.has_same_resources,
        pending_plans=tuple(plans.values()),
    )


def list_upstream_runs(plan: RunPlan) -> list[RunPlan]:
    """Return the upstream runs whose weights a run needs for its training."""
    generator = None if plan.pair_plan is None else plan.pair_plan.generator
    annotator = None if plan.mask_plan is None else plan.mask_plan.annotator
    return [other for other in (generator, annotator) if other is not None]


def _iter_with_upstream(plans: Iterable[RunPlan], store: ResultStore) -> Iterator[RunPlan]:
    """Yield runs, each after those of its upstream runs that are missing."""
    for plan in plans:
        missing = [other for other in list_upstream_runs(plan) if not _is_trained(other, store)]
        yield from _iter_with_upstream(missing, store)
        yield plan


def _is_trained(plan: RunPlan, store: ResultStore) -> bool:
    """Return whether an upstream run is complete with weights, which a record alone is not."""
    checkpoint = get_checkpoint_path(store.get_run_folder(plan.id))
    # A record can be older than the checkpoint of a retraining in progress.
    completed = read_state(store, plan.id) in ("finished", "diverged")
    return completed and checkpoint.exists() and store.get_record_path(plan.id).exists()


def _compute_spent_share(plan: RunPlan, store: ResultStore) -> float:
    """Return the share of its budget that a started run has spent, according to its history."""
    folder = store.get_run_folder(plan.id)
    if not get_checkpoint_path(folder).exists():
        return 0.0
    kimg, seconds = plan.protocol.kimg, plan.protocol.seconds
    column, budget = ("kimg", kimg) if kimg is not None else ("seconds", seconds)
    try:
        content = read_regular_file(folder / "history.csv", MAX_HISTORY_BYTES, root=folder)
        rows = csv.DictReader(io.StringIO(content.decode(), newline=""))
        last = max((float(row[column]) for row in rows), default=0.0)
    except (OSError, ValueError, KeyError, TypeError, csv.Error):
        return 0.0
    return min(1.0, last / budget) if budget else 0.0


class _SpeedTable:
    """Training speeds of methods, indexed from all records once.

    Attributes:
        has_same_resources: Whether all speeds so far are from runs with equal resources.
    """

    def __init__(self, records: Iterable[Record], share: ResourceShare) -> None:
        self.has_same_resources = True
        self._measured: dict[tuple[str, object, str], list[tuple[bool, float]]] = {}
        for record in records:
            if (speed := record.training.images_per_second) > 0:
                key = (record.method, record.protocol["size"], record.precision)
                self._measured.setdefault(key, []).append((share.is_same_as(record), speed))

    def estimate_seconds(self, plan: RunPlan) -> float | None:
        """Return seconds of training of a whole run; None if its speed is unknown."""
        protocol = plan.protocol
        if not plan.method.is_trainable:
            return 0.0
        if protocol.seconds is not None:
            return protocol.seconds
        known = self._measured.get((plan.method.name, protocol.size, plan.config.precision), [])
        if not known or protocol.kimg is None:
            return None
        equal = [speed for same, speed in known if same]
        self.has_same_resources = self.has_same_resources and bool(equal)
        return protocol.kimg * 1000 / median(equal or [speed for _, speed in known])
