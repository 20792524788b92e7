"""From the frame to metrics over the budget."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pandas as pd

from benchbed.api.specs import MetricSpec
from benchbed.files import digest
from benchbed.report.budgets import Budgets, Course, Panel
from benchbed.report.rows import IDENTITY, Identity, Settings, conditions, identities, labels

EQUAL = ["source", "preset", "size", "samples", "reference_split", "but_budget", "precision"]
"""What is equal within a picture: all that is equal within a table, but data and budget."""


def over_budgets(
    board: str, table: pd.DataFrame, metrics: Sequence[MetricSpec], always: Settings
) -> tuple[Budgets, ...]:
    """One picture for each source and set of conditions with a method that has two budgets.

    Args:
        board: Name of the leaderboard.
        table: Its records, as rows of the frame.
        metrics: What to draw; those without a direction are passed over.
        always: By method, settings that its label says in any case.
    """
    known = table[(table["state"] == "finished") & table["value"].notna() & table["kimg"].notna()]
    found: list[Budgets] = []
    for values, group in known.groupby(EQUAL, sort=True):
        shared = dict(zip(EQUAL, values, strict=True))
        budgets = group.groupby(["data", "metric", *IDENTITY])["kimg"]
        several = group[budgets.transform("nunique") > 1]
        names = labels(several, always)
        panels = tuple(
            Panel(dataset, spec, courses)
            for dataset, mine in _by_data(several)
            for spec in metrics
            if spec.direction != "none"
            and (courses := tuple(_courses(mine[mine["metric"] == spec.name], names)))
        )
        if panels:
            found.append(_budgets(board, shared, panels))
    return tuple(found)


def _by_data(values: pd.DataFrame) -> Iterator[tuple[str, pd.DataFrame]]:
    """The values on each data set, by name; data of one name that differ are numbered."""
    for dataset, mine in values.groupby("dataset", sort=True):
        versions = list(mine.groupby("data", sort=True))
        for number, (_, same) in enumerate(versions, start=1):
            yield f"{dataset} ({number})" if len(versions) > 1 else str(dataset), same


def _budgets(board: str, shared: dict[str, Any], panels: tuple[Panel, ...]) -> Budgets:
    same = {name: str(value) for name, value in shared.items()}
    return Budgets(
        title=f"{shared['source']}, {conditions({**shared, 'budget': 'by budget'})}",
        name=f"{board}-budgets-{shared['source']}-{shared['size']}px-{digest(same, 6)}",
        panels=panels,
    )


def _courses(values: pd.DataFrame, names: Mapping[Identity, str]) -> Iterator[Course]:
    # Of several runs of one seed the last counts, as in the tables.
    found: dict[Identity, dict[tuple[float, int], float]] = {}
    rows = zip(values["kimg"], values["seed"], values["value"], strict=True)
    for key, (kimg, seed, value) in zip(identities(values), rows, strict=True):
        found.setdefault(key, {})[float(kimg), int(seed)] = float(value)
    for key, label in names.items():
        if key in found:
            mine = sorted(found[key].items())
            yield Course(label, tuple((kimg, value) for (kimg, _), value in mine))
