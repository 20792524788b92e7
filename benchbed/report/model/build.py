"""Build leaderboards from the frame of records."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from statistics import fmean
from string import ascii_lowercase
from typing import Any

import pandas as pd

from benchbed.api.specs import MetricSpec
from benchbed.report.model.comparisons import build_comparisons
from benchbed.report.model.leaderboard import (
    BudgetCurve,
    BudgetFigure,
    BudgetPanel,
    Cell,
    Footnote,
    Leaderboard,
    Row,
    Table,
)
from benchbed.report.model.paper_values import (
    ReferencePaper,
    ReferenceRow,
    ReferenceTable,
    compare_with_paper,
    list_differences,
)
from benchbed.report.model.rows import (
    IDENTITY_FIELDS,
    RowIdentity,
    SettingNames,
    build_labels,
    build_rows,
    format_conditions,
    iter_groups,
    iter_runs,
    list_warnings,
    mark_best,
    mark_ties,
    name_file,
    select_usable,
)
from benchbed.results.commands import add_fingerprint, is_own_data
from benchbed.results.record import MeasuredMetric, Record, is_usable_value
from benchbed.utils.files import hash_json
from benchbed.utils.text import MISSING_TEXT, format_number

EQUAL_FIELDS = ["source", "preset", "size", "samples", "reference_split", "augment", "but_budget",
          "precision", "version"]  # fmt: skip
"""Columns that are equal within a figure: those of a table except dataset and budget."""


def build_budget_figures(
    leaderboard: str, table: pd.DataFrame, metrics: Sequence[MetricSpec], always: SettingNames
) -> tuple[BudgetFigure, ...]:
    """Return a figure per source and set of conditions with a method that has two budgets."""
    figures: list[BudgetFigure] = []
    for shared, group in iter_groups(select_usable(table[table["kimg"].notna()]), EQUAL_FIELDS):
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
            title = f"{shared['source']}, {format_conditions({**shared, 'budget': 'by budget'})}"
            figures.append(BudgetFigure(title, name_file(f"{leaderboard}-budgets", shared), panels))
    return tuple(figures)


def _iter_datasets(values: pd.DataFrame) -> Iterator[tuple[str, pd.DataFrame]]:
    """Yield dataset names with their values; different data of one name are numbered."""
    for dataset, mine in values.groupby("dataset", sort=True):
        versions = list(mine.groupby("data", sort=True))
        for number, (_, same) in enumerate(versions, start=1):
            yield f"{dataset} ({number})" if len(versions) > 1 else str(dataset), same


def _iter_curves(values: pd.DataFrame, names: Mapping[RowIdentity, str]) -> Iterator[BudgetCurve]:
    # Of several runs of one seed the last one is used, as in the tables.
    last = values.drop_duplicates([*IDENTITY_FIELDS, "kimg", "seed"], keep="last")
    curves = dict(iter(last.sort_values(["kimg", "seed"]).groupby(IDENTITY_FIELDS)))
    for key, label in names.items():
        if key in curves:
            points = curves[key][["kimg", "value"]].astype(float).itertuples(index=False, name=None)
            yield BudgetCurve(label, tuple(points))


SHARED_FIELDS = ["dataset", "source", "fingerprint", "task", "preset", "size", "budget", "samples",
          "reference_split", "augment", "protocol", "precision", "version"]  # fmt: skip

REFERENCE_FIELDS = ["run", "method", "settings", "regime", "generator", "real_share"]
"""Columns that identify the matching line of a paper's table."""


