"""The picture of the ratios."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from .clock import Clock
from .goals import HARD_GATE, verdict
from .measure import Measurement

COLOURS = {"met": "#2a7f4f", "gate": "#c9a227", "short": "#b3403a", "": "#6b7a8f"}


def draw(made: Sequence[Measurement], machine: dict[str, Any], clock: Clock, path: Path) -> None:
    """Bars of how many times as fast as the references, with spread and goals.

    Args:
        made: What was measured.
        machine: What it was measured on.
        clock: By which clock.
        path: The picture, PNG or SVG by its suffix.
    """
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(figsize=(9, 1.2 + 0.32 * len(made)), layout="constrained")
    for place, one in enumerate(made):
        ratio, low, high = one.ratio(clock)
        axes.barh(
            place,
            ratio,
            color=COLOURS[verdict(ratio, one.goal)],
            xerr=[[ratio - low], [high - ratio]],
            ecolor="#333333",
            capsize=2,
        )
        if one.goal is not None:
            axes.plot([one.goal] * 2, [place - 0.4, place + 0.4], color="black")
            gate = HARD_GATE * one.goal
            axes.plot([gate] * 2, [place - 0.4, place + 0.4], color="black", linestyle=":")
    axes.axvline(1.0, color="#999999", linewidth=0.8)
    axes.set_yticks(range(len(made)), [_label(one) for one in made])
    axes.invert_yaxis()
    axes.set_xscale("log")
    axes.set_xlabel(
        f"times as fast as the reference ({clock} time; line: goal, dotted: hard gate, "
        "whisker: lowest and highest round)"
    )
    axes.set_title(
        f"{machine.get('device', machine['processor'])}, {machine['threads']} threads, "
        f"torch {machine['torch']}",
        fontsize=10,
    )
    figure.savefig(path, dpi=120)
    plt.close(figure)


def _label(one: Measurement) -> str:
    precision = f" ({one.precision})" if one.group == "training" else ""
    return f"{one.name}{precision}"
