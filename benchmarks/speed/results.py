"""The rows of the tables, and the JSON file of one machine that keeps them."""

from __future__ import annotations

import itertools
from pathlib import Path
from statistics import median
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator

from benchbed.utils.files import write_json

GATE = 0.8  # share of a goal that must be reached in any case, to allow for noise

Seconds = Annotated[
    float, BeforeValidator(lambda value: value["wall"] if isinstance(value, dict) else value)
]
"""Wall-clock time; files of format 2 also have the processor time."""


class Goal(BaseModel):
    """A ratio to reach, and the one that must be reached in any case."""

    ratio: float
    gate: float

    def judge(self, ratio: float) -> str:
        """Return ``"met"``, ``"gate"`` where only the gate is reached, or ``"short"``."""
        return "met" if ratio >= self.ratio else "gate" if ratio >= self.gate else "short"


class Comparison(BaseModel):
    """Ours against a reference, with seconds and FLOPs of one repetition of both.

    Shares are those of the machine's best FLOP/s, and of our step that is outside of the method.
    """

    name: str
    group: str
    what: str
    reference: str
    precision: str = "fp32"
    device: str = "cpu"
    goal: Goal | None = None
    laps: list[dict[str, Seconds]] = []
    flops: dict[str, int] | None = None
    share_of_peak: float | None = None
    harness_share: float | None = None
    difference: float | None = None

    @property
    def ratio(self) -> tuple[float, float, float]:
        """How many times as fast as the reference ours is: median, lowest and highest round."""
        ratios = [lap["reference"] / lap["ours"] for lap in self.laps]
        return median(ratios), min(ratios), max(ratios)

    @property
    def verdict(self) -> str:
        """What the goal says of the ratio; empty without a goal."""
        return "" if self.goal is None else self.goal.judge(self.ratio[0])

    def compute_seconds(self, side: str) -> float:
        """Return the median of ``"ours"`` or of the ``"reference"``."""
        return median(lap[side] for lap in self.laps)


class StartUp(BaseModel):
    """What a command takes; laps are of a bare ``python`` and of ``ours``."""

    name: str
    command: str
    goal_seconds: float | None
    imports_torch: bool = False
    laps: list[dict[str, Seconds]] = []

    @property
    def seconds_beyond_python(self) -> float:
        """Median seconds beyond a bare python."""
        return median(lap["ours"] - lap["python"] for lap in self.laps)

    @property
    def verdict(self) -> str:
        """What the goal says; a command that imports torch falls short."""
        if self.goal_seconds is None or self.imports_torch:
            return "short" if self.imports_torch else "met"
        ratio = self.goal_seconds / max(self.seconds_beyond_python, 1e-3)
        return Goal(ratio=1.0, gate=GATE).judge(ratio)


class Results(BaseModel):
    """All rows of one machine."""

    format: int = 3
    machine: dict[str, Any]
    comparisons: list[Comparison] = []
    start_up: list[StartUp] = []

    def add(self, row: Comparison | StartUp) -> None:
        """Add a row, in the place of one with the same name and precision."""
        rows: list[Any] = self.start_up if isinstance(row, StartUp) else self.comparisons
        keys = [(one.name, getattr(one, "precision", None)) for one in rows]
        key = row.name, getattr(row, "precision", None)
        place = keys.index(key) if key in keys else len(rows)
        rows[place : place + 1] = [row]

    def save(self, path: Path) -> None:
        """Write the JSON file."""
        write_json(path, self.model_copy(update={"format": 3}).model_dump(mode="json"))


def read_results(path: Path) -> Results:
    """Return what `Results.save` wrote."""
    return Results.model_validate_json(path.read_text(encoding="utf-8"))


def find_results_path(folder: Path, stem: str, machine: dict[str, Any]) -> Path:
    """Return the file of this machine, or the first free one; files of others stay as they are."""
    paths = (folder / f"{stem}{f'-{n}' if n > 1 else ''}.json" for n in itertools.count(1))
    return next(p for p in paths if not p.exists() or read_results(p).machine == machine)
