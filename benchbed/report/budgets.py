"""Data of the figure of metrics over the training budget.

`budget_curves.py` builds it from the frame, `budget_picture.py` draws it.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter
from statistics import fmean

from benchbed.api.specs import MetricSpec


@dataclass(frozen=True)
class BudgetCurve:
    """Values of one method over the budget.

    Attributes:
        label: Label of the method.
        points: Budget in thousands of images and value of each run, by budget, then by seed.
    """

    label: str
    points: tuple[tuple[float, float], ...]

    @property
    def means(self) -> dict[float, float]:
        """Mean over seeds by budget, ascending."""
        return {
            kimg: fmean(value for _, value in runs)
            for kimg, runs in groupby(self.points, key=itemgetter(0))
        }


@dataclass(frozen=True)
class BudgetPanel:
    """One metric on one dataset, with the curves of methods with two or more budgets, by label."""

    dataset: str
    metric: MetricSpec
    curves: tuple[BudgetCurve, ...]


@dataclass(frozen=True)
class BudgetFigure:
    """Metrics over the budget, for all datasets of one source."""

    title: str
    name: str
    panels: tuple[BudgetPanel, ...]

    @property
    def picture_file(self) -> str:
        """File name of the picture."""
        return f"{self.name}.svg"
