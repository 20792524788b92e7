"""The table and the curves."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benchbed.utils.text import format_number

TITLES = {
    "swd": "SWD (lower is better)",
    "kid-random": "KID-random (lower is better)",
    "ms-ssim-diversity": "MS-SSIM among samples (lower is more varied)",
}


@dataclass(frozen=True)
class Point:
    """Quality of one training.

    Attributes:
        method: Name of the method, or of the reference.
        dataset: Name of the dataset.
        minutes: Training time.
        seed: Random seed.
        kimg: Real images shown, in thousands.
        values: Values by metric; None if not computed.
        baselines: Values between two sets of real images, by metric.
    """

    method: str
    dataset: str
    minutes: float
    seed: int
    kimg: float
    values: dict[str, float | None]
    baselines: dict[str, float | None]


def render_markdown(points: Sequence[Point]) -> str:
    """Return one table per dataset; each cell is the mean over seeds."""
    return "\n".join(
        _render_dataset(points, name) for name in list_names(p.dataset for p in points)
    )


def draw_curves(points: Sequence[Point], path: Path) -> None:
    """Draw every metric over the training time, one row of plots per dataset."""
    datasets = list_names(point.dataset for point in points)
    size = (4.5 * len(TITLES), 3.6 * len(datasets))
    figure = Figure(figsize=size, layout="constrained")
    grid = figure.subplots(len(datasets), len(TITLES), squeeze=False)
    for row, dataset in zip(grid, datasets, strict=True):
        chosen = [point for point in points if point.dataset == dataset]
        for axes, (metric, title) in zip(row, TITLES.items(), strict=True):
            _draw_curves_of_metric(axes, chosen, metric)
            axes.set(title=f"{dataset}: {title}", xlabel="minutes of training", xscale="log")
    grid[0][-1].legend(fontsize=7)
    figure.savefig(path, dpi=110)


def list_names(names: Iterable[str]) -> list[str]:
    """Return the different names in the order of their first occurrence."""
    return list(dict.fromkeys(names))


def _draw_curves_of_metric(axes: Axes, points: Sequence[Point], metric: str) -> None:
    for method in list_names(point.method for point in points):
        times = sorted({point.minutes for point in points if point.method == method})
        values = [_average(points, method, minutes, metric) for minutes in times]
        axes.plot(times, values, marker="o", markersize=3, label=method)
    baselines = [b for point in points if (b := point.baselines.get(metric)) is not None]
    if baselines:
        axes.axhline(fmean(baselines), color="#888888", linestyle=":", label="real vs real")


def _average(points: Sequence[Point], method: str, minutes: float, metric: str) -> float:
    """Return the mean over seeds; NaN if there is no value."""
    values = [
        value
        for point in points
        if (point.method, point.minutes) == (method, minutes)
        and (value := point.values.get(metric)) is not None
    ]
    return fmean(values) if values else math.nan


def _render_dataset(points: Sequence[Point], dataset: str) -> str:
    chosen = [point for point in points if point.dataset == dataset]
    lines = [
        f"{dataset}: mean over {len({point.seed for point in chosen})} seeds",
        "",
        f"| method | minutes | kimg | {' | '.join(TITLES.values())} |",
        f"| --- | ---: | ---: |{' ---: |' * len(TITLES)}",
    ]
    for method in list_names(point.method for point in chosen):
        for minutes in sorted({p.minutes for p in chosen if p.method == method}):
            kimg = fmean(p.kimg for p in chosen if (p.method, p.minutes) == (method, minutes))
            values = [
                "–" if math.isnan(value) else format_number(value)
                for metric in TITLES
                for value in [_average(chosen, method, minutes, metric)]
            ]
            lines.append(f"| {method} | {minutes:g} | {kimg:.1f} | {' | '.join(values)} |")
    return "\n".join(lines) + "\n"
