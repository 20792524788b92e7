"""Build the curves of metrics over the training budget from the frame."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pandas as pd

from benchbed.api.specs import MetricSpec
from benchbed.files import hash_json
from benchbed.report.budgets import BudgetFigure, BudgetCurve, BudgetPanel
from benchbed.report.rows import IDENTITY_FIELDS, RowIdentity, SettingNames, format_conditions, list_identities, build_labels

EQUAL_FIELDS = ["source", "preset", "size", "samples", "reference_split", "but_budget", "precision"]
"""Columns that are equal within a figure: those of a table except dataset and budget."""


def build_budget_figures(
    board: str, table: pd.DataFrame, metrics: Sequence[MetricSpec], always: SettingNames
) -> tuple[BudgetFigure, ...]:
    """Return a figure per source and set of conditions with a method that has two budgets."""
    usable = table[(table["state"] == "finished") & table["value"].notna() & table["kimg"].notna()]
    found: list[BudgetFigure] = []
    for values, group in usable.groupby(EQUAL_FIELDS, sort=True):
        shared = dict(zip(EQUAL_FIELDS, values, strict=True))
        budgets = group.groupby(["data", "metric", *IDENTITY_FIELDS])["kimg"]
        several = group[budgets.transform("nunique") > 1]
        names = build_labels(several, always)
        panels = tuple(
            BudgetPanel(dataset, spec, courses)
            for dataset, mine in _iter_datasets(several)
            for spec in metrics
            if spec.direction != "none"
            and (courses := tuple(_iter_curves(mine[mine["metric"] == spec.name], names)))
        )
        if panels:
            found.append(_build_figure(board, shared, panels))
    return tuple(found)


def _iter_datasets(values: pd.DataFrame) -> Iterator[tuple[str, pd.DataFrame]]:
    """Yield dataset names with their values; different data of one name are numbered."""
    for dataset, mine in values.groupby("dataset", sort=True):
        versions = list(mine.groupby("data", sort=True))
        for number, (_, same) in enumerate(versions, start=1):
            yield f"{dataset} ({number})" if len(versions) > 1 else str(dataset), same


def _build_figure(board: str, shared: dict[str, Any], panels: tuple[BudgetPanel, ...]) -> BudgetFigure:
    same = {name: str(value) for name, value in shared.items()}
    return BudgetFigure(
        title=f"{shared['source']}, {format_conditions({**shared, 'budget': 'by budget'})}",
        name=f"{board}-budgets-{shared['source']}-{shared['size']}px-{hash_json(same, 6)}",
        panels=panels,
    )


def _iter_curves(values: pd.DataFrame, names: Mapping[RowIdentity, str]) -> Iterator[BudgetCurve]:
    # Of several runs of one seed the last one is used, as in the tables.
    found: dict[RowIdentity, dict[tuple[float, int], float]] = {}
    rows = zip(values["kimg"], values["seed"], values["value"], strict=True)
    for key, (kimg, seed, value) in zip(list_identities(values), rows, strict=True):
        found.setdefault(key, {})[float(kimg), int(seed)] = float(value)
    for key, label in names.items():
        if key in found:
            curve = sorted(found[key].items())
            yield BudgetCurve(label, tuple((kimg, value) for (kimg, _), value in curve))
