"""Format metric values as table rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from benchbed.api.specs import MetricSpec
from benchbed.registry import get_registry
from benchbed.report.text import format_heading, format_interval, format_number


class MetricValueLike(Protocol):
    """Interface that recorded and newly computed values share."""

    @property
    def metric(self) -> str: ...  # noqa: D102
    @property
    def value(self) -> float | None: ...  # noqa: D102
    @property
    def baseline(self) -> float | None: ...  # noqa: D102
    @property
    def ci_low(self) -> float | None: ...  # noqa: D102
    @property
    def ci_high(self) -> float | None: ...  # noqa: D102
    @property
    def n_real(self) -> int: ...  # noqa: D102
    @property
    def n_fake(self) -> int: ...  # noqa: D102
    @property
    def n_baseline(self) -> int: ...  # noqa: D102
    @property
    def note(self) -> str: ...  # noqa: D102


def build_value_rows(values: Sequence[MetricValueLike]) -> list[dict[str, str]]:
    """Return one row per value, with its real-vs-real baseline."""
    specs = get_registry().get_specs(MetricSpec)
    return [
        {
            "metric": format_heading(specs[m.metric]) if m.metric in specs else m.metric,
            "value": "–" if m.value is None else format_number(m.value),
            "95 %": "" if m.ci_low is None or m.ci_high is None else format_interval(m.ci_low, m.ci_high),
            "real vs real": "–" if m.baseline is None else f"{format_number(m.baseline)} (n={m.n_baseline})",
            "of": _format_counts(m, specs.get(m.metric)),
            "note": m.note,
        }
        for m in values
    ]


def _format_counts(value: MetricValueLike, spec: MetricSpec | None) -> str:
    if spec is not None and spec.input_kind != "images":
        return "1 case" if value.n_real == 1 else f"{value.n_real} cases"
    return f"{value.n_real} real, {value.n_fake} generated"
