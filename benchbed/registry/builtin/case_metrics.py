"""Specs of the metrics of predicted masks."""

from __future__ import annotations

from dataclasses import replace

from benchbed.api.specs import Direction, MetricSpec, Paper

MASK_METRICS: dict[str, tuple[str, str]] = {
    "dice-best": ("Dice (best)", "Dice coefficient at the one threshold that makes it best"),
    "dice": ("Dice", "Dice coefficient, which is F1, above 0.5"),
    "f1-macro": ("F1 (macro)", "mean of the F1 of foreground and background, above 0.5"),
    "auc-roc": ("AUC-ROC", "area under the receiver operating characteristic"),
    "average-precision": (
        "Average precision",
        "precision at every threshold, weighted by the recall that it adds; the share of the "
        "foreground if scores say nothing",
    ),
    "auc-pr": (
        "AUC-PR (trapezoid)",
        "area under the precision-recall curve by the trapezoid rule, which is too large where "
        "many pixels have one score; for papers that report it",
    ),
    "sensitivity": ("Sensitivity", "share of the foreground found, above 0.5"),
    "specificity": ("Specificity", "share of the background left out, above 0.5"),
    "accuracy": ("Accuracy", "share of the pixels on the right side, above 0.5"),
}
"""Metrics of pooled masks: name, column heading, definition."""

GRADED = ("auc-roc", "average-precision", "auc-pr")
"""Metrics of curves, which masks of two values do not have."""

POOLED = "pixels inside the field of view of all cases pooled, at their own size"
PER_CASE = (
    "inside the field of view, at the case's own size; any structure counts, and cases with an "
    "empty mask are left out"
)


def list_mask_metrics() -> list[MetricSpec]:
    """List every metric that compares predicted masks with reference masks."""
    pooled = {
        name: _build_mask_metric(name, title, f"{text}; {POOLED}")
        for name, (title, text) in MASK_METRICS.items()
    }
    per_case = _build_mask_metric(
        "dice-per-case",
        "Dice (per case)",
        f"mean over cases of the Dice coefficient above 0.5, {PER_CASE}",
    )
    deviation = _build_mask_metric(
        "dice-per-case-sd",
        "sd of Dice",
        f"standard deviation over cases (ddof 0) of the Dice coefficient above 0.5, {PER_CASE}",
    )
    otsu = replace(
        pooled["dice"],
        name="dice-otsu",
        title="Dice (Otsu)",
        parameters={"threshold": "otsu"},
        recipe="Dice coefficient, which is F1, above each image's Otsu threshold; " + POOLED,
    )
    return [otsu, *pooled.values(), per_case, replace(deviation, direction="none")]


def _build_mask_metric(name: str, title: str, recipe: str) -> MetricSpec:
    return MetricSpec(
        name=name,
        title=title,
        direction="up",
        implementation=f"benchbed.metrics.masks:{name.replace('-', '_')}",
        recipe=recipe,
        bounds=(0, 1),
        min_samples=1,
        input_kind="masks",
        needs_graded_scores=name in GRADED,
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
    "image": ("", "", "the whole image"),
    "foreground": (
        "-foreground",
        " (foreground)",
        "the foreground, where any real channel is not black in 8 bits",
    ),
}
"""Parameter: name suffix, heading suffix, region."""


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
        implementation="benchbed.metrics.paired:paired_metric",
        parameters={"measure": measure, "region": region},
        recipe=f"{text}; intensities in [0, 1], over {area}, mean of channels, at the run's size",
        bounds=bounds,
        min_samples=1,
        input_kind="pairs",
        paper=WANG if measure == "ssim" else None,
    )
