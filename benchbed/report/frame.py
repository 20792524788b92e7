"""Build one pandas frame from records."""

from __future__ import annotations

from collections.abc import Iterable

import pandas as pd

from benchbed.files import digest
from benchbed.runs.record import Measured, Record, usable

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


OF_THE_DATA = ("dataset", "fingerprint", "channels", "framing")
"""Protocol fields that depend on the dataset; the others can be equal for several."""

OF_THE_BUDGET = ("kimg", "seconds")
"""Protocol fields that limit the training."""


def frame(records: Iterable[Record]) -> pd.DataFrame:
    """Return one row per metric of every record, and one without a metric for a diverged run.

    The order of the rows does not depend on that of the records. A value that is not usable is in
    column `lost` as text instead of `value`, so that it enters no mean, rank or test.
    """
    rows = [row for record in records for row in _rows(record)]
    table = pd.DataFrame(rows, columns=list(COLUMNS))
    return table.sort_values(
        ["protocol", "precision", "method", "trained_on", "settings_hash", "seed", "run", "metric"],
        kind="stable",
    )


def _rows(record: Record) -> list[dict[str, object]]:
    protocol = record.protocol
    kimg, seconds = protocol["kimg"], protocol["seconds"]
    conditions = {name: v for name, v in protocol.items() if name not in OF_THE_DATA}
    common: dict[str, object] = {
        "run": record.id,
        "state": record.state,
        "method": record.method,
        "trained_on": ", ".join(p.label for p in (record.pairs, record.masks) if p is not None),
        "regime": "" if record.pairs is None else record.pairs.regime,
        "generator": "" if record.pairs is None else record.pairs.generator or "",
        "pair_count": 0 if record.pairs is None else record.pairs.count,
        "real_share": 1.0 if record.pairs is None else record.pairs.real_share,
        "settings": record.settings,
        "settings_hash": digest(record.settings),
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
        "data": digest({name: protocol[name] for name in OF_THE_DATA if name in protocol}),
        "conditions": digest(conditions),
        "but_budget": digest({k: v for k, v in conditions.items() if k not in OF_THE_BUDGET}),
        "precision": record.precision,
        "seed": record.seed,
        "lost": "",
        "images_per_second": record.training.images_per_second,
        "seconds": record.training.seconds,
        "peak_memory_bytes": record.training.peak_memory_bytes,
        "imported": _origin(record),
    }
    return [{**common, **_measured(metric)} for metric in record.metrics] or [common]


def _measured(metric: Measured) -> dict[str, object]:
    found: dict[str, object] = metric.model_dump()
    if metric.value is not None and not metric.sound:
        found |= {"value": None, "lost": f"{metric.value:g}"}
    if not (metric.sound and usable(metric.low) and usable(metric.high)):
        found |= {"low": None, "high": None}
    if not usable(metric.floor):
        found["floor"] = None
    return found


def _origin(record: Record) -> str:
    origin = record.imported
    return "" if origin is None else f"{origin.archive} (SHA-256 {origin.sha256[:12]})"
