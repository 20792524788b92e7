"""Select the metrics that are available on this machine."""

from __future__ import annotations

from benchbed.api.specs import MetricSpec
from benchbed.registry import load_object, get_registry
from benchbed.training.events import Reporter


def resolve_available_metrics(metrics: tuple[MetricSpec, ...], reporter: Reporter) -> tuple[MetricSpec, ...]:
    """Return the metrics, with fallbacks for those whose weights are unavailable."""
    chosen: list[MetricSpec] = []
    for spec in metrics:
        if spec.weights_check is None or load_object(spec.weights_check)():
            chosen.append(spec)
        elif spec.fallback_metric is not None:
            stand_in = get_registry().get_spec(MetricSpec, spec.fallback_metric)
            reporter.report_message(
                f"Weights of {spec.title} not found and not downloadable. Reporting "
                f"{stand_in.title} instead; it is not comparable with {spec.title}."
            )
            chosen.append(stand_in)
        else:
            reporter.report_message(
                f"Weights of {spec.title} not found and not downloadable. Skipping this metric."
            )
    return tuple(dict.fromkeys(chosen))