def build_overview(
    table: pd.DataFrame, task: str, metrics: Mapping[str, MetricSpec]
) -> Leaderboard:
    """Return the leaderboard of all records of one task, with one table per protocol."""
    subset = table[table["task"] == task]
    groups = iter_groups(subset, SHARED_FIELDS)
    tables = tuple(_build_table(shared, group, metrics) for shared, group in groups)
    comparisons = build_comparisons(task, subset, list(metrics.values()), {})
    return Leaderboard(task, f"Task {task}: all runs", tables, comparisons=comparisons)


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
        groups = list(iter_groups(subset[subset["dataset"].isin(line.datasets)], SHARED_FIELDS))
        tables += [_build_table(s, g, metrics, (paper, reference, line)) for s, g in groups]
        if not groups:
            missing.append(f"{line.label}: no run yet on {', '.join(line.datasets)}.")
    name = f"{paper.paper}-{reference.name}"
    selected = subset[subset["dataset"].isin({d for line in reference.rows for d in line.datasets})]
    names = dict.fromkeys(metric.metric for metric in reference.metrics.values())
    values = (name, selected, [metrics[m] for m in names], reference.distinguishing_settings)
    return Leaderboard(
        name,
        reference.title,
        tuple(tables),
        (paper.citation, *(paper.notes[key] for key in reference.notes)),
        tuple(missing),
        build_comparisons(*values),
        build_budget_figures(*values),
    )


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
    unmarked, runs_of_rows = zip(*build_rows(group, ordered, fixed), strict=True)
    lines, warnings = mark_ties(mark_best(unmarked, ordered), ordered)
    notes: tuple[str, ...] = ()
    marks = _FootnoteMarks()
    if reference is None:
        lines = [marks.mark_row(row) for row in lines]
    else:
        lines = [
            _add_paper_values(marks.mark_row(row), run, reference, marks)
            for row, run in zip(lines, runs_of_rows, strict=True)
        ]
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
        return tuple(self._marks.setdefault(t, _make_mark(len(self._marks))) for t in texts)

    def mark_row(self, row: Row) -> Row:
        """Return the row, marked with footnotes on import, collapse, and superseded values."""
        texts = [
            text for text in (row.import_note, row.collapse_note, *row.superseded_reasons) if text
        ]
        cells = {
            name: replace(cell, value_marks=self.mark_texts(cell.superseded_reasons))
            for name, cell in row.cells.items()
        }
        return replace(row, marks=self.mark_texts(texts), cells=cells)

    def mark_cell(self, line: str, metric: str, reference: _Reference) -> tuple[str, ...]:
        """Return the marks of a paper's value; `line` and `metric` are keys of its table."""
        paper, table, row = reference
        notes = [n.note for n in (*table.cells, *row.cells) if n.is_for_cell(line, metric)]
        return self.mark_texts(paper.notes[key] for key in dict.fromkeys(notes))

    @property
    def footnotes(self) -> tuple[Footnote, ...]:
        """The footnotes in use."""
        return tuple(Footnote(mark, text) for text, mark in self._marks.items())


