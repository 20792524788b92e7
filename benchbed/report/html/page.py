"""Render all leaderboards as one page, with style, scripts, pictures and provenance inside."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from benchbed.files import write_text
from benchbed.report import grids, text
from benchbed.report.html.facts import facts, shown_runs
from benchbed.report.html.view import Section, Sheet, sections
from benchbed.report.leaderboard import Leaderboard
from benchbed.runs.record import Record
from benchbed.runs.showcase import read_showcase

PAGE = "index.html"

PROGRAMS = (
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
    path = folder / PAGE
    write_text(path, render(boards, records, root))
    return path


def render(boards: Sequence[Leaderboard], records: Sequence[Record], root: Path) -> str:
    """Return the page; equal records and showcases give equal bytes.

    All content from records is either escaped by the template, or JSON without ``<``. The page's
    Content-Security-Policy allows only its own style and script, by hash, and embedded pictures.
    """
    by_run = {record.id: record for record in records}
    showcases = {run: read_showcase(root, run) for run in shown_runs(boards, by_run)}
    style, program = _style(), _program()
    shown = sections(boards, by_run)
    environment = Environment(
        loader=PackageLoader("benchbed.report.html"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.globals |= {
        "heading": text.heading,
        "short": text.number,
        "under": grids.under_comparison,
        "no_comparison": grids.NO_COMPARISON,
    }
    return environment.get_template("page.html").render(
        policy=policy(style, program),
        style=Markup(style),
        program=Markup(program),
        facts=Markup(facts(boards, by_run, showcases)),
        sections=shown,
        filters=_filters(shown),
        count=len(records),
    )


def policy(style: str, program: str) -> str:
    """Return the Content-Security-Policy of a page with this style and script."""
    return (
        f"default-src 'none'; img-src data:; style-src '{_hash(style)}'; "
        f"script-src '{_hash(program)}'; base-uri 'none'; form-action 'none'"
    )


def _hash(content: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()}"


def _asset(name: str) -> str:
    return (files("benchbed.report.html") / "templates" / name).read_text(encoding="utf-8")


def _style() -> str:
    return _asset("page.css")


def _program() -> str:
    parts = "\n".join(_asset(f"{name}.js") for name in PROGRAMS)
    return f'(() => {{\n"use strict";\n{parts}}})();\n'


def _filters(shown: Sequence[Section]) -> list[tuple[str, str, list[str]]]:
    sheets: list[Sheet] = [sheet for section in shown for sheet in section.sheets]
    found = [
        (name, label, sorted({str(sheet.protocol[name]) for sheet in sheets}))
        for name, label in FILTERS
    ]
    methods = sorted({line.method for sheet in sheets for line in sheet.lines})
    return [*found, ("method", "Method", methods)]
