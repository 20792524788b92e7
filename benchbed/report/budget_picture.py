"""Metrics over the budget, as SVG: a row of panels for each metric, a column for each data set."""

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
"""Raised when the drawing changes, so that pictures from before are drawn anew."""

_PANEL = (2.6, 2.0)
"""Width and height of a panel in inches."""

_LINE = 0.2
"""Height of a line of the legend in inches."""

_LETTER = 0.075
"""Width of a letter in inches, rather too much."""

_HANDLE = 0.6
"""Width of what stands before a label in inches."""

_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000")
"""Okabe and Ito's, which colour-blind readers tell apart; markers tell them apart in grey."""

_MARKERS = "os^Dv<"
"""One less than colours: together they tell some forty methods apart."""


def draw(budgets: Budgets) -> str:
    """Lines join the means over seeds; each dot is one seed. The same data give the same bytes.

    Args:
        budgets: What to draw.

    Returns:
        The SVG file.
    """
    datasets = list(dict.fromkeys(panel.dataset for panel in budgets.panels))
    metrics = list(dict.fromkeys(panel.metric.name for panel in budgets.panels))
    labels = sorted({course.label for panel in budgets.panels for course in panel.courses})
    courses = (course for panel in budgets.panels for course in panel.courses)
    ticks = sorted({kimg for course in courses for kimg in course.means})
    entry = _HANDLE + _LETTER * max(map(len, labels))
    width = max(_PANEL[0] * len(datasets), entry)
    across = int(width / entry)
    legend = _LINE * (-(-len(labels) // across) + 1)
    height = _PANEL[1] * len(metrics) + legend
    with figure_of(width, height) as figure:
        grid = figure.subplots(len(metrics), len(datasets), squeeze=False, sharex=True)
        for axes in grid.flat:
            axes.set_axis_off()
        for panel in budgets.panels:
            axes = grid[metrics.index(panel.metric.name), datasets.index(panel.dataset)]
            axes.set_axis_on()
            _panel(axes, panel, labels)
            # The panels share one axis, so that these are the ticks of all.
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
            ncols=min(across, len(labels)), frameon=False,
        )  # fmt: skip
        return svg(figure, key(budgets), f"Metrics over the budget: {budgets.title}")


def key(budgets: Budgets) -> str:
    """What is drawn, as a hash; a picture holds it as its identifier."""
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
