"""The performance page has the tables that the speed program measured and wrote."""

from __future__ import annotations

from pathlib import Path

from benchmarks.speed.page import page
from benchmarks.speed.results import read

ROOT = Path(__file__).parents[2]
SPEED = ROOT / "results/speed"


def test_performance_page_includes_the_tables() -> None:
    tables = page(read(SPEED / "cpu.json"))
    assert tables == (SPEED / "cpu.md").read_text(encoding="utf-8")
    performance = (ROOT / "docs/performance.md").read_text(encoding="utf-8")
    assert '--8<-- "results/speed/cpu.md"' in performance


def test_no_case_is_missing() -> None:
    """A missing case would hide what could not be measured."""
    measured = read(SPEED / "cpu.json")
    assert not measured.failed
    assert {one.group for one in measured.made} == {"training", "metrics", "data"}
    assert measured.known
    assert measured.started
    assert measured.grown
