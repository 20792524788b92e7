"""The metrics of predicted masks, as benchbed declares them."""

from __future__ import annotations

from benchbed.api.specs import MetricSpec

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
"""Metrics of predicted masks: name, column heading, what is measured."""


def mask_metrics() -> list[MetricSpec]:
    """Every metric that compares predicted masks with true ones."""
    return [_of_masks(name) for name in MASK_METRICS]


def _of_masks(name: str) -> MetricSpec:
    title, what = MASK_METRICS[name]
    return MetricSpec(
        name=name,
        title=title,
        direction="up",
        implementation=f"benchbed.metrics.masks:{name.replace('-', '_')}",
        recipe=f"{what}; pixels inside the field of view of all cases pooled, at their own size",
        bounds=(0, 1),
        min_samples=1,
        judges="masks",
    )
