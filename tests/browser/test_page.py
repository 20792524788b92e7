"""The page as text: its bytes, its policy, its size and its colours."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from importlib.resources import files
from pathlib import Path

import pytest

from benchbed.config import paths
from benchbed.registry.lookup import get_registry
from benchbed.report.render.html.page import render_page
from benchbed.report.render.html.provenance import render_facts, select_shown_runs
from benchbed.report.write import build_leaderboards
from benchbed.results.record import Record
from benchbed.results.store import ResultStore

ROOT = Path(__file__).parents[2]


class _Elements(HTMLParser):
    """Counts what a browser would see."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str, str | None]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(tag, name, value) for name, value in attrs]


def _parsed(html: str) -> _Elements:
    parser = _Elements()
    parser.feed(html)
    return parser


def test_the_same_records_give_the_same_bytes(
    html: str, records: list[Record], results: Path
) -> None:
    again = records[::-1]
    boards = build_leaderboards(again, paths.find_benchmarks_folder() / "papers")
    assert render_page(boards, again, results) == html


def test_names_and_notes_become_no_elements(html: str) -> None:
    page = _parsed(html)
    assert page.tags.count("script") == 2
    assert "img" not in page.tags
    handlers = [found for found in page.attributes if found[1].startswith("on")]
    assert handlers == []
    assert "&lt;img src=x onerror=" in html


def test_the_page_asks_for_nothing_and_allows_nothing_else(html: str) -> None:
    """Every style and program is inside and in the policy by its hash; no address is in use."""
    page = _parsed(html)
    addresses = [v for tag, name, v in page.attributes if name in ("src", "href", "action")]
    assert all(address and address.startswith("#") for address in addresses)
    assert not any(name == "style" for _, name, _ in page.attributes)
    policy = next(v for _, name, v in page.attributes if name == "content" and "default-src" in v)
    assert policy.startswith("default-src 'none'")
    assert "unsafe" not in policy
    assert policy.count("sha256-") == 2


def test_the_facts_are_json_that_ends_no_element(
    html: str, records: list[Record], evil: str
) -> None:
    (text,) = re.findall(r'<script type="application/json" id="facts">(.*?)</script>', html)
    assert not re.search("[<>&]", text)
    content = json.loads(text, parse_constant=pytest.fail)
    assert set(content["runs"]) == {record.id for record in records}
    settings = content["runs"]["evil-run"]["settings"]
    assert content["shared"][settings] == {evil: evil, "rate": None}


def test_pictures_are_those_of_the_newest_run_of_each_row(
    records: list[Record], monkeypatch: pytest.MonkeyPatch
) -> None:
    boards = build_leaderboards(records, paths.find_benchmarks_folder() / "papers")
    by_run = {record.id: record for record in records}
    shown = select_shown_runs(boards, by_run)
    assert "dcgan-chest-xray-real-s1" in shown
    assert "dcgan-chest-xray-real-s0" not in shown
    monkeypatch.setattr("benchbed.report.render.html.provenance.MAX_SHOWN_RUNS", 2)
    assert select_shown_runs(boards, by_run) == shown[:2]


def test_what_records_share_is_kept_once(records: list[Record]) -> None:
    """A further record of the same protocol and machine costs the page under 1,200 bytes."""
    boards = build_leaderboards(records, paths.find_benchmarks_folder() / "papers")
    by_run = {record.id: record for record in records}
    one = records[0]
    more = {f"{one.id}-{n}": one.model_copy(update={"id": f"{one.id}-{n}"}) for n in range(100)}
    size = len(render_facts(boards, by_run, {}))
    assert (len(render_facts(boards, by_run | more, {})) - size) / 100 < 1200


def _luminance(colour: str) -> float:
    parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def _contrast(one: str, other: str) -> float:
    dark, light = sorted((_luminance(one), _luminance(other)))
    return (light + 0.05) / (dark + 0.05)


def test_colours_can_be_told_apart_in_light_and_dark() -> None:
    """WCAG 2.2 AA: 4.5 to 1 for text, 3 to 1 for lines and marks."""
    style = (files("benchbed.report.render.html") / "templates" / "page.css").read_text(
        encoding="utf-8"
    )
    schemes = [dict(re.findall(r"--([\w]+): (#\w{6})", part)) for part in style.split("@media")[:2]]
    assert [len(scheme) for scheme in schemes] == [17, 17]
    for scheme in schemes:
        for ground in ("page", "raised"):
            for text in ("ink", "quiet", "link", "good", "bad"):
                assert _contrast(scheme[text], scheme[ground]) >= 4.5, (text, ground)
            for mark in ("focus", *(f"c{n}" for n in range(8))):
                assert _contrast(scheme[mark], scheme[ground]) >= 3, (mark, ground)


def test_the_page_without_records_of_a_paper_says_so(html: str) -> None:
    assert "No record yet." in html
    assert "(no run yet)" in html


@pytest.mark.skipif(
    not (ROOT / "results/leaderboards").is_dir(), reason="the records are not beside the tests"
)
def test_regenerating_the_committed_page_changes_nothing() -> None:
    """`benchbed report` was run and committed after the last record, and after the last change."""
    root = ROOT / "results"
    get_registry.cache_clear()
    records = ResultStore(root).load_records()
    boards = build_leaderboards(records, ROOT / "benchmarks/papers")
    committed = (root / "leaderboards/index.html").read_text(encoding="utf-8")
    assert render_page(boards, records, root) == committed, (
        "run `benchbed report` and commit index.html"
    )
