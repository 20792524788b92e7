"""Build leaderboards from the frame of records."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from statistics import fmean
from typing import Any

import pandas as pd

from benchbed.api.specs import MetricSpec
from benchbed.report.compare import comparisons
from benchbed.report.courses import over_budgets
from benchbed.report.leaderboard import Cell, Footnote, Leaderboard, Row, Table
from benchbed.report.references import ReferencePaper, ReferenceRow, ReferenceTable
from benchbed.report.rows import conditions, doubts, rows, runs, with_best, with_ties
from benchbed.report.verdict import differences, verdict

SHARED = ["dataset", "source", "fingerprint", "task", "preset", "size", "budget", "samples",
          "reference_split", "protocol", "precision"]  # fmt: skip

REFERRED = ["run", "method", "settings", "regime", "generator", "real_share"]
"""Columns that identify the matching line of a paper's table."""


def overview(table: pd.DataFrame, task: str, metrics: Mapping[str, MetricSpec]) -> Leaderboard:
    """Return the leaderboard of all records of one task, with one table per protocol."""
    subset = table[table["task"] == task]
    tables = tuple(_table(shared, group, metrics) for shared, group in _groups(subset))
    compared = comparisons(task, subset, list(metrics.values()), {})
    return Leaderboard(task, f"Task {task}: all runs", tables, comparisons=compared)


def paper_board(
    table: pd.DataFrame,
    paper: ReferencePaper,
    reference: ReferenceTable,
    metrics: Mapping[str, MetricSpec],
) -> Leaderboard:
    """Return the leaderboard of one table of a paper."""
    subset = table[table["task"] == reference.task]
    described_runs = subset[REFERRED].drop_duplicates("run")
    matching = [run["run"] for run in runs(described_runs) if reference.key(run)]
    subset = subset[subset["run"].isin(matching)]
    tables: list[Table] = []
    missing: list[str] = []
    for line in reference.rows:
        groups = list(_groups(subset[subset["dataset"].isin(list(line.datasets))]))
        tables += [_table(s, g, metrics, (paper, reference, line)) for s, g in groups]
        if not groups:
            missing.append(f"{line.label}: no run yet on {', '.join(line.datasets)}.")
    name = f"{paper.paper}-{reference.name}"
    names = list(dict.fromkeys(metric.metric for metric in reference.metrics.values()))
    selected = subset[subset["dataset"].isin({d for line in reference.rows for d in line.datasets})]
    columns = [metrics[m] for m in names]
    return Leaderboard(
        name,
        reference.title,
        tuple(tables),
        (paper.citation, *(paper.notes[key] for key in reference.notes)),
        tuple(missing),
        comparisons(name, selected, columns, reference.told),
        over_budgets(name, selected, columns, reference.told),
    )


def _groups(table: pd.DataFrame) -> Iterable[tuple[dict[str, Any], pd.DataFrame]]:
    for values, group in table.groupby(SHARED, sort=True):
        yield dict(zip(SHARED, values, strict=True)), group


_Reference = tuple[ReferencePaper, ReferenceTable, ReferenceRow]


def _table(
    shared: dict[str, Any],
    group: pd.DataFrame,
    metrics: Mapping[str, MetricSpec],
    reference: _Reference | None = None,
) -> Table:
    names = set(group["metric"].dropna().unique())
    if reference is not None:
        # A metric of the paper has its column even if no run has a value for it.
        names |= {metric.metric for metric in reference[1].metrics.values()}
    ordered = tuple(metrics[name] for name in metrics if name in names)
    fixed = reference[1].told if reference is not None else {}
    parts = rows(group, ordered, fixed)
    lines, warnings = with_ties(with_best([row for row, _ in parts], ordered), ordered)
    notes: tuple[str, ...] = ()
    marks = _Marks()
    if reference is None:
        lines = [marks.on(row) for row in lines]
    else:
        runs_of_rows = [run for _, run in parts]
        pairs = zip(lines, runs_of_rows, strict=True)
        lines = [_beside_paper(marks.on(row), run, reference, marks) for row, run in pairs]
        lines += _published(ordered, reference, marks)
        paper, _, printed = reference
        notes = (f"Data of the paper: {printed.data}.", *(paper.notes[k] for k in printed.notes))
    return Table(
        title=f"{shared['dataset']} ({shared['source']}), {conditions(shared)}",
        protocol=shared,
        metrics=ordered,
        rows=tuple(lines),
        seeds=tuple(sorted(int(seed) for seed in group["seed"].unique())),
        floors=_floors(group),
        paper=reference[2].label if reference else None,
        notes=notes,
        footnotes=marks.footnotes,
        warnings=(*doubts(group, fixed), *warnings),
    )


