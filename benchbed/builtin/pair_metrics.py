"""Specs of the metrics that compare a generated image with the real one of its case."""

from __future__ import annotations

from benchbed.api.specs import Direction, MetricSpec, Paper

WANG = Paper(
    key="wang2004-ssim",
    authors="Wang, Bovik, Sheikh, Simoncelli",
    year=2004,
    title="Image quality assessment: from error visibility to structural similarity",
    venue="IEEE Transactions on Image Processing",
    url="https://doi.org/10.1109/TIP.2003.819861",
)

PAIR_MEASURES: dict[str, tuple[str, Direction, tuple[float, float], str]] = {
    "ssim": (
        "SSIM",
        "up",
        (-1, 1),
        "structural similarity, Gaussian window of 11 pixels (shorter where an axis is), sigma 1.5",
    ),
    "psnr": ("PSNR", "up", (0, 100), "peak signal-to-noise ratio in decibels, at most 100"),
    "mae": ("MAE", "down", (0, 1), "mean absolute error, as a share of the intensity range"),
}
"""Name, column heading, direction, range, definition."""

REGIONS = {
    "paired": ("", "", "the whole image"),
    "foreground": (
        "-foreground",
        " (foreground)",
        "the foreground, where any real channel is not black in 8 bits",
    ),
}
"""Function prefix: name suffix, heading suffix, region."""


def list_pair_metrics() -> list[MetricSpec]:
    """List SSIM, PSNR and MAE, over the whole image and inside its foreground."""
    return [_build_pair_metric(region, measure) for region in REGIONS for measure in PAIR_MEASURES]


def _build_pair_metric(region: str, measure: str) -> MetricSpec:
    title, direction, bounds, text = PAIR_MEASURES[measure]
    suffix, heading, area = REGIONS[region]
    return MetricSpec(
        name=f"{measure}{suffix}",
        title=f"{title}{heading}",
        direction=direction,
        implementation=f"benchbed.metrics.paired:{region}_{measure}",
        recipe=f"{text}; intensities in [0, 1], over {area}, mean of channels, at the run's size",
        bounds=bounds,
        min_samples=1,
        input_kind="pairs",
        paper=WANG if measure == "ssim" else None,
    )
