"""The time of a report grows in proportion to the records."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from benchbed.report import statistics
from benchbed.report.model.comparisons import MAX_METHODS
from benchbed.report.model.leaderboard import Leaderboard
from benchbed.report.render import csv, latex, markdown
from benchbed.report.write import build_leaderboards
from benchbed.results.record import Record

Make = Callable[..., Record]

TIMES = 4
"""Factor of records."""

MOST = 1.8 * TIMES
"""Largest accepted factor of time; quadratic growth would give 16."""

NO_PAPERS = Path("none")


def _settings(make: Make, count: int) -> list[Record]:
    """Return a sweep: one table with a row for each setting."""
    return [
        make(m, settings={"batch_size": n}, dataset=d, values={"swd": 0.1 + n + len(m)})
        for n in range(count // 4)
        for m in ("dcgan", "skrgan")
        for d in ("chest-xray", "lung-ct")
    ]


def _datasets(make: Make, count: int) -> list[Record]:
    """Return many datasets: one table for each, all in one comparison."""
    return [
        make(m, dataset=f"own-{n}", fingerprint=str(n), values={"swd": 0.1 + n + len(m)})
        for n in range(count // 4)
        for m in ("acgan", "dcgan", "pggan", "skrgan")
    ]


def _seeds(make: Make, count: int) -> list[Record]:
    """Return few tables of few rows with very many seeds."""
    return [
        make(m, n, dataset=d, values={"swd": 0.1 + (n * 7919 % 100) / 1000 + len(m)})
        for n in range(count // 4)
        for m in ("dcgan", "skrgan")
        for d in ("chest-xray", "lung-ct")
    ]


def _reported(records: Sequence[Record]) -> list[Leaderboard]:
    found = build_leaderboards(list(records), NO_PAPERS)
    for leaderboard in found:
        for render in (
            markdown.render_markdown,
            csv.render_csv,
            csv.render_comparisons,
            latex.render_latex,
        ):
            assert render(leaderboard)
    return found


def _seconds(records: Sequence[Record]) -> float:
    """Return processor time, which other processes do not increase."""
    before = time.process_time()
    _reported(records)
    return time.process_time() - before


@pytest.mark.parametrize("records", [_settings, _datasets, _seeds])
def test_four_times_the_records_take_four_times_as_long(
    records: Callable[[Make, int], list[Record]], make: Make
) -> None:
    few, many = records(make, 200), records(make, 200 * TIMES)
    _reported(few)  # scipy loads once
    ratios = []
    for _ in range(3):
        statistics._compute_rank_pattern_p.cache_clear()
        ratios.append(_seconds(many) / _seconds(few))
        if ratios[-1] <= MOST:
            break
    assert min(ratios) <= MOST, ratios


def test_very_many_methods_are_ranked_but_not_compared_in_pairs(make: Make) -> None:
    """The table of pairs grows quadratically and would be unreadable."""
    (leaderboard,) = _reported(_settings(make, 4 * MAX_METHODS))
    (comparison,) = leaderboard.comparisons
    (part,) = comparison.metrics
    assert len(part.ranks) == 2 * MAX_METHODS
    assert part.pairs == ()
    assert comparison.picture_file == ""
    (warning,) = (w for w in comparison.warnings if "100 methods" in w)
    assert "4950" in warning
    page = markdown.render_markdown(leaderboard)
    assert warning in page
    assert "| Mean rank |" in page
    assert "| Methods |" not in page
    assert ": pairs" not in latex.render_latex(leaderboard)
    (few,) = _reported(_settings(make, 2 * MAX_METHODS))
    assert "| Methods |" in markdown.render_markdown(few)
