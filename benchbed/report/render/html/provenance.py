"""Facts about every record as JSON in the page: the provenance of each number."""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Hashable, Iterable, Mapping, Sequence
from typing import Any

from benchbed.report.model.leaderboard import Leaderboard, MethodComparison, Row, Table
from benchbed.results.commands import describe_left_out_paths
from benchbed.results.record import MeasuredMetric, Record
from benchbed.results.showcase import Showcase

MAX_SHOWN_RUNS = 120
"""Maximum number of runs with images and curves in the page, newest first: about 15 MB."""

_ESCAPES = str.maketrans(
    {mark: f"\\u{ord(mark):04x}" for mark in ("<", ">", "&", "\u2028", "\u2029")}
)


def select_shown_runs(
    leaderboards: Iterable[Leaderboard], records: Mapping[str, Record]
) -> list[str]:
    """Return the runs with images in the page: the newest of each row, newest first."""
    tables = [table for leaderboard in leaderboards for table in leaderboard.tables]
    order = sorted(records, key=lambda run: (records[run].provenance.created_at, run), reverse=True)
    places = {run: place for place, run in enumerate(order)}
    known = [[places[run] for run in row.runs if run in places] for t in tables for row in t.rows]
    newest = sorted({min(row) for row in known if row})
    return [order[place] for place in newest[:MAX_SHOWN_RUNS]]


def render_facts(
    leaderboards: Sequence[Leaderboard],
    records: Mapping[str, Record],
    showcases: Mapping[str, Showcase],
) -> str:
    """Return the data of the page's scripts as JSON that is safe inside a ``<script>``."""
    tables = [_convert_table(lb, table) for lb in leaderboards for table in lb.tables]
    shared = _SharedValues()
    content = {
        "tables": tables,
        "comparisons": [_convert_ranks(c) for lb in leaderboards for c in lb.comparisons],
        "runs": {run: _convert_run(record, shared) for run, record in sorted(records.items())},
        "shared": shared.values,
        "shown": {run: _convert_showcase(shown) for run, shown in sorted(showcases.items())},
        "shownAtMost": MAX_SHOWN_RUNS,
    }
    try:
        text = _to_json(content)
    except ValueError:
        text = _to_json(_to_plain(content))
    return text.translate(_ESCAPES)


def _to_json(content: Any) -> str:
    return json.dumps(content, ensure_ascii=False, allow_nan=False, separators=(",", ":"))


class _SharedValues:
    """Values that many records share, stored once; records contain their indices."""

    def __init__(self) -> None:
        self.values: list[Any] = []
        self._indices: dict[Hashable, int] = {}

    def add_value(self, value: Any, key: Hashable = None) -> int:
        """Return the index of `value`, adding a new one; `key` replaces its JSON as identity."""
        key = json.dumps(value) if key is None else key
        if key not in self._indices:
            self._indices[key] = len(self.values)
            self.values.append(value)
        return self._indices[key]


def _convert_run(record: Record, shared: _SharedValues) -> dict[str, Any]:
    content = record.model_dump(mode="json")
    provenance = content["provenance"]
    own = {name: provenance.pop(name) for name in ("created", "command", "commit", "dirty")}
    if hint := describe_left_out_paths(record):
        own["paths"] = hint
    for name in ("id", "schema_version", "metrics", "provenance"):
        content.pop(name)
    for name in ("settings", "protocol", "cases", "pairs", "masks", "skipped", "copies", "reading"):
        if name in content:
            content[name] = shared.add_value(content[name])
    measured = {value.metric: _convert_metric(value, shared) for value in record.metrics}
    return {**content, **own, "made": shared.add_value(provenance), "metrics": measured}


def _convert_metric(value: MeasuredMetric, shared: _SharedValues) -> dict[str, Any]:
    content = value.model_dump()
    measurement = {name: content[name] for name in ("recipe", "n_real", "n_fake", "n_floor")}
    own = {name: content[name] for name in ("value", "floor", "low", "high", "note")}
    own["superseded"] = value.superseded
    known = {name: part for name, part in own.items() if part not in (None, "")}
    return {**known, "how": shared.add_value(measurement, tuple(measurement.values()))}


def _convert_table(leaderboard: Leaderboard, table: Table) -> dict[str, Any]:
    return {
        "title": table.title,
        "board": leaderboard.title,
        "paper": table.paper,
        "metrics": [
            {"name": spec.name, "title": spec.title, "direction": spec.direction}
            for spec in table.metrics
        ],
        "rows": [_convert_row(row, table) for row in table.rows],
        "notes": [*leaderboard.notes, *table.notes] if table.paper else [],
    }


def _convert_row(row: Row, table: Table) -> dict[str, Any]:
    texts = {footnote.mark: footnote.text for footnote in table.footnotes}
    cells: dict[str, Any] = {}
    for name, cell in row.cells.items():
        entry = {
            "printed": cell.paper_value,
            "note": cell.note,
            "mean": cell.mean,
            "verdict": cell.verdict and cell.verdict.word,
            "reasons": cell.verdict and list(cell.verdict.reasons),
            "tied": cell.is_tied or None,
            "superseded": list(cell.superseded_reasons) or None,
            "interval": cell.seed_interval,
            "footnotes": [texts[mark] for mark in cell.marks if mark in texts] or None,
        }
        cells[name] = {key: value for key, value in entry.items() if value not in (None, "")}
    return {"label": row.label, "runs": list(row.runs), "cells": cells}


def _convert_ranks(comparison: MethodComparison) -> list[dict[str, Any]]:
    return [
        {
            "title": found.metric.title,
            "ranks": [{"label": rank.label, "mean": rank.mean} for rank in found.ranks],
            "critical": found.critical_difference,
            "groups": found.groups,
        }
        for found in comparison.metrics
    ]


def _convert_showcase(showcase: Showcase) -> dict[str, Any]:
    content: dict[str, Any] = {
        name: base64.b64encode(picture).decode() for name, picture in showcase.pictures.items()
    }
    if showcase.curves is not None:
        content["curves"] = {"columns": showcase.curves.columns, "rows": showcase.curves.rows}
    return content


def _to_plain(value: Any) -> Any:
    """Return a value without non-finite numbers, which become text."""
    if isinstance(value, Mapping):
        return {str(key): _to_plain(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_to_plain(part) for part in value]
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value
