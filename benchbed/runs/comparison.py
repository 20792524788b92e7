"""Several runs beside each other: in what they differ, and what may be concluded from it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from benchbed.api.specs import Direction, MetricSpec
from benchbed.runs.record import Measured, Record

BARRIERS = ("task", "source", "dataset", "fingerprint")
"""Fields of the protocol that are named first where they keep runs apart."""

Value = str | int | float | bool | None


@dataclass(frozen=True)
class Fact:
    """One thing that is known of each run.

    Attributes:
        group: ``"run"``, ``"protocol"``, ``"settings"``, ``"data"``, ``"training"``, ``"machine"``
            or ``"software"``.
        name: What it is.
        values: Its value for each run, None where a run has none.
    """

    group: str
    name: str
    values: tuple[Value, ...]

    @property
    def differs(self) -> bool:
        """Whether not all runs have the same value."""
        return any(value != self.values[0] for value in self.values)


@dataclass(frozen=True)
class Line:
    """One metric of each run.

    Attributes:
        metric: Its name.
        direction: Which way is better; None where no plugin here knows the metric.
        values: What each run measured, None where it did not.
        best: Places of the runs with the best value; none where nothing may be concluded.
        overlap: Whether the 95 % interval of a best one touches that of another run.
        note: Why no value is marked though runs differ; empty otherwise.
    """

    metric: str
    direction: Direction | None
    values: tuple[Measured | None, ...]
    best: frozenset[int] = frozenset()
    overlap: bool = False
    note: str = ""


@dataclass(frozen=True)
class Comparison:
    """Runs beside each other.

    Attributes:
        runs: Their names.
        reasons: Why they must not be compared; empty where they may be.
        facts: What is known of them.
        lines: What they measured.
    """

    runs: tuple[str, ...]
    reasons: tuple[str, ...]
    facts: tuple[Fact, ...]
    lines: tuple[Line, ...]

    def as_dict(self, *, everything: bool = False) -> dict[str, Any]:
        """For JSON; facts that do not differ are left out unless `everything` is wanted."""
        return {
            "runs": list(self.runs),
            "comparable": not self.reasons,
            "reasons": list(self.reasons),
            "facts": [
                {"group": fact.group, "name": fact.name, "values": list(fact.values)}
                for fact in self.facts
                if everything or fact.differs
            ],
            "metrics": [
                {
                    "metric": line.metric,
                    "direction": line.direction,
                    "values": [None if v is None else v.model_dump() for v in line.values],
                    "best": [self.runs[place] for place in sorted(line.best)],
                    "intervals overlap": line.overlap,
                    "note": line.note,
                }
                for line in self.lines
            ],
        }


def compare(records: Sequence[Record], metrics: Mapping[str, MetricSpec]) -> Comparison:
    """Put runs beside each other.

    Args:
        records: Their records, two or more.
        metrics: Every metric that is known here, by name.
    """
    reasons = tuple(_reasons(records))
    names = dict.fromkeys(m.metric for record in records for m in record.metrics)
    return Comparison(
        runs=tuple(record.id for record in records),
        reasons=reasons,
        facts=tuple(_facts(records)),
        lines=tuple(
            _line(name, records, metrics.get(name), comparable=not reasons) for name in names
        ),
    )


def _reasons(records: Sequence[Record]) -> Iterator[str]:
    """Why no number of one run may stand beside one of another."""
    protocols = [record.protocol for record in records]
    names = dict.fromkeys((*BARRIERS, *(name for p in protocols for name in p)))
    found = False
    for name in names:
        values = [_plain(protocol.get(name)) for protocol in protocols]
        if len(set(values)) > 1:
            found = True
            yield (
                f"different {_spoken(name)}: {', '.join(_said(v) for v in dict.fromkeys(values))}"
            )
    hashes = dict.fromkeys(record.protocol_hash for record in records)
    if not found and len(hashes) > 1:
        yield f"different protocol: {', '.join(hashes)}"
    precisions = dict.fromkeys(record.precision for record in records)
    if len(precisions) > 1:
        yield f"different precision: {', '.join(precisions)}"


def _facts(records: Sequence[Record]) -> Iterator[Fact]:
    tables = [_table(record) for record in records]
    for group in tables[0]:
        names = dict.fromkeys(name for table in tables for name in table[group])
        for name in names:
            yield Fact(group, name, tuple(_plain(table[group].get(name)) for table in tables))


def _table(record: Record) -> dict[str, Mapping[str, Any]]:
    """What is known of one run, by group."""
    made, training = record.provenance, record.training
    own = (part.label for part in (record.pairs, record.masks) if part is not None)
    return {
        "run": {
            "method": record.method,
            "state": record.state,
            "trained on": ", ".join(own) or "its dataset",
            "seed": record.seed,
            "precision": record.precision,
            "imported from": None if record.imported is None else record.imported.archive,
        },
        "protocol": {**record.protocol, "hash": record.protocol_hash},
        "settings": record.settings,
        "data": {
            **{f"cases of {split}": count for split, count in record.cases.items()},
            "left out": len(record.skipped),
            "used once": len(record.copies),
        },
        "training": {
            "kimg": training.kimg,
            "steps": training.steps,
            "seconds": training.seconds,
            "images per second": training.images_per_second,
            "peak memory, MiB": _mebibytes(training.peak_memory_bytes),
            **{f"parameters of {name}": n for name, n in training.parameters.items()},
        },
        "machine": {
            "device": made.device,
            "processor": made.processor,
            "instructions": made.instructions,
            "cores": made.cores,
            "threads": made.threads,
            "memory, MiB": _mebibytes(made.memory_bytes),
            "system": made.system,
        },
        "software": {
            "benchbed": made.benchbed,
            "commit": made.commit,
            "changed since": made.dirty,
            "python": made.python,
            **dict(sorted(made.libraries.items())),
            **{f"plugin {name}": version for name, version in sorted(made.plugins.items())},
            "made": made.created,
        },
    }


def _line(
    name: str, records: Sequence[Record], spec: MetricSpec | None, *, comparable: bool
) -> Line:
    found = [{m.metric: m for m in record.metrics}.get(name) for record in records]
    direction = None if spec is None else spec.direction
    line = Line(name, direction, tuple(found))
    there = [(place, m) for place, m in enumerate(found) if m is not None and m.sound]
    if not comparable or len(there) < 2 or direction == "none":
        return line
    if direction is None:
        return Line(name, None, line.values, note="unknown metric: no installed plugin provides it")
    if len({(m.recipe, m.n_real, m.n_fake) for _, m in there}) > 1:
        return Line(name, direction, line.values, note="different recipes or sample counts")
    values = {place: m.value for place, m in there if m.value is not None}
    top = max(values.values()) if direction == "up" else min(values.values())
    best = frozenset(place for place, value in values.items() if value == top)
    if len(best) == len(values):
        return Line(name, direction, line.values, note="equal")
    rest = [m for place, m in there if place not in best]
    overlap = any(_touch(m, other) for place, m in there if place in best for other in rest)
    return Line(name, direction, line.values, best, overlap)


def _touch(one: Measured, other: Measured) -> bool:
    """Whether two 95 % intervals have a value in common; without one there is nothing to say."""
    if one.low is None or one.high is None or other.low is None or other.high is None:
        return False
    return one.low <= other.high and other.low <= one.high


def _plain(value: Any) -> Value:
    if value is None or isinstance(value, str | int | float | bool):
        return value
    return json.dumps(value, sort_keys=True, default=str)


def _said(value: Value) -> str:
    return "none" if value is None else f"{value:g}" if isinstance(value, float) else str(value)


def _spoken(name: str) -> str:
    budgets = {"kimg": "budget in kimg", "seconds": "budget in seconds"}
    return {**budgets, "version": "protocol version"}.get(name, name.replace("_", " "))


def _mebibytes(count: int | None) -> int | None:
    return None if count is None else round(count / 2**20)
