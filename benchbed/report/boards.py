"""Build leaderboards from the frame of records."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from statistics import fmean
from typing import Any

import pandas as pd

from benchbed.api.specs import MetricSpec
from benchbed.report.compare import build_comparisons
from benchbed.report.courses import build_budget_figures
from benchbed.report.leaderboard import Cell, Footnote, Leaderboard, Row, Table
from benchbed.report.references import ReferencePaper, ReferenceRow, ReferenceTable
from benchbed.report.rows import format_conditions, list_warnings, build_rows, iter_runs, mark_best, mark_ties
from benchbed.report.verdict import list_differences, compare_with_paper

SHARED_FIELDS = ["dataset", "source", "fingerprint", "task", "preset", "size", "budget", "samples",
          "reference_split", "protocol", "precision"]  # fmt: skip

REFERENCE_FIELDS = ["run", "method", "settings", "regime", "generator", "real_share"]
"""Columns that identify the matching line of a paper's table."""


def build_overview(table: pd.DataFrame, task: str, metrics: Mapping[str, MetricSpec]) -> Leaderboard:
    """Return the leaderboard of all records of one task, with one table per protocol."""
    subset = table[table["task"] == task]
    tables = tuple(_build_table(shared, group, metrics) for shared, group in _iter_groups(subset))
    compared = build_comparisons(task, subset, list(metrics.values()), {})
    return Leaderboard(task, f"Task {task}: all runs", tables, comparisons=compared)


def build_paper_leaderboard(
    table: pd.DataFrame,
    paper: ReferencePaper,
    reference: ReferenceTable,
    metrics: Mapping[str, MetricSpec],
) -> Leaderboard:
    """Return the leaderboard of one table of a paper."""
    subset = table[table["task"] == reference.task]
    described_runs = subset[REFERENCE_FIELDS].drop_duplicates("run")
    matching = [run["run"] for run in iter_runs(described_runs) if reference.find_key(run)]
    subset = subset[subset["run"].isin(matching)]
    tables: list[Table] = []
    missing: list[str] = []
    for line in reference.rows:
        groups = list(_iter_groups(subset[subset["dataset"].isin(list(line.datasets))]))
        tables += [_build_table(s, g, metrics, (paper, reference, line)) for s, g in groups]
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
        build_comparisons(name, selected, columns, reference.distinguishing_settings),
        build_budget_figures(name, selected, columns, reference.distinguishing_settings),
    )


def _iter_groups(table: pd.DataFrame) -> Iterable[tuple[dict[str, Any], pd.DataFrame]]:
    for values, group in table.groupby(SHARED_FIELDS, sort=True):
        yield dict(zip(SHARED_FIELDS, values, strict=True)), group


_Reference = tuple[ReferencePaper, ReferenceTable, ReferenceRow]


def _build_table(
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
    fixed = reference[1].distinguishing_settings if reference is not None else {}
    parts = build_rows(group, ordered, fixed)
    lines, warnings = mark_ties(mark_best([row for row, _ in parts], ordered), ordered)
    notes: tuple[str, ...] = ()
    marks = _FootnoteMarks()
    if reference is None:
        lines = [marks.mark_row(row) for row in lines]
    else:
        runs_of_rows = [run for _, run in parts]
        pairs = zip(lines, runs_of_rows, strict=True)
        lines = [_add_paper_values(marks.mark_row(row), run, reference, marks) for row, run in pairs]
        lines += _build_published_rows(ordered, reference, marks)
        paper, _, printed = reference
        notes = (f"Data of the paper: {printed.data}.", *(paper.notes[k] for k in printed.notes))
    return Table(
        title=f"{shared['dataset']} ({shared['source']}), {format_conditions(shared)}",
        protocol=shared,
        metrics=ordered,
        rows=tuple(lines),
        seeds=tuple(sorted(int(seed) for seed in group["seed"].unique())),
        baselines=_compute_baselines(group),
        paper=reference[2].label if reference else None,
        notes=notes,
        footnotes=marks.footnotes,
        warnings=(*list_warnings(group, fixed), *warnings),
    )


class _FootnoteMarks:
    """Footnotes of a table, lettered in order of first use."""

    def __init__(self) -> None:
        self._marks: dict[str, str] = {}

    def mark_texts(self, texts: Iterable[str]) -> tuple[str, ...]:
        """Return the marks of some texts, adding a footnote for each new one."""
        return tuple(self._marks.setdefault(t, _format_letter(len(self._marks))) for t in texts)

    def mark_row(self, row: Row) -> Row:
        """Return the row, marked with a footnote on its import if it was imported."""
        return replace(row, marks=self.mark_texts([row.import_note])) if row.import_note else row

    def mark_cell(self, line: str, metric: str, reference: _Reference) -> tuple[str, ...]:
        """Return the marks of a paper's value; `line` and `metric` are keys of its table."""
        paper, table, row = reference
        notes = (note for note in (*table.cells, *row.cells) if note.is_for_cell(line, metric))
        return self.mark_texts(paper.notes[key] for key in dict.fromkeys(note.note for note in notes))

    @property
    def footnotes(self) -> tuple[Footnote, ...]:
        """The footnotes in use."""
        return tuple(Footnote(mark, text) for text, mark in self._marks.items())


def _format_letter(count: int) -> str:
    return (_format_letter(count // 26 - 1) if count > 25 else "") + "abcdefghijklmnopqrstuvwxyz"[
        count % 26
    ]


def _add_paper_values(row: Row, run: Mapping[str, Any], reference: _Reference, marks: _FootnoteMarks) -> Row:
    _, table, printed_row = reference
    line = table.find_key(run) or ""
    reasons = list_differences(table, printed_row, run)
    cells = dict(row.cells)
    columns = list(cells)
    for key, metric in sorted(table.metrics.items(), key=lambda m: columns.index(m[1].metric)):
        printed = printed_row.values.get(line, {}).get(key)
        cell = cells.get(metric.metric)
        if printed is None or cell is None:
            continue
        word = None
        if cell.mean is not None:
            word = compare_with_paper(cell.mean, printed, metric.direction, reasons)
        cells[metric.metric] = replace(
            cell, paper_value=printed, verdict=word, marks=marks.mark_cell(line, key, reference)
        )
    return replace(row, cells=cells)


def _build_published_rows(metrics: Sequence[MetricSpec], reference: _Reference, marks: _FootnoteMarks) -> list[Row]:
    """Return the lines of the paper's table that no method here implements."""
    _, table, printed_row = reference
    lines: list[Row] = []
    for key, line in table.methods.items():
        if line.method is not None or key not in printed_row.values:
            continue
        cells = {spec.name: Cell({}) for spec in metrics}
        for name, value in printed_row.values[key].items():
            cells[table.metrics[name].metric] = Cell(
                {}, value, marks=marks.mark_cell(key, name, reference)
            )
        lines.append(Row(f"{line.label} (as published)", "", (), (), (), cells))
    return lines


def _compute_baselines(group: pd.DataFrame) -> dict[str, tuple[float, int]]:
    found: dict[str, list[tuple[float, float]]] = {}
    columns = (group[name] for name in ("metric", "floor", "n_floor"))
    for metric, value, count in zip(*columns, strict=True):
        if pd.notna(value):
            found.setdefault(metric, []).append((value, count))
    return {
        metric: (fmean(value for value, _ in parts), int(fmean(count for _, count in parts)))
        for metric, parts in sorted(found.items())
    }
