"""Build the curves of metrics over the training budget from the frame."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pandas as pd

from benchbed.api.specs import MetricSpec
from benchbed.files import digest
from benchbed.report.budgets import Budgets, Course, Panel
from benchbed.report.rows import IDENTITY, Identity, Settings, conditions, identities, labels

EQUAL = ["source", "preset", "size", "samples", "reference_split", "but_budget", "precision"]
"""Columns that are equal within a figure: those of a table except dataset and budget."""


def over_budgets(
    board: str, table: pd.DataFrame, metrics: Sequence[MetricSpec], always: Settings
) -> tuple[Budgets, ...]:
    """Return a figure per source and set of conditions with a method that has two budgets."""
    usable = table[(table["state"] == "finished") & table["value"].notna() & table["kimg"].notna()]
    found: list[Budgets] = []
    for values, group in usable.groupby(EQUAL, sort=True):
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
    """Yield dataset names with their values; different data of one name are numbered."""
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
    # Of several runs of one seed the last one is used, as in the tables.
    found: dict[Identity, dict[tuple[float, int], float]] = {}
    rows = zip(values["kimg"], values["seed"], values["value"], strict=True)
    for key, (kimg, seed, value) in zip(identities(values), rows, strict=True):
        found.setdefault(key, {})[float(kimg), int(seed)] = float(value)
    for key, label in names.items():
        if key in found:
            curve = sorted(found[key].items())
            yield Course(label, tuple((kimg, value) for (kimg, _), value in curve))
