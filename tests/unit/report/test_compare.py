"""Comparisons over data sets, and ties within a table, from records."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import combinations

import pytest

from benchbed.api.specs import MetricSpec
from benchbed.registry import registry
from benchbed.report import markdown
from benchbed.report.boards import overview
from benchbed.report.comparison import Comparison
from benchbed.report.frame import frame
from benchbed.report.leaderboard import Leaderboard
from benchbed.runs.record import Record

Make = Callable[..., Record]

METHODS = ("acgan", "dcgan", "wgan")
SETS = ("a", "b", "c", "d", "e", "f")


def _board(records: Iterable[Record]) -> Leaderboard:
    return overview(frame(records), "synthesis", registry().specs(MetricSpec))


def _grid(make: Make, methods: Iterable[str] = METHODS, seeds: int = 2) -> list[Record]:
    """SWD of the methods on six data sets: the first is always the least, and so on."""
    return [
        make(m, s, values={"swd": 1.0 + place + 0.1 * s + 0.01 * d}, dataset=name, fingerprint=name)
        for place, m in enumerate(methods)
        for d, name in enumerate(SETS)
        for s in range(seeds)
    ]


def _only(records: Iterable[Record]) -> Comparison:
    (comparison,) = _board(records).comparisons
    return comparison


def test_methods_that_differ_everywhere_are_told_apart(make: Make) -> None:
    """Less is better by SWD; 12 pairs are enough for 3 comparisons."""
    (part,) = _only(_grid(make)).metrics
    assert [(rank.label, rank.mean) for rank in part.ranks] == [
        ("acgan", 1.0), ("dcgan", 2.0), ("wgan", 3.0),
    ]  # fmt: skip
    assert [rank.best for rank in part.ranks] == [True, False, False]
    assert part.friedman is not None
    assert part.friedman < 0.01
    # 2.343 * sqrt(3 * 4 / (6 * 6))
    assert part.critical == pytest.approx(1.353, abs=1e-3)
    assert part.groups == (("acgan", "dcgan"), ("dcgan", "wgan"))
    assert [rank.tied for rank in part.ranks] == [False, True, False]
    for pair, (first, second) in zip(part.pairs, combinations(METHODS, 2), strict=True):
        assert (pair.first, pair.second) == (first, second)
        assert (pair.count, pair.wins, pair.losses) == (12, 12, 0)
        # Every difference of a pair is the same: 2 of 2**12 patterns, times three comparisons.
        assert pair.p == pytest.approx(3 * 2 / 2**12)
        apart = METHODS.index(first) - METHODS.index(second)
        assert pair.difference == pytest.approx(apart), "SWD of the first less the second's"
        assert pair.interval == pytest.approx((apart, apart))


def test_more_is_better_where_the_metric_says_so(make: Make) -> None:
    records = [
        make(m, values={"ms-ssim-realfake": v}, dataset=d)
        for m, v in (("dcgan", 0.3), ("wgan", 0.4))
        for d in SETS
    ]
    (part,) = _only(records).metrics
    assert part.ranks[0].label == "wgan"
    assert part.friedman is None, "two methods need no test of ranks"
    pair = part.pairs[0]
    assert (pair.first, pair.wins, pair.losses) == ("wgan", 6, 0)
    assert pair.difference == pytest.approx(0.1)
    turned = pair.turned()
    assert (turned.first, turned.wins, turned.losses) == ("dcgan", 0, 6)
    assert turned.difference == pytest.approx(-0.1)
    assert turned.interval == pytest.approx((-0.1, -0.1))


def test_the_difference_of_two_methods_has_an_interval_over_their_pairs(make: Make) -> None:
    """Three pairs and more; the page tells it from the side of the method that it names first."""
    lead = {"a": 0.3, "b": 0.1, "c": 0.2}
    records = [
        make(m, values={"swd": 1.0 + (lead[d] if m == "dcgan" else 0.0)}, dataset=d)
        for m in ("dcgan", "wgan")
        for d in lead
    ]
    pair = _only(records).metrics[0].pairs[0]
    assert (pair.first, pair.difference) == ("wgan", pytest.approx(-0.2))
    assert pair.interval is not None
    assert pair.interval == pytest.approx((-0.3, -0.1))
    assert "| dcgan : wgan | 0:3, 0.2 [0.1, 0.3] |" in markdown.render(_board(records))
    two = [r for r in records if r.dataset != "c"]
    assert _only(two).metrics[0].pairs[0].interval is None


def test_too_few_pairs_and_data_sets_are_said_in_words(make: Make) -> None:
    records = [r for r in _grid(make, seeds=1) if r.dataset in {"a", "b"}]
    comparison = _only(records)
    told = " ".join(comparison.warnings)
    # 3 * 2 / 2**7 is the first below 0.05.
    assert "2 pairs of data set and seed are too few" in told
    assert "cannot fall below p = 1; 7 pairs are needed for 0.05" in told
    assert "2 data sets are too few for any two of 3 methods to differ in mean rank; 3" in told
    assert all(pair.p is None for pair in comparison.metrics[0].pairs)
    assert comparison.metrics[0].groups == (METHODS,), "nothing is told apart"
    page = markdown.render(_board(records))
    assert "> 2 pairs of data set and seed are too few" in page


def test_six_pairs_are_enough_for_two_methods_and_five_are_not(make: Make) -> None:
    records = _grid(make, ("dcgan", "wgan"), seeds=1)
    (part,) = _only(records).metrics
    assert part.pairs[0].p == pytest.approx(2 / 2**6)
    (part,) = _only([r for r in records if r.dataset != "f"]).metrics
    assert part.pairs[0].p is None


def test_a_comparison_never_mixes_sources_or_conditions(make: Make) -> None:
    records = []
    for change in ({}, {"source": "phantom"}, {"size": 128}, {"kimg": 9.0}, {"augment": "flip"}):
        records += [make(m, dataset=d, **change) for m in METHODS for d in SETS[:2]]
    records += [make(m, dataset=d, precision="bf16") for m in METHODS for d in SETS[:2]]
    board = _board(records)
    assert len(board.comparisons) == 6
    assert len({comparison.name for comparison in board.comparisons}) == 6
    assert all(part.pairs[0].count == 2 for c in board.comparisons for part in c.metrics)


def test_one_data_set_alone_is_no_comparison(make: Make) -> None:
    board = _board([make(m, seed) for m in METHODS for seed in (0, 1)])
    assert not board.comparisons
    assert "None: no two methods have two data sets" in markdown.render(board)


def test_a_data_set_in_two_framings_counts_once(make: Make) -> None:
    again = [make(m, values={"swd": 9.0}, dataset="a", framing="pad") for m in METHODS[:2]]
    (part,) = _only([*_grid(make, seeds=1), *again]).metrics
    assert part.datasets == SETS
    assert part.pairs[0].count == 6


def test_what_a_method_lacks_is_left_out_for_all_and_said(make: Make) -> None:
    """A method on one data set only does not cost the others their data sets."""
    extra = make("pggan", values={"swd": 0.1}, dataset="a", fingerprint="a")
    comparison = _only([*_grid(make), extra])
    (part,) = comparison.metrics
    assert [rank.label for rank in part.ranks] == list(METHODS)
    assert part.datasets == SETS
    assert "Left out, for want of runs that the others have: pggan." in comparison.warnings


def test_a_diverged_run_is_no_win_for_anyone_and_is_said(make: Make) -> None:
    records = _grid(make)
    place = next(i for i, r in enumerate(records) if (r.method, r.dataset) == ("wgan", "c"))
    records[place] = make("wgan", 0, state="diverged", dataset="c", fingerprint="c")
    comparison = _only(records)
    (part,) = comparison.metrics
    assert {pair.count for pair in part.pairs} == {11}
    assert any(w.startswith("wgan diverged in 1 run; those pairs") for w in comparison.warnings)
    everywhere = [make("pggan", 0, state="diverged", dataset=d, fingerprint=d) for d in SETS]
    told = _only([*_grid(make), *everywhere]).warnings
    assert "pggan diverged in 6 runs and has no rank." in told


def _seeds(make: Make, seeds: int, **means: float) -> list[Record]:
    """SWD around a mean; the noise of dcgan is turned about, so that close means overlap."""
    return [
        make(m, s, values={"swd": mean + (0.01 if m == "dcgan" else -0.01) * (s % 3 - 1)})
        for m, mean in means.items()
        for s in range(seeds)
    ]


def test_ties_with_the_best_are_marked_and_explained(make: Make) -> None:
    board = _board(_seeds(make, 9, acgan=0.1, dcgan=0.1001, wgan=0.5))
    (table,) = board.tables
    cells = {row.label: row.cells["swd"] for row in table.rows}
    assert cells["acgan"].best
    assert {label: cell.tied for label, cell in cells.items()} == {
        "acgan": False, "dcgan": True, "wgan": False,
    }  # fmt: skip
    assert not table.warnings
    page = markdown.render(board)
    row = next(line for line in page.splitlines() if line.startswith("| dcgan"))
    assert row.split("|")[3].strip().endswith("≈")
    assert "≈: cannot be told from the best of its column by the Wilcoxon" in page


def test_too_few_seeds_mark_no_tie_and_say_how_many_are_needed(make: Make) -> None:
    (table,) = _board(_seeds(make, 2, acgan=0.1, dcgan=0.1001, wgan=0.5)).tables
    assert not any(row.cells["swd"].tied for row in table.rows)
    # 2 * 2 / 2**7 is the first below 0.05.
    assert len(table.warnings) == 1
    assert table.warnings[0].startswith("2 seeds are too few to tell the best from the other 2")
    assert "needs 7 for p = 0.05" in table.warnings[0]
    (alone,) = _board([make()]).tables
    assert not alone.warnings, "one row has nothing to be told from"


def test_three_seeds_have_a_bootstrap_interval_and_two_have_none(make: Make) -> None:
    page = {}
    for seeds in (2, 3):
        board = _board(make(seed=s, values={"swd": 0.1 * s}) for s in range(seeds))
        cell = board.tables[0].rows[0].cells["swd"]
        page[seeds] = markdown.render(board)
        assert (cell.seed_interval is None) == (seeds == 2)
    assert "| 0.05 ± 0.07071 |" in page[2]
    assert "| 0.1 ± 0.1 [0, 0.2] |" in page[3]
