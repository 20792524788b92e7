"""Build one pandas frame from records."""

from __future__ import annotations

from collections.abc import Iterable

import pandas as pd

from benchbed.files import hash_json
from benchbed.runs.record import MeasuredMetric, Record, is_usable_value

COLUMNS = (
    "run", "state", "method", "trained_on", "regime", "generator", "pair_count", "real_share",
    "settings", "settings_hash",
    "dataset", "source", "fingerprint",
    "task", "preset", "size", "budget", "kimg", "samples", "reference_split", "protocol",
    "data", "conditions", "but_budget", "precision",
    "seed", "metric", "value", "lost", "floor", "n_real", "n_fake", "n_floor", "low", "high",
    "recipe", "note",
    "images_per_second", "seconds", "peak_memory_bytes", "imported",
)  # fmt: skip


DATA_FIELDS = ("dataset", "fingerprint", "channels", "framing")
"""Protocol fields that depend on the dataset; the others can be equal for several."""

BUDGET_FIELDS = ("kimg", "seconds")
"""Protocol fields that limit the training."""


def build_frame(records: Iterable[Record]) -> pd.DataFrame:
    """Return one row per metric of every record, and one without a metric for a diverged run.

    The order of the rows does not depend on that of the records. A value that is not usable is in
    column `lost` as text instead of `value`, so that it enters no mean, rank or test.
    """
    rows = [row for record in records for row in _build_rows(record)]
    table = pd.DataFrame(rows, columns=list(COLUMNS))
    return table.sort_values(
        ["protocol", "precision", "method", "trained_on", "settings_hash", "seed", "run", "metric"],
        kind="stable",
    )


def _build_rows(record: Record) -> list[dict[str, object]]:
    protocol = record.protocol
    kimg, seconds = protocol["kimg"], protocol["seconds"]
    conditions = {name: v for name, v in protocol.items() if name not in DATA_FIELDS}
    common: dict[str, object] = {
        "run": record.id,
        "state": record.state,
        "method": record.method,
        "trained_on": ", ".join(p.label for p in (record.pairs, record.pseudo_labels) if p is not None),
        "regime": "" if record.pairs is None else record.pairs.regime,
        "generator": "" if record.pairs is None else record.pairs.generator or "",
        "pair_count": 0 if record.pairs is None else record.pairs.count,
        "real_share": 1.0 if record.pairs is None else record.pairs.real_share,
        "settings": record.settings,
        "settings_hash": hash_json(record.settings),
        "dataset": record.dataset,
        "source": record.source,
        "fingerprint": record.fingerprint,
        "task": record.task,
        "preset": protocol["preset"],
        "size": protocol["size"],
        "budget": f"{kimg:g} kimg" if kimg is not None else f"{seconds:g} s",
        "kimg": kimg,
        "samples": protocol["samples"],
        "reference_split": protocol["reference_split"],
        "protocol": record.protocol_hash,
        "data": hash_json({name: protocol[name] for name in DATA_FIELDS if name in protocol}),
        "conditions": hash_json(conditions),
        "but_budget": hash_json({k: v for k, v in conditions.items() if k not in BUDGET_FIELDS}),
        "precision": record.precision,
        "seed": record.seed,
        "lost": "",
        "images_per_second": record.training.images_per_second,
        "seconds": record.training.seconds,
        "peak_memory_bytes": record.training.peak_memory_bytes,
        "imported": _describe_origin(record),
    }
    return [{**common, **_convert_metric(metric)} for metric in record.metrics] or [common]


def _convert_metric(metric: MeasuredMetric) -> dict[str, object]:
    found: dict[str, object] = metric.model_dump()
    if metric.value is not None and not metric.is_usable:
        found |= {"value": None, "lost": f"{metric.value:g}"}
    if not (metric.is_usable and is_usable_value(metric.ci_low) and is_usable_value(metric.ci_high)):
        found |= {"low": None, "high": None}
    if not is_usable_value(metric.baseline):
        found["floor"] = None
    return found


def _describe_origin(record: Record) -> str:
    origin = record.imported
    return "" if origin is None else f"{origin.archive_name} (SHA-256 {origin.sha256[:12]})"
