"""Select the metrics that are available on this machine."""

from __future__ import annotations

from benchbed.api.specs import MetricSpec
from benchbed.registry import load, registry
from benchbed.training.events import Reporter


def obtainable(metrics: tuple[MetricSpec, ...], reporter: Reporter) -> tuple[MetricSpec, ...]:
    """Return the metrics, with fallbacks for those whose weights are unavailable."""
    chosen: list[MetricSpec] = []
    for spec in metrics:
        if spec.weights is None or load(spec.weights)():
            chosen.append(spec)
        elif spec.stand_in is not None:
            stand_in = registry().spec(MetricSpec, spec.stand_in)
            reporter.say(
                f"Weights of {spec.title} not found and not downloadable. Reporting "
                f"{stand_in.title} instead; it is not comparable with {spec.title}."
            )
            chosen.append(stand_in)
        else:
            reporter.say(
                f"Weights of {spec.title} not found and not downloadable. Skipping this metric."
            )
    return tuple(dict.fromkeys(chosen))