class _Marks:
    """Footnotes of a table, lettered in order of first use."""

    def __init__(self) -> None:
        self._marks: dict[str, str] = {}

    def of(self, texts: Iterable[str]) -> tuple[str, ...]:
        """Return the marks of some texts, adding a footnote for each new one."""
        return tuple(self._marks.setdefault(t, _letter(len(self._marks))) for t in texts)

    def on(self, row: Row) -> Row:
        """Return the row, marked with a footnote on its import if it was imported."""
        return replace(row, marks=self.of([row.imported])) if row.imported else row

    def of_cell(self, line: str, metric: str, reference: _Reference) -> tuple[str, ...]:
        """Return the marks of a paper's value; `line` and `metric` are keys of its table."""
        paper, table, row = reference
        notes = (note for note in (*table.cells, *row.cells) if note.belongs(line, metric))
        return self.of(paper.notes[key] for key in dict.fromkeys(note.note for note in notes))

    @property
    def footnotes(self) -> tuple[Footnote, ...]:
        """The footnotes in use."""
        return tuple(Footnote(mark, text) for text, mark in self._marks.items())


def _letter(count: int) -> str:
    return (_letter(count // 26 - 1) if count > 25 else "") + "abcdefghijklmnopqrstuvwxyz"[
        count % 26
    ]


def _beside_paper(row: Row, run: Mapping[str, Any], reference: _Reference, marks: _Marks) -> Row:
    _, table, printed_row = reference
    line = table.key(run) or ""
    reasons = differences(table, printed_row, run)
    cells = dict(row.cells)
    columns = list(cells)
    for key, metric in sorted(table.metrics.items(), key=lambda m: columns.index(m[1].metric)):
        printed = printed_row.values.get(line, {}).get(key)
        cell = cells.get(metric.metric)
        if printed is None or cell is None:
            continue
        word = None
        if cell.mean is not None:
            word = verdict(cell.mean, printed, metric.direction, reasons)
        cells[metric.metric] = replace(
            cell, printed=printed, verdict=word, marks=marks.of_cell(line, key, reference)
        )
    return replace(row, cells=cells)


def _published(metrics: Sequence[MetricSpec], reference: _Reference, marks: _Marks) -> list[Row]:
    """Return the lines of the paper's table that no method here implements."""
    _, table, printed_row = reference
    lines: list[Row] = []
    for key, line in table.methods.items():
        if line.method is not None or key not in printed_row.values:
            continue
        cells = {spec.name: Cell({}) for spec in metrics}
        for name, value in printed_row.values[key].items():
            cells[table.metrics[name].metric] = Cell(
                {}, value, marks=marks.of_cell(key, name, reference)
            )
        lines.append(Row(f"{line.label} (as published)", "", (), (), (), cells))
    return lines


def _floors(group: pd.DataFrame) -> dict[str, tuple[float, int]]:
    found: dict[str, list[tuple[float, float]]] = {}
    columns = (group[name] for name in ("metric", "floor", "n_floor"))
    for metric, value, count in zip(*columns, strict=True):
        if pd.notna(value):
            found.setdefault(metric, []).append((value, count))
    return {
        metric: (fmean(value for value, _ in parts), int(fmean(count for _, count in parts)))
        for metric, parts in sorted(found.items())
    }
