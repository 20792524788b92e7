"""The published tables of speeds are those that the speed benchmark wrote."""

from __future__ import annotations

from pathlib import Path

from benchmarks.speed.report import render_markdown
from benchmarks.speed.results import read_results

ROOT = Path(__file__).parents[2]
SPEED = ROOT / "results/speed"


def test_the_published_tables_are_those_of_the_results() -> None:
    text = render_markdown(read_results(SPEED / "cpu.json"))
    assert text == (SPEED / "cpu.md").read_text(encoding="utf-8")
    page = (ROOT / "docs/performance.md").read_text(encoding="utf-8")
    assert '--8<-- "results/speed/cpu.md"' in page


def test_every_group_was_measured() -> None:
    results = read_results(SPEED / "cpu.json")
    assert {row.group for row in results.comparisons} == {"training", "metrics", "data"}
    assert results.start_up
