"""From the frame to leaderboards."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from typing import Any

import pandas as pd

from benchbed.api.specs import MetricSpec
from benchbed.report.leaderboard import Cell, Leaderboard, Row, Table
from benchbed.report.references import ReferencePaper, ReferenceRow, ReferenceTable
from benchbed.report.verdict import differences, verdict

SHARED = ["dataset", "source", "fingerprint", "task", "preset", "size", "budget", "samples",
          "reference_split", "protocol", "precision"]  # fmt: skip


def overview(table: pd.DataFrame, task: str, metrics: Mapping[str, MetricSpec]) -> Leaderboard:
    """Every record of one task, one table a protocol."""
    mine = table[table["task"] == task]
    tables = tuple(_table(shared, group, metrics) for shared, group in _groups(mine))
    return Leaderboard(task, f"Task {task}: every run", tables)


def paper_board(
    table: pd.DataFrame,
    paper: ReferencePaper,
    reference: ReferenceTable,
    metrics: Mapping[str, MetricSpec],
) -> Leaderboard:
    """The leaderboard that stands beside one printed table."""
    mine = table[table["task"] == reference.task]
    mine = mine.loc[[reference.key(run) is not None for run in _runs(mine)]]
    tables: list[Table] = []
    absent: list[str] = []
    for row in reference.rows:
        groups = list(_groups(mine[mine["dataset"].isin(list(row.datasets))]))
        tables += [_table(s, g, metrics, (paper, reference, row)) for s, g in groups]
        if not groups:
            absent.append(f"{row.label}: no run yet on {', '.join(row.datasets)}.")
    return Leaderboard(
        f"{paper.paper}-{reference.name}",
        reference.title,
        tuple(tables),
        (paper.citation, *(paper.notes[key] for key in reference.notes)),
        tuple(absent),
    )


def _groups(table: pd.DataFrame) -> Iterable[tuple[dict[str, Any], pd.DataFrame]]:
    for values, group in table.groupby(SHARED, sort=True):
        yield dict(zip(SHARED, values, strict=True)), group


def _runs(table: pd.DataFrame) -> list[dict[str, Any]]:
    """The rows of the frame, each by column."""
    return [{str(name): value for name, value in row.items()} for row in table.to_dict("records")]


_Reference = tuple[ReferencePaper, ReferenceTable, ReferenceRow]


def _table(
    shared: dict[str, Any],
    group: pd.DataFrame,
    metrics: Mapping[str, MetricSpec],
    reference: _Reference | None = None,
) -> Table:
    names = set(group["metric"].dropna().unique())
    if reference is not None:
        # What the paper printed has its column, also where no run could measure it.
        names |= {metric.metric for metric in reference[1].metrics.values()}
    ordered = tuple(metrics[name] for name in metrics if name in names)
    always = reference[1].told if reference is not None else {}
    parts = sorted(_labelled(group, always), key=_first)
    rows = [_row(part, label, ordered) for label, part in parts]
    if reference is not None:
        both = zip(rows, parts, strict=True)
        rows = [_beside_paper(row, _runs(part)[0], reference) for row, (_, part) in both]
    rows = [_with_best(row, rows, ordered) for row in rows]
    notes: tuple[str, ...] = ()
    if reference is not None:
        rows += _published(ordered, reference)
        paper, _, printed = reference
        notes = (f"The paper's data: {printed.data}.", *(paper.notes[k] for k in printed.notes))
    return Table(
        title=(
            f"{shared['dataset']} ({shared['source']}), {shared['size']} px, {shared['budget']}, "
            f"{shared['samples']} samples against {shared['reference_split']}, "
            f"{shared['precision']}"
        ),
        protocol=shared,
        metrics=ordered,
        rows=tuple(rows),
        seeds=tuple(sorted(int(seed) for seed in group["seed"].unique())),
        floors=_floors(group),
        paper=reference[2].label if reference else None,
        notes=notes,
    )


def _labelled(
    group: pd.DataFrame, always: Mapping[str, Collection[str]]
) -> Iterable[tuple[str, pd.DataFrame]]:
    """A method's rows; the label says in what its settings differ within the table.

    Args:
        group: The table's records.
        always: By method, settings that the label says in any case.
    """
    for (method, trained_on), of_method in group.groupby(["method", "trained_on"], sort=True):
        variants = list(of_method.groupby("settings_hash", sort=True))
        settings = [dict(part["settings"].iloc[0]) for _, part in variants]
        names = {name for values in settings for name in values}
        fixed = always.get(str(method), ())
        differing = sorted(
            n for n in names if n in fixed or len({repr(v.get(n)) for v in settings}) > 1
        )
        for (_, part), values in zip(variants, settings, strict=True):
            told = ", ".join(
                [
                    *([str(trained_on)] if trained_on else []),
                    *(f"{n}={values.get(n)}" for n in differing),
                ]
            )
            yield f"{method} ({told})" if told else str(method), part


def _first(labelled: tuple[str, pd.DataFrame]) -> str:
    return labelled[0]


def _row(part: pd.DataFrame, label: str, metrics: tuple[MetricSpec, ...]) -> Row:
    finished = part[part["state"] == "finished"]
    diverged = part[part["state"] == "diverged"]
    cells = {spec.name: _cell(finished[finished["metric"] == spec.name]) for spec in metrics}
    return Row(
        label=label,
        method=str(part["method"].iloc[0]),
        seeds=tuple(sorted({int(seed) for seed in finished["seed"]})),
        diverged=tuple(sorted({int(seed) for seed in diverged["seed"]})),
        runs=tuple(sorted(set(part["run"]))),
        cells=cells,
    )


def _cell(values: pd.DataFrame) -> Cell:
    known = values.dropna(subset=["value"])
    notes = [str(note) for note in values["note"].dropna().unique() if note]
    by_seed = {int(s): float(v) for s, v in zip(known["seed"], known["value"], strict=True)}
    ends = known[["low", "high"]].dropna()
    alone = len(by_seed) == 1 and len(ends) == 1
    interval = (float(ends["low"].iloc[0]), float(ends["high"].iloc[0])) if alone else None
    return Cell(by_seed, note="; ".join(notes), interval=interval)


def _beside_paper(row: Row, run: Mapping[str, Any], reference: _Reference) -> Row:
    _, table, printed_row = reference
    line = table.key(run)
    reasons = differences(table, printed_row, run)
    cells = dict(row.cells)
    for key, metric in table.metrics.items():
        printed = printed_row.values.get(line or "", {}).get(key)
        cell = cells.get(metric.metric)
        if printed is None or cell is None:
            continue
        word = None
        if cell.mean is not None:
            word = verdict(cell.mean, printed, metric.direction, reasons)
        cells[metric.metric] = replace(cell, printed=printed, verdict=word)
    return replace(row, cells=cells)


def _published(metrics: tuple[MetricSpec, ...], reference: _Reference) -> list[Row]:
    """The printed lines for which nothing here stands."""
    _, table, printed_row = reference
    rows: list[Row] = []
    for key, line in table.methods.items():
        if line.method is not None or key not in printed_row.values:
            continue
        cells = {spec.name: Cell({}) for spec in metrics}
        for name, value in printed_row.values[key].items():
            cells[table.metrics[name].metric] = Cell({}, value)
        rows.append(Row(f"{line.label} (as published)", "", (), (), (), cells))
    return rows


def _with_best(row: Row, rows: list[Row], metrics: tuple[MetricSpec, ...]) -> Row:
    """Mark the best mean of each column; a row of fewer seeds than others cannot be the best."""
    full = max((len(other.seeds) for other in rows), default=0)
    cells = dict(row.cells)
    for spec in metrics:
        means = [
            mean
            for other in rows
            if len(other.seeds) == full and (mean := other.cells[spec.name].mean) is not None
        ]
        cell = cells[spec.name]
        if spec.direction == "none" or len(rows) < 2 or not means or len(row.seeds) < full:
            continue
        best = min(means) if spec.direction == "down" else max(means)
        marked = cell.mean is not None and cell.mean == best
        cells[spec.name] = replace(cell, best=marked)
    return replace(row, cells=cells)


def _floors(group: pd.DataFrame) -> dict[str, tuple[float, int]]:
    known = group.dropna(subset=["floor"])
    means = known.groupby("metric")[["floor", "n_floor"]].mean()
    return {str(n): (float(r["floor"]), int(r["n_floor"])) for n, r in means.iterrows()}
