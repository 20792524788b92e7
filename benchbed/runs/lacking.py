"""What a run that is done was not measured by."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from benchbed.api.specs import MetricSpec

if TYPE_CHECKING:
    from benchbed.runs.record import Record


def lacking(metrics: Iterable[MetricSpec], record: Record) -> tuple[MetricSpec, ...]:
    """The metrics that a record says nothing of, neither of them nor of their stand-ins.

    Args:
        metrics: What is asked for.
        record: The run's record; one that diverged has nothing to measure.
    """
    if record.state == "diverged":
        return ()
    told = {measured.metric for measured in record.metrics}
    return tuple(spec for spec in metrics if not told & {spec.name, spec.stand_in})
