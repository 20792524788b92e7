"""Render all leaderboards as one page, with style, scripts, pictures and provenance inside."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from benchbed.report.model.leaderboard import Leaderboard
from benchbed.report.render import tables
from benchbed.report.render.html.provenance import render_facts, select_shown_runs
from benchbed.report.render.html.view import LeaderboardView, TableView, build_leaderboard_views
from benchbed.results.record import Record
from benchbed.results.showcase import read_showcase
from benchbed.utils.files import write_text

PAGE_FILE = "index.html"

PROGRAM_PARTS = (
    "base",
    "sort",
    "filter",
    "charts",
    "ranks",
    "showcase",
    "provenance",
    "panels",
    "start",
)
"""Parts of the page's script, in order."""

FILTERS = (
    ("task", "Task"),
    ("dataset", "Dataset"),
    ("source", "Source"),
    ("budget", "Budget"),
)
"""Protocol fields to filter tables by, with their labels."""


def write_page(
    boards: Sequence[Leaderboard], records: Sequence[Record], root: Path, folder: Path
) -> Path:
    """Write the page as ``index.html`` and return its path."""
    path = folder / PAGE_FILE
    write_text(path, render_page(boards, records, root))
    return path


def render_page(boards: Sequence[Leaderboard], records: Sequence[Record], root: Path) -> str:
    """Return the page; equal records and showcases give equal bytes.

    All content from records is either escaped by the template, or JSON without ``<``. The page's
    Content-Security-Policy allows only its own style and script, by hash, and embedded pictures.
    """
    by_run = {record.id: record for record in records}
    showcases = {run: read_showcase(root, run) for run in select_shown_runs(boards, by_run)}
    style, program = _read_style(), _build_program()
    shown = build_leaderboard_views(boards, by_run)
    environment = Environment(
        loader=PackageLoader("benchbed.report.render.html"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.globals |= {
        "heading": tables.format_heading,
        "short": tables.format_number,
        "under": tables.list_comparison_notes,
        "no_comparison": tables.NO_COMPARISON_TEXT,
    }
    return environment.get_template("page.html").render(
        policy=build_content_policy(style, program),
        style=Markup(style),
        program=Markup(program),
        facts=Markup(render_facts(boards, by_run, showcases)),
        sections=shown,
        filters=_build_filters(shown),
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


def _read_style() -> str:
    return _read_asset("page.css")


def _build_program() -> str:
    parts = "\n".join(_read_asset(f"{name}.js") for name in PROGRAM_PARTS)
    return f'(() => {{\n"use strict";\n{parts}}})();\n'


def _build_filters(shown: Sequence[LeaderboardView]) -> list[tuple[str, str, list[str]]]:
    sheets: list[TableView] = [sheet for section in shown for sheet in section.tables]
    found = [
        (name, label, sorted({str(sheet.protocol[name]) for sheet in sheets}))
        for name, label in FILTERS
    ]
    methods = sorted({line.method for sheet in sheets for line in sheet.rows})
    return [*found, ("method", "Method", methods)]