def _make_mark(count: int) -> str:
    """Return the mark after `count` others: a to z, then aa, ab and so on."""
    return (_make_mark(count // 26 - 1) if count > 25 else "") + ascii_lowercase[count % 26]


def _add_paper_values(
    row: Row, run: Mapping[str, Any], reference: _Reference, marks: _FootnoteMarks
) -> Row:
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
        cells[metric.metric] = replace(
            cell,
            paper_value=printed,
            verdict=None
            if cell.mean is None
            else compare_with_paper(cell.mean, printed, metric.direction, reasons),
            marks=marks.mark_cell(line, key, reference),
        )
    return replace(row, cells=cells)


def _build_published_rows(
    metrics: Sequence[MetricSpec], reference: _Reference, marks: _FootnoteMarks
) -> list[Row]:
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
    known = group[group["floor"].notna()].groupby("metric", sort=True)
    return {
        str(metric): (fmean(part["floor"]), int(fmean(part["n_floor"]))) for metric, part in known
    }


RECORD_FIELDS = (
    "state", "method", "settings", "dataset", "source", "fingerprint", "task", "precision", "seed",
)  # fmt: skip
PROTOCOL_FIELDS = ("preset", "size", "kimg", "samples", "reference_split")
TRAINING_FIELDS = ("images_per_second", "seconds", "peak_memory_bytes")
"""Columns of the frame that are copied from a record, its protocol and its training."""

COLUMNS = [
    "run", *RECORD_FIELDS, *PROTOCOL_FIELDS, *TRAINING_FIELDS,
    "trained_on", "regime", "generator", "pair_count", "real_share", "settings_hash", "budget",
    "augment", "protocol", "version", "data", "conditions", "but_budget", "imported", "collapse",
    "metric", "value", "lost", "superseded", "superseded_value", "floor", "n_real", "n_fake",
    "n_floor", "low", "high", "recipe", "note",
]  # fmt: skip

DATA_FIELDS = ("dataset", "fingerprint", "channels", "framing")
"""Protocol fields that depend on the dataset; the others can be equal for several."""

BUDGET_FIELDS = ("kimg", "seconds")
"""Protocol fields that limit the training."""


def build_frame(records: Iterable[Record]) -> pd.DataFrame:
    """Return one row per metric of every record, and one without a metric for a diverged run.

    The order of the rows does not depend on that of the records. A value that is not usable is in
    column `lost` as text instead of `value`, so that it enters no mean, rank or test.
    """
    rows = [row for record in records for row in _build_rows(record)]
    order = ["protocol", "precision", *IDENTITY_FIELDS, "seed", "run", "metric"]
    frame = pd.DataFrame(rows, columns=COLUMNS).sort_values(order, kind="stable")
    frame["dataset"] = _distinguish_own_data(frame)
    if frame["version"].nunique() == 1:
        # Titles give the version only where it distinguishes tables.
        frame["version"] = ""
    return frame


def _distinguish_own_data(frame: pd.DataFrame) -> pd.Series[str]:
    """Return the datasets, with the fingerprint where folders of one name have other content.

    Several fingerprints of a named dataset are versions of one dataset; two folders of one name
    need not have anything in common.
    """
    names = frame["dataset"]
    counts = frame.groupby("dataset")["fingerprint"].transform("nunique")
    is_ambiguous = (counts > 1) & names.map(is_own_data).astype(bool)
    labels = [add_fingerprint(*each) for each in zip(names, frame["fingerprint"], strict=True)]
    return names.mask(is_ambiguous, pd.Series(labels, index=frame.index, dtype=object))


def _build_rows(record: Record) -> list[dict[str, object]]:
    protocol, pairs, origin = record.protocol, record.pairs, record.imported
    kimg, seconds = protocol["kimg"], protocol["seconds"]
    conditions = {name: v for name, v in protocol.items() if name not in DATA_FIELDS}
    sources = [source.label for source in (pairs, record.pseudo_labels) if source is not None]
    common: dict[str, object] = {
        **{name: getattr(record, name) for name in RECORD_FIELDS},
        **{name: protocol[name] for name in PROTOCOL_FIELDS},
        **{name: getattr(record.training, name) for name in TRAINING_FIELDS},
        "run": record.id,
        "trained_on": ", ".join(sources),
        "regime": pairs.regime if pairs else "",
        "generator": (pairs.generator or "") if pairs else "",
        "pair_count": pairs.count if pairs else 0,
        "real_share": pairs.real_share if pairs else 1.0,
        "settings_hash": hash_json(record.settings),
        "budget": f"{kimg:g} kimg" if kimg is not None else f"{seconds:g} s",
        "augment": protocol.get("augment", "none").replace("none", ""),
        "protocol": record.protocol_hash,
        "version": str(protocol.get("version", "")),
        "data": hash_json({name: protocol[name] for name in DATA_FIELDS if name in protocol}),
        "conditions": hash_json(conditions),
        "but_budget": hash_json({k: v for k, v in conditions.items() if k not in BUDGET_FIELDS}),
        "lost": "",
        "superseded": record.superseded,
        "superseded_value": "",
        "imported": f"{origin.archive_name} (SHA-256 {origin.sha256[:12]})" if origin else "",
        "collapse": ", ".join(sign.text for sign in record.collapse),
    }
    return [{**common, **_convert_metric(metric)} for metric in record.metrics] or [common]


def _convert_metric(metric: MeasuredMetric) -> dict[str, object]:
    line: dict[str, object] = metric.model_dump()
    if metric.superseded:
        text = MISSING_TEXT if metric.value is None else format_number(metric.value)
        line |= {"value": None, "superseded": metric.superseded, "superseded_value": text}
    elif metric.value is not None and not metric.is_usable:
        line |= {"value": None, "lost": f"{metric.value:g}"}
    if not metric.is_usable or metric.interval is None:
        line |= {"low": None, "high": None}
    if metric.superseded or not is_usable_value(metric.baseline):
        line["floor"] = None
    return line
