"""The picture of the ratios."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from .measure import Measurement

COLOURS = {"met": "#2a7f4f", "gate": "#c9a227", "short": "#b3403a", "": "#6b7a8f"}


def draw(made: Sequence[Measurement], machine: dict[str, Any], path: Path) -> None:
    """Bars of how many times as fast as the references, with spread and goals.

    Args:
        made: What was measured.
        machine: What it was measured on.
        path: The picture, PNG or SVG by its suffix.
    """
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(figsize=(9, 1.2 + 0.32 * len(made)), layout="constrained")
    for place, one in enumerate(made):
        ratio, low, high = one.ratio()
        axes.barh(
            place,
            ratio,
            color=COLOURS[one.verdict],
            xerr=[[ratio - low], [high - ratio]],
            ecolor="#333333",
            capsize=2,
        )
        if one.goal is not None:
            axes.plot([one.goal.ratio] * 2, [place - 0.4, place + 0.4], color="black")
            axes.plot([one.goal.gate] * 2, [place - 0.4, place + 0.4], color="black", linestyle=":")
    axes.axvline(1.0, color="#999999", linewidth=0.8)
    axes.set_yticks(range(len(made)), [_label(one) for one in made])
    axes.set_ylim(len(made) - 0.4, -0.6)
    axes.set_xscale("log")
    axes.set_xlabel(
        "times as fast as the reference\n"
        "line: goal, dotted: gate, whisker: lowest and highest round; cpu: by processor time"
    )
    axes.set_title(
        f"{machine.get('device', machine['processor'])}, {machine['threads']} threads, "
        f"torch {machine['torch']}",
        fontsize=10,
    )
    figure.savefig(path, dpi=120)
    plt.close(figure)


def _label(one: Measurement) -> str:
    return f"{one.label} (cpu)" if one.under.clock == "cpu" else one.label
