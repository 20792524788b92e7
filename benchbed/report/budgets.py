"""What a larger budget brings: a metric over the thousands of images that methods have seen.

Plain data; `courses.py` finds it in the frame, `budget_picture.py` draws it.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter
from statistics import fmean

from benchbed.api.specs import MetricSpec


@dataclass(frozen=True)
class Course:
    """One method over the budget.

    Attributes:
        label: The method.
        points: Budget in thousands of images and value of each run, by budget, then by seed.
    """

    label: str
    points: tuple[tuple[float, float], ...]

    @property
    def means(self) -> dict[float, float]:
        """The mean over seeds by budget, ascending."""
        return {
            kimg: fmean(value for _, value in runs)
            for kimg, runs in groupby(self.points, key=itemgetter(0))
        }


@dataclass(frozen=True)
class Panel:
    """One metric on one data set.

    Attributes:
        dataset: The data set.
        metric: The metric; it has a direction.
        courses: The methods that have two budgets and more, by label.
    """

    dataset: str
    metric: MetricSpec
    courses: tuple[Course, ...]


@dataclass(frozen=True)
class Budgets:
    """Methods over the budget, on all data sets of one source.

    Attributes:
        title: Source and size.
        name: For file names.
        panels: One for each data set and metric that has a course, by data set.
    """

    title: str
    name: str
    panels: tuple[Panel, ...]

    @property
    def picture(self) -> str:
        """File name of the picture."""
        return f"{self.name}.svg"
