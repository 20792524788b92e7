"""Format metric values as table rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from benchbed.api.specs import MetricSpec
from benchbed.registry import registry
from benchbed.report.text import heading, interval, number


class Value(Protocol):
    """Interface that recorded and newly computed values share."""

    @property
    def metric(self) -> str: ...  # noqa: D102
    @property
    def value(self) -> float | None: ...  # noqa: D102
    @property
    def floor(self) -> float | None: ...  # noqa: D102
    @property
    def low(self) -> float | None: ...  # noqa: D102
    @property
    def high(self) -> float | None: ...  # noqa: D102
    @property
    def n_real(self) -> int: ...  # noqa: D102
    @property
    def n_fake(self) -> int: ...  # noqa: D102
    @property
    def n_floor(self) -> int: ...  # noqa: D102
    @property
    def note(self) -> str: ...  # noqa: D102


def value_rows(values: Sequence[Value]) -> list[dict[str, str]]:
    """Return one row per value, with its real-vs-real baseline."""
    specs = registry().specs(MetricSpec)
    return [
        {
            "metric": heading(specs[m.metric]) if m.metric in specs else m.metric,
            "value": "–" if m.value is None else number(m.value),
            "95 %": "" if m.low is None or m.high is None else interval(m.low, m.high),
            "real vs real": "–" if m.floor is None else f"{number(m.floor)} (n={m.n_floor})",
            "of": _counts(m, specs.get(m.metric)),
            "note": m.note,
        }
        for m in values
    ]


def _counts(value: Value, spec: MetricSpec | None) -> str:
    if spec is not None and spec.judges != "images":
        return "1 case" if value.n_real == 1 else f"{value.n_real} cases"
    return f"{value.n_real} real, {value.n_fake} generated"
