"""The intensity window of a dataset: what becomes black and white in deep images."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from benchbed.config.protocol import IntensityWindow
from benchbed.data.io.images import QUANTILE_POINTS, ROBUST_PERCENTILES

Facts = Mapping[str, str]

_POOLED_POINTS = (np.arange(400) + 0.5) / 400
"""Probabilities at which the quantiles of each file are interpolated before they are pooled."""


def is_deep(facts: Facts) -> bool:
    """Return whether an image has more than 8 bits per channel."""
    return facts.get("bits", "8") not in ("1", "8")


def find_mixed_depths(facts: Mapping[Path, Facts]) -> str:
    """Describe images of 8 bits next to deeper ones; empty if all are of one kind."""
    deep = [path for path, entry in facts.items() if is_deep(entry)]
    shallow = [path for path, entry in facts.items() if not is_deep(entry)]
    if not deep or not shallow:
        return ""
    return (
        f"{len(shallow)} images have 8 bits ({shallow[0].name}), {len(deep)} have more "
        f"({deep[0].name}: {facts[deep[0]]['bits']} bits), so their values are not comparable. "
        "Convert them, or state the values that become black and white with --window LOW,HIGH."
    )


def decide_window(
    facts: Sequence[Facts],
    declared: IntensityWindow | None,
    file_windows: Sequence[IntensityWindow | None],
) -> tuple[IntensityWindow | None, str]:
    """Decide the window of all images of a dataset.

    Args:
        facts: Facts of the images.
        declared: The window that the user or the dataset declares, or None.
        file_windows: The window in the header of each deep image, None where there is none.

    Returns:
        The window, None if no image has more than 8 bits, and the rule in words.
    """
    deep = [entry for entry in facts if is_deep(entry)]
    if not deep:
        return None, ""
    if declared == "per-file":
        percentiles = " to ".join(f"{value:g}" for value in ROBUST_PERCENTILES)
        return declared, f"Intensities: each image from its own percentiles {percentiles}."
    if declared is not None:
        return declared, f"Intensities: {_format(declared)} become black and white (declared)."
    common = set(file_windows)
    if len(common) == 1 and (window := next(iter(common))) is not None:
        return window, f"Intensities: {_format(window)} become black and white (in every header)."
    low, high = compute_pooled_window(deep)
    return (low, high), (
        f"Intensities: {_format((low, high))} become black and white (percentiles over all "
        f"{len(deep)} images)."
    )


def _format(window: IntensityWindow) -> str:
    return " to ".join(f"{value:g}" for value in window)


def compute_pooled_window(facts: Sequence[Facts]) -> tuple[float, float]:
    """Return the robust percentiles of all values of deep images, weighted by pixels.

    Where most pixels of most images are background, that is the lower end. Where percentiles are
    equal, the ends are the smallest and largest value, so that sparse images do not go black.
    """
    values = np.concatenate([_interpolate(entry) for entry in facts])
    weights = np.repeat([_count_pixels(entry) for entry in facts], len(_POOLED_POINTS))
    low, high = _find_percentiles(values, weights)
    backgrounds = [float(entry["background"]) for entry in facts if "background" in entry]
    if len(backgrounds) > len(facts) / 2:
        low = min(backgrounds)
    if high <= low:
        low, high = min(float(e["low"]) for e in facts), max(float(e["high"]) for e in facts)
    return _round(low), _round(high)


def _interpolate(facts: Facts) -> npt.NDArray[np.float64]:
    pooled = np.interp(_POOLED_POINTS, QUANTILE_POINTS, json.loads(facts["quantiles"]))
    return np.asarray(pooled, np.float64)


def _count_pixels(facts: Facts) -> int:
    height, width = map(int, facts["shape"].split("x"))
    return height * width * int(facts["pages"])


def _find_percentiles(
    values: npt.NDArray[np.float64], weights: npt.NDArray[np.int64]
) -> tuple[float, float]:
    order = np.argsort(values, kind="stable")
    shares = np.cumsum(weights[order]) / weights.sum()
    places = np.searchsorted(shares, np.asarray(ROBUST_PERCENTILES) / 100)
    low, high = values[order][places.clip(max=len(values) - 1)]
    return float(low), float(high)


def _round(value: float) -> float:
    """Round to six digits, so that the rule can be printed and repeated."""
    return float(f"{value:.6g}")
