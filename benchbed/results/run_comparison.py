"""Comparison of several runs: how they differ and whether their metrics are comparable."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from benchbed.api.specs import Direction, MetricSpec
from benchbed.results.record import MeasuredMetric, Record

COMPARABILITY_FIELDS = ("task", "source", "dataset", "fingerprint")
"""Protocol fields to name first when they make runs incomparable."""

FactValue = str | int | float | bool | None


@dataclass(frozen=True)
class RunFact:
    """One property of each run.

    Attributes:
        group: ``"run"``, ``"protocol"``, ``"settings"``, ``"data"``, ``"training"``, ``"machine"``
            or ``"software"``.
        name: Name of the property.
        values: Its value for each run, None if a run has none.
    """

    group: str
    name: str
    values: tuple[FactValue, ...]

    @property
    def differs(self) -> bool:
        """Whether the runs have different values."""
        return any(value != self.values[0] for value in self.values)


@dataclass(frozen=True)
class MetricRow:
    """One metric of each run.

    Attributes:
        metric: Its name.
        direction: Which way is better; None if no installed plugin provides the metric.
        values: The value of each run, None if it was not measured.
        best: Indices of the runs with the best value; empty if they are incomparable.
        has_overlap: Whether the 95 % interval of a best run overlaps that of another run.
        note: Why no value is marked as best; empty if the runs are equal or one is.
    """

    metric: str
    direction: Direction | None
    values: tuple[MeasuredMetric | None, ...]
    best: frozenset[int] = frozenset()
    has_overlap: bool = False
    note: str = ""


@dataclass(frozen=True)
class RunComparison:
    """A comparison of several runs."""

    runs: tuple[str, ...]
    reasons: tuple[str, ...]
    facts: tuple[RunFact, ...]
    metric_rows: tuple[MetricRow, ...]

    def as_dict(self, *, everything: bool = False) -> dict[str, Any]:
        """Return a dict for JSON; with only the facts that differ unless `everything`."""
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
                    "best": [self.runs[index] for index in sorted(line.best)],
                    "intervals overlap": line.has_overlap,
                    "note": line.note,
                }
                for line in self.metric_rows
            ],
        }


def compare_runs(records: Sequence[Record], metrics: Mapping[str, MetricSpec]) -> RunComparison:
    """Compare runs."""
    reasons = tuple(_iter_reasons(records))
    names = dict.fromkeys(m.metric for record in records for m in record.metrics)
    return RunComparison(
        runs=tuple(record.id for record in records),
        reasons=reasons,
        facts=tuple(_iter_facts(records)),
        metric_rows=tuple(
            _compare_metric(name, records, metrics.get(name), comparable=not reasons)
            for name in names
        ),
    )


def _iter_reasons(records: Sequence[Record]) -> Iterator[str]:
    """Yield why metrics of these runs are not comparable."""
    protocols = [record.protocol for record in records]
    names = dict.fromkeys((*COMPARABILITY_FIELDS, *(name for p in protocols for name in p)))
    found = False
    for name in names:
        values = [_to_plain(protocol.get(name)) for protocol in protocols]
        if len(set(values)) > 1:
            found = True
            yield (
                f"different {_format_field(name)}: "
                f"{', '.join(_format_value(v) for v in dict.fromkeys(values))}"
            )
    hashes = dict.fromkeys(record.protocol_hash for record in records)
    if not found and len(hashes) > 1:
        yield f"different protocol: {', '.join(hashes)}"
    precisions = dict.fromkeys(record.precision for record in records)
    if len(precisions) > 1:
        yield f"different precision: {', '.join(precisions)}"


def _iter_facts(records: Sequence[Record]) -> Iterator[RunFact]:
    facts_by_run = [_collect_facts(record) for record in records]
    for group in facts_by_run[0]:
        names = dict.fromkeys(name for facts in facts_by_run for name in facts[group])
        for name in names:
            yield RunFact(
                group, name, tuple(_to_plain(facts[group].get(name)) for facts in facts_by_run)
            )


def _collect_facts(record: Record) -> dict[str, Mapping[str, Any]]:
    provenance, training = record.provenance, record.training
    sources = (part.label for part in (record.pairs, record.pseudo_labels) if part is not None)
    return {
        "run": {
            "method": record.method,
            "state": record.state,
            "trained on": ", ".join(sources) or "its dataset",
            "seed": record.seed,
            "precision": record.precision,
            "superseded": record.superseded or None,
            "imported from": None if record.imported is None else record.imported.archive_name,
        },
        "protocol": {**record.protocol, "hash": record.protocol_hash},
        "settings": record.settings,
        "data": {
            **{f"cases of {split}": count for split, count in record.case_counts.items()},
            "left out": len(record.skipped_files),
            "used once": len(record.duplicates),
        },
        "training": {
            "kimg": training.kimg,
            "steps": training.steps,
            "seconds": training.seconds,
            "images per second": training.images_per_second,
            "peak memory, MiB": _to_mebibytes(training.peak_memory_bytes),
            **{f"parameters of {name}": n for name, n in training.parameters.items()},
        },
        "machine": {
            "device": provenance.device,
            "processor": provenance.processor,
            "instructions": provenance.instructions,
            "cores": provenance.cores,
            "threads": provenance.threads,
            "memory, MiB": _to_mebibytes(provenance.memory_bytes),
            "system": provenance.system,
        },
        "software": {
            "benchbed": provenance.benchbed,
            "commit": provenance.commit,
            "changed since": provenance.has_local_changes,
            "python": provenance.python,
            **dict(sorted(provenance.libraries.items())),
            **{f"plugin {name}": version for name, version in sorted(provenance.plugins.items())},
            "made": provenance.created_at,
        },
    }


def _compare_metric(
    name: str, records: Sequence[Record], spec: MetricSpec | None, *, comparable: bool
) -> MetricRow:
    measured = [{m.metric: m for m in record.metrics}.get(name) for record in records]
    direction = None if spec is None else spec.direction
    line = MetricRow(name, direction, tuple(measured))
    usable = [(index, m) for index, m in enumerate(measured) if m is not None and m.is_usable]
    if reasons := dict.fromkeys(m.superseded for m in measured if m is not None and m.superseded):
        return replace(line, note="; ".join(reasons))
    if not comparable or len(usable) < 2 or direction == "none":
        return line
    if direction is None:
        return replace(line, note="unknown metric: no installed plugin provides it")
    if len({(m.recipe, m.n_real, m.n_fake) for _, m in usable}) > 1:
        return replace(line, note="different recipes or sample counts")
    values = {index: m.value for index, m in usable if m.value is not None}
    top = max(values.values()) if direction == "up" else min(values.values())
    best = frozenset(index for index, value in values.items() if value == top)
    if len(best) == len(values):
        return replace(line, note="equal")
    rest = [m for index, m in usable if index not in best]
    overlap = any(
        _is_overlapping(m, other) for index, m in usable if index in best for other in rest
    )
    return replace(line, best=best, has_overlap=overlap)


def _is_overlapping(one: MeasuredMetric, other: MeasuredMetric) -> bool:
    """Return whether two 95 % intervals overlap; False if one of them is unknown."""
    if one.interval is None or other.interval is None:
        return False
    return one.interval[0] <= other.interval[1] and other.interval[0] <= one.interval[1]


def _to_plain(value: Any) -> FactValue:
    if value is None or isinstance(value, str | int | float | bool):
        return value
    return json.dumps(value, sort_keys=True, default=str)


def _format_value(value: FactValue) -> str:
    return "none" if value is None else f"{value:g}" if isinstance(value, float) else str(value)


def _format_field(name: str) -> str:
    budgets = {"kimg": "budget in kimg", "seconds": "budget in seconds"}
    return {**budgets, "version": "protocol version"}.get(name, name.replace("_", " "))


def _to_mebibytes(count: int | None) -> int | None:
    return None if count is None else round(count / 2**20)
