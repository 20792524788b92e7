"""Draw metrics over the training budget as SVG: a row per metric, a column per dataset."""

from __future__ import annotations

from itertools import cycle
from typing import TYPE_CHECKING

from benchbed.files import digest
from benchbed.report import text
from benchbed.report.budgets import Budgets, Panel
from benchbed.report.svg import figure_of, svg

if TYPE_CHECKING:
    from matplotlib.axes import Axes

VERSION = 2
"""Incremented when the drawing changes, so that existing pictures are redrawn."""

_PANEL = (2.6, 2.0)
"""Width and height of a panel in inches."""

_LINE = 0.2
"""Height of a line of the legend in inches."""

_LETTER = 0.075
"""Upper estimate of the width of a letter in inches."""

_HANDLE = 0.6
"""Width of a legend handle in inches."""

_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000")
"""Colour-blind safe (Okabe and Ito); the markers distinguish methods in grey."""

_MARKERS = "os^Dv<"
"""One fewer than colours, so that their combinations repeat only after 42 methods."""


def draw(budgets: Budgets) -> str:
    """Return an SVG of one dot per run and lines through the means; equal data give equal bytes."""
    datasets = list(dict.fromkeys(panel.dataset for panel in budgets.panels))
    metrics = list(dict.fromkeys(panel.metric.name for panel in budgets.panels))
    labels = sorted({course.label for panel in budgets.panels for course in panel.courses})
    courses = (course for panel in budgets.panels for course in panel.courses)
    ticks = sorted({kimg for course in courses for kimg in course.means})
    entry = _HANDLE + _LETTER * max(map(len, labels))
    width = max(_PANEL[0] * len(datasets), entry)
    columns = int(width / entry)
    legend = _LINE * (-(-len(labels) // columns) + 1)
    height = _PANEL[1] * len(metrics) + legend
    with figure_of(width, height) as figure:
        grid = figure.subplots(len(metrics), len(datasets), squeeze=False, sharex=True)
        for axes in grid.flat:
            axes.set_axis_off()
        for panel in budgets.panels:
            axes = grid[metrics.index(panel.metric.name), datasets.index(panel.dataset)]
            axes.set_axis_on()
            _panel(axes, panel, labels)
            # The axes are shared, so these are the ticks of all panels.
            axes.set_xscale("log", base=2)
            axes.set_xticks(ticks, [f"{kimg:g}" for kimg in ticks])
        handles = {
            label: line
            for axes in grid.flat
            for line, label in zip(*axes.get_legend_handles_labels(), strict=True)
        }
        figure.tight_layout(rect=(0, legend / height, 1, 1))
        figure.legend(
            [handles[label] for label in labels], labels, loc="lower center",
            ncols=min(columns, len(labels)), frameon=False,
        )  # fmt: skip
        return svg(figure, key(budgets), f"Metrics over the budget: {budgets.title}")


def key(budgets: Budgets) -> str:
    """Return a hash of what is drawn, stored in the picture as its identifier."""
    parts = [
        (
            panel.dataset,
            text.heading(panel.metric),
            [(c.label, [(kimg, f"{v:.6g}") for kimg, v in c.points]) for c in panel.courses],
        )
        for panel in budgets.panels
    ]
    return f"benchbed:{digest([VERSION, parts])}"


def _panel(axes: Axes, panel: Panel, labels: list[str]) -> None:
    styles = dict(zip(labels, zip(cycle(_COLOURS), cycle(_MARKERS), strict=False), strict=False))
    for course in panel.courses:
        colour, marker = styles[course.label]
        means = course.means
        axes.plot(
            list(means), list(means.values()), color=colour, marker=marker, markersize=4,
            linewidth=1.2, label=course.label,
        )  # fmt: skip
        for kimg, value in course.points:
            axes.scatter(kimg, value, color=colour, marker=marker, s=6, alpha=0.6)
    axes.set_xlabel("kimg")
    axes.set_title(f"{panel.dataset}: {text.heading(panel.metric)}")
    axes.spines[["top", "right"]].set_visible(False)
