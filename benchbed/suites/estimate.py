"""How long runs will take: at the speed of the records of their like, several of them at a time."""

from __future__ import annotations

import csv
import heapq
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING

from benchbed.runs.lookup import state_of
from benchbed.runs.plan import Plan
from benchbed.runs.store import Store
from benchbed.suites.grid import Member
from benchbed.training.checkpoint_file import checkpoint_in

if TYPE_CHECKING:
    from benchbed.runs.record import Record


@dataclass(frozen=True)
class Share:
    """What each run has of a machine.

    Attributes:
        threads: Cores of each process; None where nobody has said.
        devices: Devices of each run, a process for each.
    """

    threads: int | None = None
    devices: int = 1

    def same_as(self, record: Record) -> bool:
        """Whether a record's run had as much; with an accelerator, its cores hardly matter."""
        made = record.provenance
        cores = self.threads in (None, made.threads) or made.device != "cpu"
        return cores and made.devices == self.devices


@dataclass(frozen=True)
class Estimate:
    """How long runs will take; only training is counted, for the rest is not recorded.

    Attributes:
        first: How many other runs come first, because some of these build on them.
        seconds: Seconds of training by run, of these and of those that come first.
        unknown: The methods, with their size, whose speed no record tells; without them `work`
            and `wall` are too short.
        alike: Whether every speed is that of runs that had as much of a machine.
        todo: The runs, in the order in which they are begun.
    """

    first: int
    seconds: Mapping[str, float]
    unknown: tuple[str, ...]
    alike: bool
    todo: tuple[Plan, ...]

    @property
    def work(self) -> float:
        """Seconds of training in all, each run counted once."""
        return sum(self.seconds.values())

    def wall(self, at_once: int) -> float:
        """Seconds until the last run is over.

        The runs are gone through as an executor does: whenever there is room, the next one of the
        suite begins. What it builds on is trained by the first that needs it, and the others wait.

        Args:
            at_once: How many runs go on at a time, at least 1.
        """
        over: dict[str, float] = {}

        def end(plan: Plan, now: float) -> float:
            if plan.id not in self.seconds:  # done before
                return now
            if plan.id not in over:
                for other in builds_on(plan):
                    now = end(other, now)
                over[plan.id] = now + self.seconds[plan.id]
            return max(now, over[plan.id])

        free = [0.0] * at_once
        for plan in self.todo:
            heapq.heapreplace(free, end(plan, free[0]))
        return max(free)


def estimate(todo: Sequence[Member], store: Store, share: Share) -> Estimate:
    """How long runs will take.

    A method's speed is the median of its records at the same size and precision; those that had
    the same share of a machine go before others. Of a run that was begun, what is left is counted.

    Args:
        todo: The runs, in the order in which they are begun.
        store: The results.
        share: What each run has of a machine.
    """
    plans = {member.plan.id: member.plan for member in todo}
    missing = {plan.id: plan for plan in _with_first(plans.values(), store)}
    speeds = _Speeds(store.records() if missing else (), share)
    seconds: dict[str, float] = {}
    unknown: dict[str, None] = {}
    for run, plan in missing.items():
        whole = speeds.seconds(plan)
        if whole is None:
            unknown[f"{plan.method.name} at {plan.protocol.size} px"] = None
        else:
            seconds[run] = whole * (1.0 - _spent(plan, store))
    return Estimate(
        first=len(missing) - len(plans),
        seconds=seconds,
        unknown=tuple(unknown),
        alike=speeds.alike,
        todo=tuple(plans.values()),
    )


def builds_on(plan: Plan) -> list[Plan]:
    """The runs whose weights a run needs before it can train."""
    generator = None if plan.pairs is None else plan.pairs.generator
    annotator = None if plan.masks is None else plan.masks.annotator
    return [other for other in (generator, annotator) if other is not None]


def _with_first(plans: Iterable[Plan], store: Store) -> Iterator[Plan]:
    """Runs, and before each the runs that it builds on and that are not there."""
    for plan in plans:
        absent = [other for other in builds_on(plan) if not _trained(other, store)]
        yield from _with_first(absent, store)
        yield plan


def _trained(plan: Plan, store: Store) -> bool:
    """Whether a run that others build on is done, weights and all: a record alone does not do."""
    checkpoint = checkpoint_in(store.run_folder(plan.id))
    # A record may be older than the weights, which another process is at work on.
    whole = state_of(store, plan.id) in ("finished", "diverged")
    return whole and checkpoint.exists() and store.record_path(plan.id).exists()


def _spent(plan: Plan, store: Store) -> float:
    """The share of its budget that a run which was begun has spent, as its history tells it."""
    folder = store.run_folder(plan.id)
    if not checkpoint_in(folder).exists():
        return 0.0
    kimg, seconds = plan.protocol.kimg, plan.protocol.seconds
    column, budget = ("kimg", kimg) if kimg is not None else ("seconds", seconds)
    try:
        with (folder / "history.csv").open(encoding="utf-8", newline="") as file:
            last = max((float(row[column]) for row in csv.DictReader(file)), default=0.0)
    except (OSError, ValueError, KeyError, TypeError, csv.Error):
        return 0.0
    return min(1.0, last / budget) if budget else 0.0


class _Speeds:
    """The speeds of methods, from records that are gone through once.

    Attributes:
        alike: Whether all that was asked for came from runs with the same share of a machine.
    """

    def __init__(self, records: Iterable[Record], share: Share) -> None:
        self.alike = True
        self._known: dict[tuple[str, object, str], list[tuple[bool, float]]] = {}
        for record in records:
            if (speed := record.training.images_per_second) > 0:
                key = (record.method, record.protocol["size"], record.precision)
                self._known.setdefault(key, []).append((share.same_as(record), speed))

    def seconds(self, plan: Plan) -> float | None:
        """Seconds of training that a whole run takes; None where its speed is not known."""
        protocol = plan.protocol
        if not plan.method.trains:
            return 0.0
        if protocol.seconds is not None:
            return protocol.seconds
        known = self._known.get((plan.method.name, protocol.size, plan.precision), [])
        if not known or protocol.kimg is None:
            return None
        alike = [speed for same, speed in known if same]
        self.alike = self.alike and bool(alike)
        return protocol.kimg * 1000 / median(alike or [speed for _, speed in known])
