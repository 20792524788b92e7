"""The README's table of speeds is what the speed program measured and wrote."""

from __future__ import annotations

from pathlib import Path

from benchmarks.speed.page import page
from benchmarks.speed.results import read

ROOT = Path(__file__).parents[2]
SPEED = ROOT / "results/speed"


def test_the_readme_has_the_programs_tables() -> None:
    told = page(read(SPEED / "cpu.json"))
    assert told == (SPEED / "cpu.md").read_text(encoding="utf-8")
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert told in readme


def test_everything_was_measured() -> None:
    """A table with a hole would hide what could not be measured."""
    measured = read(SPEED / "cpu.json")
    assert not measured.failed
    assert {one.group for one in measured.made} == {"training", "metrics", "data"}
    assert measured.known
    assert measured.started
    assert measured.grown
