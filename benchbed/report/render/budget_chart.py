"""Draw metrics over the training budget as SVG: a row per metric, a column per dataset."""

from __future__ import annotations

from itertools import cycle
from typing import TYPE_CHECKING

from benchbed.report.model.leaderboard import BudgetFigure, BudgetPanel
from benchbed.report.render.svg import create_figure, render_svg
from benchbed.utils.files import hash_json

if TYPE_CHECKING:
    from matplotlib.axes import Axes

DRAWING_VERSION = 2
"""Incremented when the drawing changes, so that existing figures are redrawn."""

_PANEL_INCHES = (2.6, 2.0)
_LINE_INCHES = 0.2
_HANDLE_INCHES = 0.6
_LETTER_INCHES = 0.075
"""Size of a panel, height of a legend line, widths of its handle and (at most) of a letter."""

_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000")
"""Colour-blind safe (Okabe and Ito); the markers distinguish methods in grey."""

_MARKERS = "os^Dv<"
"""One fewer than colours, so that their combinations repeat only after 42 methods."""


def draw_budgets(budgets: BudgetFigure) -> str:
    """Return an SVG of one dot per run and lines through the means; equal data give equal bytes."""
    datasets = list(dict.fromkeys(panel.dataset for panel in budgets.panels))
    metrics = list(dict.fromkeys(panel.metric.name for panel in budgets.panels))
    curves = [curve for panel in budgets.panels for curve in panel.curves]
    labels = sorted({curve.label for curve in curves})
    ticks = sorted({kimg for curve in curves for kimg in curve.means})
    entry = _HANDLE_INCHES + _LETTER_INCHES * max(map(len, labels))
    width = max(_PANEL_INCHES[0] * len(datasets), entry)
    columns = int(width / entry)
    legend = _LINE_INCHES * (-(-len(labels) // columns) + 1)
    height = _PANEL_INCHES[1] * len(metrics) + legend
    with create_figure(width, height) as figure:
        grid = figure.subplots(len(metrics), len(datasets), squeeze=False, sharex=True)
        for axes in grid.flat:
            axes.set_axis_off()
        for panel in budgets.panels:
            axes = grid[metrics.index(panel.metric.name), datasets.index(panel.dataset)]
            axes.set_axis_on()
            _draw_panel(axes, panel, labels)
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
        title = f"Metrics over the budget: {budgets.title}"
        return render_svg(figure, hash_budgets(budgets), title)


def hash_budgets(budgets: BudgetFigure) -> str:
    """Return a hash of what is drawn, stored in the figure as its identifier."""
    parts = [
        (
            panel.dataset,
            panel.metric.heading,
            [(c.label, [(kimg, f"{v:.6g}") for kimg, v in c.points]) for c in panel.curves],
        )
        for panel in budgets.panels
    ]
    return f"benchbed:{hash_json([DRAWING_VERSION, parts])}"


def _draw_panel(axes: Axes, panel: BudgetPanel, labels: list[str]) -> None:
    styles = dict(zip(labels, zip(cycle(_COLOURS), cycle(_MARKERS), strict=False), strict=False))
    for course in panel.curves:
        colour, marker = styles[course.label]
        means = course.means
        axes.plot(
            list(means), list(means.values()), color=colour, marker=marker, markersize=4,
            linewidth=1.2, label=course.label,
        )  # fmt: skip
        for kimg, value in course.points:
            axes.scatter(kimg, value, color=colour, marker=marker, s=6, alpha=0.6)
    axes.set_xlabel("kimg")
    axes.set_title(f"{panel.dataset}: {panel.metric.heading}")
    axes.spines[["top", "right"]].set_visible(False)
