"""Specs of the metrics of predicted masks."""

from __future__ import annotations

from benchbed.api.specs import Direction, MetricSpec, Paper

MASK_METRICS: dict[str, tuple[str, str]] = {
    "dice-otsu": (
        "Dice (Otsu)",
        "Dice coefficient, which is F1, above each image's Otsu threshold",
    ),
    "dice-best": ("Dice (best)", "Dice coefficient at the one threshold that makes it best"),
    "dice": ("Dice", "Dice coefficient, which is F1, above 0.5"),
    "f1-macro": ("F1 (macro)", "mean of the F1 of foreground and background, above 0.5"),
    "auc-roc": ("AUC-ROC", "area under the receiver operating characteristic"),
    "auc-pr": ("AUC-PR", "area under the precision-recall curve by the trapezoid rule"),
    "sensitivity": ("Sensitivity", "share of the foreground found, above 0.5"),
    "specificity": ("Specificity", "share of the background left out, above 0.5"),
    "accuracy": ("Accuracy", "share of the pixels on the right side, above 0.5"),
}
"""Metrics of pooled masks: name, column heading, definition."""


CASE_METRICS: dict[str, tuple[str, Direction, str]] = {
    "dice-per-case": ("Dice (per case)", "up", "mean over cases of the Dice coefficient above 0.5"),
    "dice-per-case-sd": (
        "sd of Dice",
        "none",
        "standard deviation over cases (ddof 0) of the Dice coefficient above 0.5",
    ),
}
"""Metrics that weight all cases equally: name, column heading, direction, definition."""


def list_mask_metrics() -> list[MetricSpec]:
    """List every metric that compares predicted masks with reference masks."""
    return [*map(_build_mask_metric, MASK_METRICS), *map(_build_case_metric, CASE_METRICS)]


def _build_mask_metric(name: str) -> MetricSpec:
    title, text = MASK_METRICS[name]
    return MetricSpec(
        name=name,
        title=title,
        direction="up",
        implementation=f"benchbed.metrics.masks:{name.replace('-', '_')}",
        recipe=f"{text}; pixels inside the field of view of all cases pooled, at their own size",
        bounds=(0, 1),
        min_samples=1,
        input_kind="masks",
    )


def _build_case_metric(name: str) -> MetricSpec:
    title, direction, text = CASE_METRICS[name]
    return MetricSpec(
        name=name,
        title=title,
        direction=direction,
        implementation=f"benchbed.metrics.masks:{name.replace('-', '_')}",
        recipe=f"{text}, inside the field of view, at the case's own size; any structure counts",
        bounds=(0, 1),
        min_samples=1,
        input_kind="masks",
    )


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
