"""Render all leaderboards as one page, with style, scripts, images and provenance inside."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from importlib.resources import files
from itertools import count
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from benchbed.report.model.leaderboard import Leaderboard, Row
from benchbed.report.render import tables
from benchbed.report.render.html.provenance import render_facts, select_shown_runs
from benchbed.results.record import Record
from benchbed.results.showcase import read_showcase
from benchbed.utils.files import write_text
from benchbed.utils.text import format_number

PAGE_FILE = "index.html"

PROGRAM_PARTS = (
    "base", "sort", "filter", "charts", "ranks", "showcase", "provenance", "panels", "start",
)  # fmt: skip
"""Parts of the page's script, in order."""

FILTERS = ("task", "dataset", "source", "budget")
"""Protocol fields to filter tables by."""


@dataclass(frozen=True)
class CostColumn:
    """A column with a training cost, which is the field `key` of a record's ``training``."""

    key: str
    heading: str
    initial_order: str
    format_value: Callable[[float], str]


def _format_duration(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 120 else f"{minutes // 60} h {minutes % 60:02d} min"


def _format_memory(size: float) -> str:
    return f"{size / 1e9:.2f} GB" if size >= 1e9 else f"{size / 1e6:.0f} MB"


COSTS = (
    CostColumn("images_per_second", "Images/s", "descending", format_number),
    CostColumn("seconds", "Training time", "ascending", _format_duration),
    CostColumn("peak_memory_bytes", "Peak memory", "ascending", _format_memory),
)


def write_page(
    leaderboards: Sequence[Leaderboard], records: Sequence[Record], root: Path, folder: Path
) -> Path:
    """Write the page as ``index.html`` and return its path."""
    path = folder / PAGE_FILE
    write_text(path, render_page(leaderboards, records, root))
    return path


def render_page(leaderboards: Sequence[Leaderboard], records: Sequence[Record], root: Path) -> str:
    """Return the page; equal records and showcases give equal bytes.

    All content from records is either escaped by the template, or JSON without ``<``. The page's
    Content-Security-Policy allows only its own style and script, by hash, and embedded images.
    """
    by_run = {record.id: record for record in records}
    showcases = {run: read_showcase(root, run) for run in select_shown_runs(leaderboards, by_run)}
    style, program = _read_asset("page.css"), _build_program()
    table_index, comparison_index = count(), count()
    sections = [
        (
            leaderboard,
            list(zip(leaderboard.tables, table_index, strict=False)),
            list(zip(leaderboard.comparisons, comparison_index, strict=False)),
        )
        for leaderboard in leaderboards
    ]
    environment = Environment(
        loader=PackageLoader("benchbed.report.render.html"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.globals |= {
        "anchor": _make_anchor,
        "compute_mean_cost": partial(_compute_mean_cost, by_run),
        "costs": COSTS,
        "texts": tables,
    }
    return environment.get_template("page.html").render(
        policy=build_content_policy(style, program),
        style=Markup(style),
        program=Markup(program),
        facts=Markup(render_facts(leaderboards, by_run, showcases)),
        sections=sections,
        filters=_build_filters(leaderboards),
        count=len(records),
    )


def build_content_policy(style: str, program: str) -> str:
    """Return the Content-Security-Policy of a page with this style and script."""
    return (
        f"default-src 'none'; img-src data:; style-src '{_hash_source(style)}'; "
        f"script-src '{_hash_source(program)}'; base-uri 'none'; form-action 'none'"
    )


def _hash_source(content: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()}"


def _read_asset(name: str) -> str:
    return (files("benchbed.report.render.html") / "templates" / name).read_text(encoding="utf-8")


def _build_program() -> str:
    parts = "\n".join(_read_asset(f"{name}.js") for name in PROGRAM_PARTS)
    return f'(() => {{\n"use strict";\n{parts}}})();\n'


def _build_filters(leaderboards: Iterable[Leaderboard]) -> list[tuple[str, str, list[str]]]:
    """Return name, label and choices of each filter."""
    filtered = [table for leaderboard in leaderboards for table in leaderboard.tables]
    choices = {name: {str(table.protocol[name]) for table in filtered} for name in FILTERS}
    choices["method"] = {row.method or row.label for table in filtered for row in table.rows}
    return [(name, name.capitalize(), sorted(values)) for name, values in choices.items()]


def _make_anchor(leaderboard: Leaderboard) -> str:
    return re.sub(r"[^a-z0-9]+", "-", leaderboard.name.lower()).strip("-")


def _compute_mean_cost(records: Mapping[str, Record], cost: CostColumn, row: Row) -> float | None:
    """Return the mean cost over the finished runs of a row; None if unknown."""
    row_records = [records[run] for run in row.runs if run in records]
    values = [getattr(r.training, cost.key) for r in row_records if r.state == "finished"]
    known = [float(value) for value in values if value]
    return sum(known) / len(known) if known else None
