"""Comparisons over datasets, and ties within a table, from records."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import combinations

import numpy as np
import pytest

from benchbed.api.specs import MetricSpec
from benchbed.registry.lookup import get_registry
from benchbed.report.model.build import build_frame, build_overview
from benchbed.report.model.leaderboard import Leaderboard, MethodComparison
from benchbed.report.render import markdown, tables
from benchbed.results.record import Record

Make = Callable[..., Record]

METHODS = ("acgan", "dcgan", "wgan")
SETS = ("a", "b", "c", "d", "e", "f", "g")


def _leaderboard(records: Iterable[Record]) -> Leaderboard:
    return build_overview(build_frame(records), "synthesis", get_registry().get_specs(MetricSpec))


def _grid(make: Make, methods: Iterable[str] = METHODS, seeds: int = 2) -> list[Record]:
    """Return SWD of the methods on seven datasets, in the same order on each."""
    return [
        make(m, s, values={"swd": 1.0 + place + 0.1 * s + 0.01 * d}, dataset=name, fingerprint=name)
        for place, m in enumerate(methods)
        for d, name in enumerate(SETS)
        for s in range(seeds)
    ]


def _only(records: Iterable[Record]) -> MethodComparison:
    (comparison,) = _leaderboard(records).comparisons
    return comparison


def test_methods_that_differ_on_every_dataset_are_ranked(make: Make) -> None:
    """Lower SWD is better; 7 datasets are enough for 3 comparisons."""
    (part,) = _only(_grid(make)).metrics
    assert [(rank.label, rank.mean) for rank in part.ranks] == [
        ("acgan", 1.0), ("dcgan", 2.0), ("wgan", 3.0),
    ]  # fmt: skip
    assert [rank.is_best for rank in part.ranks] == [True, False, False]
    assert part.friedman_p is not None
    assert part.friedman_p < 0.01
    # 2.343 * sqrt(3 * 4 / (6 * 7))
    assert part.critical_difference == pytest.approx(1.253, abs=1e-3)
    assert part.groups == (("acgan", "dcgan"), ("dcgan", "wgan"))
    assert [rank.is_tied for rank in part.ranks] == [False, True, False]
    for pair, (first, second) in zip(part.pairs, combinations(METHODS, 2), strict=True):
        assert (pair.first, pair.second) == (first, second)
        assert (pair.count, pair.wins, pair.losses) == (7, 7, 0)
        # Every difference of a pair has one sign: 2 of 2**7 patterns, times three comparisons.
        assert pair.p_value == pytest.approx(3 * 2 / 2**7)
        difference = METHODS.index(first) - METHODS.index(second)
        assert pair.difference == pytest.approx(difference), "SWD of the first minus the second"
        assert pair.interval == pytest.approx((difference, difference))


def test_higher_is_better_for_metrics_with_direction_up(make: Make) -> None:
    records = [
        make(m, values={"ms-ssim-realfake": v}, dataset=d)
        for m, v in (("dcgan", 0.3), ("wgan", 0.4))
        for d in SETS
    ]
    (part,) = _only(records).metrics
    assert part.ranks[0].label == "wgan"
    assert part.friedman_p is None, "Friedman's test needs three methods"
    pair = part.pairs[0]
    assert (pair.first, pair.wins, pair.losses) == ("wgan", 7, 0)
    assert pair.difference == pytest.approx(0.1)
    reverse = pair.flip_order()
    assert (reverse.first, reverse.wins, reverse.losses) == ("dcgan", 0, 7)
    assert reverse.difference == pytest.approx(-0.1)
    assert reverse.interval == pytest.approx((-0.1, -0.1))


def test_difference_of_two_methods_has_an_interval_from_three_datasets(make: Make) -> None:
    """The page shows it with the sign of the method named first."""
    lead = {"a": 0.3, "b": 0.1, "c": 0.2}
    records = [
        make(m, values={"swd": 1.0 + (lead[d] if m == "dcgan" else 0.0)}, dataset=d)
        for m in ("dcgan", "wgan")
        for d in lead
    ]
    pair = _only(records).metrics[0].pairs[0]
    assert (pair.first, pair.difference) == ("wgan", pytest.approx(-0.2))
    assert pair.interval is not None
    # t(0.975, 2) / sqrt(3) = 2.484 standard deviations of 0.1.
    assert pair.interval == pytest.approx((-0.4484, 0.0484), abs=1e-4)
    assert "| dcgan : wgan | 0:3, 0.2 [-0.04841, 0.4484] |" in markdown.render_markdown(
        _leaderboard(records)
    )
    two = [r for r in records if r.dataset != "c"]
    assert _only(two).metrics[0].pairs[0].interval is None


def test_too_few_pairs_and_datasets_give_a_warning(make: Make) -> None:
    records = [r for r in _grid(make, seeds=1) if r.dataset in {"a", "b"}]
    comparison = _only(records)
    assert len(comparison.warnings) == 2
    few_pairs, few_datasets = comparison.warnings
    # 3 * 2 / 2**7 is the first below 0.05.
    facts = ("2 datasets", "3 comparisons", "p = 1", "7 datasets", "0.05", "fewer than 6")
    assert all(fact in few_pairs for fact in facts)
    assert few_datasets.startswith("2 datasets")
    assert all(fact in few_datasets for fact in ("3 methods", "3 datasets"))
    assert all(pair.p_value is None for pair in comparison.metrics[0].pairs)
    assert comparison.metrics[0].groups == (METHODS,), "no methods differ significantly"
    page = markdown.render_markdown(_leaderboard(records))
    assert f"> {few_pairs}" in page


@pytest.mark.parametrize("seeds", [1, 3])
def test_six_datasets_are_enough_for_two_methods_and_five_are_not(make: Make, seeds: int) -> None:
    """However many seeds there are."""
    records = _grid(make, ("dcgan", "wgan"), seeds=seeds)
    (part,) = _only([r for r in records if r.dataset in SETS[:6]]).metrics
    assert part.pairs[0].p_value == pytest.approx(2 / 2**6)
    comparison = _only([r for r in records if r.dataset in SETS[:5]])
    assert comparison.metrics[0].pairs[0].p_value is None
    assert any("significant with 5 datasets" in warning for warning in comparison.warnings)


def test_seeds_repeated_tenfold_leave_every_p_unchanged(make: Make) -> None:
    """Seeds are repeated measurements of a dataset, not more datasets."""
    rng = np.random.default_rng(0)
    values = {(m, d): rng.random() for m in METHODS for d in SETS}

    def compare(repeats: int) -> MethodComparison:
        return _only(
            make(m, s, values={"swd": v}, dataset=d, fingerprint=d)
            for (m, d), v in values.items()
            for s in range(repeats)
        )

    once, tenfold = compare(1), compare(10)
    assert once.metrics[0].friedman_p is not None
    assert once.metrics[0].pairs[0].p_value is not None
    assert once.metrics == tenfold.metrics


def test_methods_need_not_share_seeds(make: Make) -> None:
    """The mean over the seeds of each counts: 0.3 and 0.2 on every dataset."""
    seeds = {"dcgan": {0: 0.2, 1: 0.4}, "wgan": {2: 0.1, 3: 0.2, 4: 0.3}}
    records = [
        make(m, s, values={"swd": v}, dataset=d, fingerprint=d)
        for m, by_seed in seeds.items()
        for s, v in by_seed.items()
        for d in SETS
    ]
    pair = _only(records).metrics[0].pairs[0]
    assert (pair.first, pair.count, pair.wins) == ("wgan", len(SETS), len(SETS))
    assert pair.difference == pytest.approx(-0.1)


def test_a_comparison_never_mixes_sources_or_conditions(make: Make) -> None:
    records = []
    for change in ({}, {"source": "phantom"}, {"size": 128}, {"kimg": 9.0}, {"augment": "flip"}):
        records += [make(m, dataset=d, **change) for m in METHODS for d in SETS[:2]]
    records += [make(m, dataset=d, precision="bf16") for m in METHODS for d in SETS[:2]]
    leaderboard = _leaderboard(records)
    assert len(leaderboard.comparisons) == 6
    assert len({comparison.name for comparison in leaderboard.comparisons}) == 6
    assert all(part.pairs[0].count == 2 for c in leaderboard.comparisons for part in c.metrics)


def test_one_dataset_gives_no_comparison(make: Make) -> None:
    leaderboard = _leaderboard([make(m, seed) for m in METHODS for seed in (0, 1)])
    assert not leaderboard.comparisons
    assert tables.NO_COMPARISON_TEXT in markdown.render_markdown(leaderboard)


def test_a_dataset_in_two_framings_counts_once(make: Make) -> None:
    again = [make(m, values={"swd": 9.0}, dataset="a", framing="pad") for m in METHODS[:2]]
    (part,) = _only([*_grid(make, seeds=1), *again]).metrics
    assert part.datasets == SETS
    assert part.pairs[0].count == 7


def test_a_method_without_runs_on_all_datasets_is_excluded_with_a_warning(make: Make) -> None:
    """A method on one dataset does not remove datasets from the other methods."""
    extra = make("pggan", values={"swd": 0.1}, dataset="a", fingerprint="a")
    comparison = _only([*_grid(make), extra])
    (part,) = comparison.metrics
    assert [rank.label for rank in part.ranks] == list(METHODS)
    assert part.datasets == SETS
    (warning,) = (w for w in comparison.warnings if "pggan" in w)
    assert not any(method in warning for method in METHODS)


def test_a_diverged_run_is_excluded_with_a_warning(make: Make) -> None:
    records = _grid(make)
    place = next(i for i, r in enumerate(records) if (r.method, r.dataset) == ("wgan", "c"))
    records[place] = make("wgan", 0, state="diverged", dataset="c", fingerprint="c")
    comparison = _only(records)
    (part,) = comparison.metrics
    assert {pair.count for pair in part.pairs} == {7}, "the other seed of the dataset counts"
    assert any(w.startswith("wgan diverged in 1 run.") for w in comparison.warnings)
    everywhere = [make("pggan", 0, state="diverged", dataset=d, fingerprint=d) for d in SETS]
    comparison = _only([*_grid(make), *everywhere])
    assert any(w.startswith("pggan diverged in 7 runs") for w in comparison.warnings)
    assert "pggan" not in {rank.label for rank in comparison.metrics[0].ranks}


def _seeds(make: Make, seeds: int, **means: float) -> list[Record]:
    """Return SWD around a mean; the noise of dcgan has the other sign, so close means overlap."""
    return [
        make(m, s, values={"swd": mean + (0.01 if m == "dcgan" else -0.01) * (s % 3 - 1)})
        for m, mean in means.items()
        for s in range(seeds)
    ]


def test_ties_with_the_best_are_marked_and_explained(make: Make) -> None:
    leaderboard = _leaderboard(_seeds(make, 9, acgan=0.1, dcgan=0.1001, wgan=0.5))
    (table,) = leaderboard.tables
    cells = {row.label: row.cells["swd"] for row in table.rows}
    assert cells["acgan"].is_best
    assert {label: cell.is_tied for label, cell in cells.items()} == {
        "acgan": False, "dcgan": True, "wgan": False,
    }  # fmt: skip
    assert not table.warnings
    page = markdown.render_markdown(leaderboard)
    row = next(line for line in page.splitlines() if line.startswith("| dcgan"))
    assert row.split("|")[3].strip().endswith("≈")
    explanation = next(line for line in page.splitlines() if "≈: " in line)
    assert all(fact in explanation for fact in ("Welch", "Holm", "0.05"))


def test_too_few_seeds_mark_no_tie_and_give_the_needed_number(make: Make) -> None:
    (table,) = _leaderboard(_seeds(make, 2, acgan=0.1, dcgan=0.1001, wgan=0.5)).tables
    assert not any(row.cells["swd"].is_tied for row in table.rows)
    assert len(table.warnings) == 1
    assert all(fact in table.warnings[0] for fact in ("other 2 rows", "3 seeds"))
    (alone,) = _leaderboard([make()]).tables
    assert not alone.warnings, "a single row is not compared"


def test_three_seeds_have_a_t_interval_and_two_show_their_values(make: Make) -> None:
    page = {}
    for seeds in (2, 3):
        leaderboard = _leaderboard(make(seed=s, values={"swd": 0.1 * s}) for s in range(seeds))
        cell = leaderboard.tables[0].rows[0].cells["swd"]
        page[seeds] = markdown.render_markdown(leaderboard)
        assert (cell.seed_interval is None) == (seeds == 2)
    assert "| 0.05 (0, 0.1) |" in page[2]
    # 0.1 ± 4.303 * 0.1 / sqrt(3), and a distance is not negative.
    assert "| 0.1 ± 0.1 [0, 0.3484] |" in page[3]
