"""Find metrics that the record of a completed run does not contain."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from benchbed.api.specs import MetricSpec

if TYPE_CHECKING:
    from benchbed.runs.record import Record


def find_missing_metrics(metrics: Iterable[MetricSpec], record: Record) -> tuple[MetricSpec, ...]:
    """Return the requested metrics for which neither they nor their fallback are recorded."""
    if record.state == "diverged":
        return ()
    recorded = {measured.metric for measured in record.metrics}
    return tuple(spec for spec in metrics if not recorded & {spec.name, spec.fallback_metric})
