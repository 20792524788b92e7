"""More records take more time in proportion, and no more."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from benchbed.report import csvfile, latex, markdown, statistics
from benchbed.report.compare import MOST_METHODS
from benchbed.report.leaderboard import Leaderboard
from benchbed.report.write import leaderboards
from benchbed.runs.record import Record

Make = Callable[..., Record]

TIMES = 4
"""How many times as many records."""

MOST = 1.8 * TIMES
"""So many times as long they may take; the square would be 16 times."""

NO_PAPERS = Path("none")


def _settings(make: Make, count: int) -> list[Record]:
    """A sweep: a table has as many rows as there are settings."""
    return [
        make(m, settings={"batch_size": n}, dataset=d, values={"swd": 0.1 + n + len(m)})
        for n in range(count // 4)
        for m in ("dcgan", "skrgan")
        for d in ("chest-xray", "lung-ct")
    ]


def _datasets(make: Make, count: int) -> list[Record]:
    """Users' own folders: as many tables as there are data sets, all in one comparison."""
    return [
        make(m, dataset=f"own-{n}", fingerprint=str(n), values={"swd": 0.1 + n + len(m)})
        for n in range(count // 4)
        for m in ("acgan", "dcgan", "pggan", "skrgan")
    ]


def _seeds(make: Make, count: int) -> list[Record]:
    """Few tables of few rows, with very many seeds."""
    return [
        make(m, n, dataset=d, values={"swd": 0.1 + (n * 7919 % 100) / 1000 + len(m)})
        for n in range(count // 4)
        for m in ("dcgan", "skrgan")
        for d in ("chest-xray", "lung-ct")
    ]


def _reported(records: Sequence[Record]) -> list[Leaderboard]:
    boards = leaderboards(list(records), NO_PAPERS)
    for board in boards:
        for render in (markdown.render, csvfile.render, csvfile.render_comparisons, latex.render):
            assert render(board)
    return boards


def _seconds(records: Sequence[Record]) -> float:
    """Processor time, which other processes make no longer."""
    before = time.process_time()
    _reported(records)
    return time.process_time() - before


@pytest.mark.parametrize("grown", [_settings, _datasets, _seeds])
def test_four_times_the_records_take_four_times_as_long(
    grown: Callable[[Make, int], list[Record]], make: Make
) -> None:
    few, many = grown(make, 200), grown(make, 200 * TIMES)
    _reported(few)  # scipy loads once
    ratios = []
    for _ in range(3):
        statistics._signed_rank.cache_clear()
        ratios.append(_seconds(many) / _seconds(few))
        if ratios[-1] <= MOST:
            break
    assert min(ratios) <= MOST, ratios


def test_very_many_methods_are_ranked_and_not_paired(make: Make) -> None:
    """Each against each would be a table that nobody reads, and grows with their square."""
    (board,) = _reported(_settings(make, 4 * MOST_METHODS))
    (comparison,) = board.comparisons
    (part,) = comparison.metrics
    assert len(part.ranks) == 2 * MOST_METHODS
    assert part.pairs == ()
    assert comparison.picture == ""
    (warning,) = (w for w in comparison.warnings if "too many" in w)
    assert "100 methods" in warning
    page = markdown.render(board)
    assert warning in page
    assert "| Mean rank |" in page
    assert "| Methods |" not in page
    assert ": pairs" not in latex.render(board)
    (few,) = _reported(_settings(make, 2 * MOST_METHODS))
    assert "| Methods |" in markdown.render(few)
