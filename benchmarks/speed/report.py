"""The tables as Markdown, and the chart of the ratios."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from .results import Comparison, Results

COLORS = {"met": "#2a7f4f", "gate": "#c9a227", "short": "#b3403a", "": "#6b7a8f"}


def render_markdown(results: Results) -> str:
    """Return one table for each kind of measurement that there is."""
    about = results.machine
    machine = (
        f"{about.get('device', about['processor'])} ({', '.join(about['flags'])}), "
        f"{about['threads']} of {about['cores']} cores, torch {about['torch']}."
    )
    return "\n\n".join([machine, *_render_tables(results)]) + "\n"


def draw_ratios(results: Results, path: Path) -> None:
    """Draw bars of how many times as fast as the references ours is, with their spread."""
    rows = results.comparisons
    ratios = np.array([row.ratio for row in rows]).reshape(-1, 3)
    names = [f"{r.name}, {r.precision}" if r.group == "training" else r.name for r in rows]
    figure = Figure(figsize=(9, 1.2 + 0.32 * len(rows)), layout="constrained")
    axes = figure.subplots()
    errors = [ratios[:, 0] - ratios[:, 1], ratios[:, 2] - ratios[:, 0]]
    colors = [COLORS[row.verdict] for row in rows]
    axes.barh(names, ratios[:, 0], xerr=errors, color=colors, ecolor="#333333", capsize=2)
    axes.axvline(1.0, color="#999999", linewidth=0.8)
    axes.invert_yaxis()
    axes.set_xscale("log")
    axes.set_xlabel("times as fast as the reference; green: goal met, yellow: gate met")
    figure.savefig(path, dpi=120)


def format_seconds(value: float) -> str:
    """Return a time with its unit."""
    unit, size = ("s", 1) if value >= 1 else ("ms", 1e-3) if value >= 1e-3 else ("µs", 1e-6)
    return f"{value / size:.3g} {unit}"


def _render_tables(results: Results) -> Iterator[str]:
    if training := [row for row in results.comparisons if row.group == "training"]:
        yield _render_table(
            "training | seconds | plain | times as fast | goal | of peak | harness",
            (
                f"{_format_comparison(row)} | "
                f"{'' if row.share_of_peak is None else f'{row.share_of_peak:.0%}'} | "
                f"{'' if row.harness_share is None else f'{row.harness_share:.1%}'}"
                for row in training
            ),
        )
    if others := [row for row in results.comparisons if row.group != "training"]:
        yield _render_table(
            "metrics and data, against | seconds | reference | times as fast | goal | differ by",
            (
                f"{_format_comparison(row)} | "
                f"{'' if row.difference is None else f'{row.difference:.0e}'}"
                for row in others
            ),
        )
    if results.start_up:
        yield _render_table(
            "start-up | beyond a bare python | goal | imports torch",
            (
                f"`{row.command}` | {row.seconds_beyond_python:.2f} s | "
                + ("" if row.goal_seconds is None else f"{row.goal_seconds:g} s, {row.verdict}")
                + f" | {'yes' if row.imports_torch else 'no'}"
                for row in results.start_up
            ),
        )


def _render_table(heading: str, lines: Iterable[str]) -> str:
    rule = " | ".join(["---"] + ["---:"] * heading.count("|"))
    return "\n".join(f"| {line} |" for line in [heading, rule, *lines])


def _format_comparison(row: Comparison) -> str:
    ratio, low, high = row.ratio
    goal = "" if row.goal is None else f"{row.goal.ratio:g}, {row.verdict}"
    return (
        f"{row.what}, {row.precision if row.group == 'training' else row.reference} | "
        f"{format_seconds(row.compute_seconds('ours'))} | "
        f"{format_seconds(row.compute_seconds('reference'))} | "
        f"**{ratio:.2f}** ({low:.2f} to {high:.2f}) | {goal}"
    )
