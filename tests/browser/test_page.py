"""The HTML page as text: its bytes, security policy, size and colours."""

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


class _ElementParser(HTMLParser):
    """Collects the elements that a browser would create."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str, str | None]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(tag, name, value) for name, value in attrs]


def _parse(html: str) -> _ElementParser:
    parser = _ElementParser()
    parser.feed(html)
    return parser


def test_the_order_of_records_does_not_change_the_page(
    html: str, records: list[Record], results: Path
) -> None:
    reversed_records = records[::-1]
    boards = build_leaderboards(reversed_records, paths.find_benchmarks_folder() / "papers")
    assert render_page(boards, reversed_records, results) == html


def test_names_and_notes_are_escaped(html: str) -> None:
    page = _parse(html)
    assert page.tags.count("script") == 2
    assert "img" not in page.tags
    handlers = [attribute for attribute in page.attributes if attribute[1].startswith("on")]
    assert handlers == []
    assert "&lt;img src=x onerror=" in html


def test_the_page_loads_nothing_and_its_policy_forbids_it(html: str) -> None:
    """Styles and scripts are inline with their hash in the policy; no URL is loaded."""
    page = _parse(html)
    addresses = [v for tag, name, v in page.attributes if name in ("src", "href", "action")]
    assert all(address and address.startswith("#") for address in addresses)
    assert not any(name == "style" for _, name, _ in page.attributes)
    policy = next(v for _, name, v in page.attributes if name == "content" and "default-src" in v)
    assert policy.startswith("default-src 'none'")
    assert "unsafe" not in policy
    assert policy.count("sha256-") == 2


def test_the_embedded_json_cannot_close_its_element(
    html: str, records: list[Record], evil: str
) -> None:
    (text,) = re.findall(r'<script type="application/json" id="facts">(.*?)</script>', html)
    assert not re.search("[<>&]", text)
    content = json.loads(text, parse_constant=pytest.fail)
    assert set(content["runs"]) == {record.id for record in records}
    settings = content["runs"]["evil-run"]["settings"]
    assert content["shared"][settings] == {evil: evil, "rate": None}


def test_samples_are_those_of_the_newest_run_of_each_row(
    records: list[Record], monkeypatch: pytest.MonkeyPatch
) -> None:
    boards = build_leaderboards(records, paths.find_benchmarks_folder() / "papers")
    by_run = {record.id: record for record in records}
    shown = select_shown_runs(boards, by_run)
    assert "dcgan-chest-xray-real-s1" in shown
    assert "dcgan-chest-xray-real-s0" not in shown
    monkeypatch.setattr("benchbed.report.render.html.provenance.MAX_SHOWN_RUNS", 2)
    assert select_shown_runs(boards, by_run) == shown[:2]


def test_shared_values_of_records_are_stored_once(records: list[Record]) -> None:
    """A further record of the same protocol and machine adds less than 1,200 bytes."""
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


def test_colours_have_enough_contrast_in_light_and_dark_mode() -> None:
    """WCAG 2.2 AA requires a contrast of 4.5 for text, and 3 for lines and marks."""
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


def test_a_paper_without_records_is_marked(html: str) -> None:
    assert "<code>benchbed run</code>" in html
    assert re.search(r'<a href="#[^"]+">[^<]+</a> <span class="quiet">', html)


@pytest.mark.skipif(
    not (ROOT / "results/leaderboards").is_dir(), reason="results/leaderboards not found"
)
def test_the_committed_page_is_up_to_date() -> None:
    """The committed page is the output of `benchbed report` for the committed records."""
    root = ROOT / "results"
    get_registry.cache_clear()
    records = ResultStore(root).load_records()
    boards = build_leaderboards(records, ROOT / "benchmarks/papers")
    committed = (root / "leaderboards/index.html").read_text(encoding="utf-8")
    assert render_page(boards, records, root) == committed, (
        "run `benchbed report` and commit index.html"
    )
