"""Specs of the metrics of sets of volumes."""

from __future__ import annotations

from dataclasses import replace

from benchbed.api.specs import MetricSpec
from benchbed.builtin.image_metrics import list_image_metrics

SLICE_METRICS = ("fid", "fid-random", "kid", "kid-random")
"""Image metrics that are computed between slices."""

SLICE_RECIPE = "between axial slices, up to 8 evenly spaced in the central half, mean over sequences"


def list_volume_metrics() -> list[MetricSpec]:
    """List distances between slices, and memorisation."""
    pictures = {spec.name: spec for spec in list_image_metrics()}
    return [
        *(_build_slice_metric(pictures[name]) for name in SLICE_METRICS),
        replace(
            pictures["memorisation"],
            name="memorisation-volumes",
            title="Memorisation (volumes)",
            implementation="benchbed.metrics.volume_memorisation:memorisation_of_volumes",
            recipe="probability that a made volume lies nearer to its nearest training volume than "
            "a held-out real one does to its own (root mean square of area means at no more than "
            "16 x 32 x 32 voxels, mirrored volumes included, ties half); 0.5 as new volumes, 1 "
            "copies",
            input_kind="volumes",
        ),
    ]


def _build_slice_metric(spec: MetricSpec) -> MetricSpec:
    """Derive the slice metric from an image metric."""
    stand_in = None if spec.fallback_metric is None else f"{spec.fallback_metric}-slices"
    _, _, function = spec.implementation.partition(":")
    return replace(
        spec,
        name=f"{spec.name}-slices",
        title=f"{spec.title} (slices)",
        implementation=f"benchbed.metrics.slices:{function}_slices",
        recipe=f"{spec.recipe}; {SLICE_RECIPE}",
        input_kind="volumes",
        fallback_metric=stand_in,
    )
