"""Draw critical-difference diagrams (Demsar 2006, figure 1) as SVG."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from benchbed.report.model.leaderboard import MethodComparison, MetricComparison
from benchbed.report.render.svg import create_figure, render_svg
from benchbed.utils.files import hash_json
from benchbed.utils.text import format_p_value

if TYPE_CHECKING:
    from matplotlib.axes import Axes

DRAWING_VERSION = 1
"""Incremented when the drawing changes, so that existing figures are redrawn."""

_AXIS_INCHES = 2.8
_LINE_INCHES = 0.24
_LETTER_INCHES = 0.078
"""Length of an axis, height of a line of text, width (at most) of a letter."""


def draw_critical_differences(comparison: MethodComparison) -> str:
    """Return an SVG with one panel per metric; equal comparisons give equal bytes.

    A line leads from each method's label to its mean rank, best on the left. A bar joins methods
    without a significant difference; the bracket above shows the critical difference. The
    comparison must have a `picture_file`.
    """
    parts = _select_parts(comparison)
    longest = max(len(rank.label) for part in parts for rank in part.ranks)
    # Seven letters for the rank after the label.
    margin = 0.3 + _LETTER_INCHES * (longest + 7)
    heights = [_compute_height(part) for part in parts]
    with create_figure(_AXIS_INCHES + 2 * margin, _LINE_INCHES * sum(heights)) as figure:
        grid = figure.add_gridspec(
            len(parts), height_ratios=heights, left=0, right=1, top=1, bottom=0, hspace=0
        )
        for index, (part, height) in enumerate(zip(parts, heights, strict=True)):
            axes = figure.add_subplot(grid[index])
            axes.set_axis_off()
            axes.set_xlim(-margin / _AXIS_INCHES, 1 + margin / _AXIS_INCHES)
            axes.set_ylim(height, 0)
            _draw_panel(axes, part)
        title = f"Mean ranks and critical differences: {comparison.title}"
        return render_svg(figure, hash_comparison(comparison), title)


def hash_comparison(comparison: MethodComparison) -> str:
    """Return a hash of what is drawn, stored in the figure as its identifier."""
    parts = [
        (
            part.metric.heading,
            [(rank.label, round(rank.mean, 6)) for rank in part.ranks],
            part.groups,
            _format_caption(part),
        )
        for part in _select_parts(comparison)
    ]
    return f"benchbed:{hash_json([DRAWING_VERSION, parts])}"


def _select_parts(comparison: MethodComparison) -> list[MetricComparison]:
    return [part for part in comparison.metrics if part.critical_difference is not None]


_HEADER_LINES = 4.6
"""Lines above the axis: the metric's name, the bracket, the tick labels."""


def _compute_height(part: MetricComparison) -> float:
    return _HEADER_LINES + 0.5 * len(part.groups) + (len(part.ranks) + 1) // 2 + 1.2


def _draw_panel(axes: Axes, part: MetricComparison) -> None:
    """Draw one metric; x is in units of the axis' length, y in lines of text, downwards."""
    count = len(part.ranks)
    across = [(rank.mean - 1) / (count - 1) for rank in part.ranks]
    heading = part.metric.heading
    axes.text(axes.get_xlim()[0] + 0.03, 1.1, heading, weight="bold", va="center")
    _draw_bracket(axes, part, (part.critical_difference or 0.0) / (count - 1))
    axes.plot([0, 1], [_HEADER_LINES, _HEADER_LINES], color="black", linewidth=1)
    for tick in range(count):
        place = tick / (count - 1)
        axes.plot([place, place], [_HEADER_LINES, _HEADER_LINES - 0.3], color="black", linewidth=1)
        axes.text(place, _HEADER_LINES - 0.8, str(tick + 1), ha="center", va="center")
    for level, group in enumerate(part.groups):
        ends = [a for a, rank in zip(across, part.ranks, strict=True) if rank.label in group]
        down = _HEADER_LINES + 0.4 + 0.5 * level
        axes.plot(
            [min(ends) - 0.012, max(ends) + 0.012], [down, down],
            color="black", linewidth=3, solid_capstyle="butt",
        )  # fmt: skip
    _draw_labels(axes, part, across)


def _draw_bracket(axes: Axes, part: MetricComparison, length: float) -> None:
    """Draw the critical difference, clipped at the right edge."""
    visible = min(length, 1.2)
    axes.plot([0, visible], [2.6, 2.6], color="black", linewidth=1)
    for end in (0, length):
        if end <= visible:
            axes.plot([end, end], [2.4, 2.8], color="black", linewidth=1)
    axes.text(0, 1.9, _format_caption(part), va="center", size=8)


def _format_caption(part: MetricComparison) -> str:
    p = format_p_value(part.friedman_p or 0.0)
    return f"critical difference {part.critical_difference:.2f}, Friedman p {p}"


def _draw_labels(axes: Axes, part: MetricComparison, across: Sequence[float]) -> None:
    """Draw the labels: better half on the left, the rest on the right, outermost on top."""
    half = (len(across) + 1) // 2
    top = _HEADER_LINES + 0.5 * len(part.groups) + 1.0
    for index, (rank, at) in enumerate(zip(part.ranks, across, strict=True)):
        left = index < half
        down = top + (index if left else len(across) - 1 - index)
        edge = -0.06 if left else 1.06
        axes.plot([at, at, edge], [_HEADER_LINES, down, down], color="black", linewidth=0.8)
        axes.text(
            edge + (-0.015 if left else 0.015), down, f"{rank.label} ({rank.mean:.2f})",
            ha="right" if left else "left", va="center",
        )  # fmt: skip
