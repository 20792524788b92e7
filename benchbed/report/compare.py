"""Methods compared over all data sets of one source, under equal conditions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from benchbed.api.specs import MetricSpec
from benchbed.files import digest
from benchbed.report.comparison import Comparison, MetricComparison, Pair, Rank
from benchbed.report.limits import (
    BOOTSTRAP_SEEDS,
    FRIEDMAN_DATASETS,
    LEVEL,
    holm,
    pairs_needed,
    smallest_p,
)
from benchbed.report.rows import Identity, Settings, conditions, identities, labels

CONDITIONS = ["task", "source", "preset", "size", "budget", "samples", "reference_split",
              "conditions", "precision"]  # fmt: skip
"""What is equal within a comparison: all that is equal within a table, but what comes with data."""


MOST_METHODS = 50
"""Of more methods only the ranks are told: pairs would be more than a reader reads, and after
the correction for so many none would differ."""


def comparisons(
    board: str, table: pd.DataFrame, metrics: Sequence[MetricSpec], always: Settings
) -> tuple[Comparison, ...]:
    """One comparison for each source and set of conditions that has two methods on two data sets.

    Args:
        board: Name of the leaderboard.
        table: Its records, as rows of the frame.
        metrics: What to compare by; those without a direction are passed over.
        always: By method, settings that its label says in any case.
    """
    found: list[Comparison] = []
    for values, group in table.groupby(CONDITIONS, sort=True):
        shared = dict(zip(CONDITIONS, values, strict=True))
        mine = _one_protocol_each(group)
        if mine["dataset"].nunique() < 2:
            continue
        known = mine[(mine["state"] == "finished") & mine["value"].notna()]
        by_metric = dict(iter(known.groupby("metric", sort=False)))
        parts = [
            _metric(by_metric[spec.name], _diverged(mine, spec), spec, always)
            for spec in metrics
            if spec.direction != "none" and spec.name in by_metric
        ]
        told = [part for part in parts if part is not None]
        if told:
            found.append(_comparison(board, shared, told))
    return tuple(found)


def _diverged(table: pd.DataFrame, spec: MetricSpec) -> pd.DataFrame:
    """Rows of runs that diverged, or whose value of this metric did."""
    lost = (table["metric"] == spec.name) & (table["lost"] != "")
    return table[(table["state"] == "diverged") | lost]


def _one_protocol_each(group: pd.DataFrame) -> pd.DataFrame:
    """Every data set under one protocol alone: a second framing of the same data is no more data.

    The protocol with the most values is kept; of equals, the first by its hash.
    """
    counts = group.groupby(["dataset", "protocol"], sort=True)["value"].count().reset_index()
    order = counts.sort_values(["dataset", "value"], ascending=[True, False], kind="stable")
    return group[group["protocol"].isin(order.drop_duplicates("dataset")["protocol"])]


def _comparison(
    board: str, shared: dict[str, Any], metrics: Sequence[MetricComparison]
) -> Comparison:
    # What holds for every metric is said once.
    common = [w for w in metrics[0].warnings if all(w in m.warnings for m in metrics)]
    own = [replace(m, warnings=tuple(w for w in m.warnings if w not in common)) for m in metrics]
    same = {name: str(value) for name, value in shared.items()}
    return Comparison(
        title=f"{shared['source']}, {conditions(shared)}",
        name=f"{board}-ranks-{shared['source']}-{shared['size']}px-{digest(same, 6)}",
        shared=shared,
        datasets=tuple(sorted({name for m in metrics for name in m.datasets})),
        metrics=tuple(own),
        warnings=tuple(common),
    )


_Values = dict[Identity, dict[tuple[str, int], float]]
"""By method, its values by data set and seed."""


def _metric(
    known: pd.DataFrame, diverged: pd.DataFrame, spec: MetricSpec, always: Settings
) -> MetricComparison | None:
    """The methods by one metric; None where no two share two data sets."""
    values: _Values = {}
    places = zip(known["dataset"], map(int, known["seed"]), strict=True)
    for key, place, value in zip(identities(known), places, known["value"], strict=True):
        values.setdefault(key, {})[place] = float(value)
    chosen, pairs = _largest(values)
    datasets = tuple(sorted({dataset for dataset, _ in pairs}))
    if len(chosen) < 2 or len(datasets) < 2:
        return None
    names = labels(known, always)
    others = [label for key, label in names.items() if key not in chosen]
    if others:
        names = labels(known[[key in chosen for key in identities(known)]], always)
    # Larger is better from here on.
    sign = 1.0 if spec.direction == "up" else -1.0
    scores = np.array([[sign * values[key][place] for key in names] for place in pairs])
    warnings = [*_divergence(diverged, names), *_left_out(others)]
    return _ranked(spec, [dataset for dataset, _ in pairs], list(names.values()), scores, warnings)


def _largest(values: _Values) -> tuple[set[Identity], list[tuple[str, int]]]:
    """The methods and (data set, seed) pairs without a gap that hold the most values.

    Each method's pairs, with all methods that have those too, are one choice; of equals the one of
    more methods, then the first, is taken.
    """
    having: dict[frozenset[tuple[str, int]], list[Identity]] = {}
    for key, theirs in values.items():
        having.setdefault(frozenset(theirs), []).append(key)
    methods: set[Identity] = set()
    pairs: list[tuple[str, int]] = []
    for mine in having:
        also = {key for more, keys in having.items() if mine <= more for key in keys}
        if (len(also) * len(mine), len(also)) > (len(methods) * len(pairs), len(methods)):
            methods, pairs = also, sorted(mine)
    return methods, pairs


def _ranked(
    spec: MetricSpec,
    places: Sequence[str],
    methods: Sequence[str],
    scores: NDArray[np.float64],
    warnings: Sequence[str],
) -> MetricComparison:
    """Ranks, tests and warnings.

    Args:
        spec: The metric.
        places: The data set of each pair of data set and seed.
        methods: Their labels.
        scores: (pairs of data set and seed, methods), larger is better.
        warnings: What is known already.
    """
    from benchbed.report import statistics

    datasets = sorted(set(places))
    # Seeds of one data set are no independent data sets (Demsar 2006, 3.1): their mean is ranked.
    mine = [[place == dataset for place in places] for dataset in datasets]
    means = np.array([scores[chosen].mean(axis=0) for chosen in mine])
    ranks = statistics.mean_ranks(means)
    order = [int(place) for place in np.argsort(ranks, kind="stable")]
    least = [float(ranks[place]) for place in order]
    named = [methods[place] for place in order]
    friedman = critical = None
    groups: list[tuple[int, ...]] = []
    told = [*warnings]
    told += _many(len(named)) if len(named) > MOST_METHODS else _few_pairs(len(named), len(scores))
    if 2 < len(named) <= MOST_METHODS:
        friedman = statistics.friedman(means)
        critical = statistics.critical_difference(len(named), len(datasets))
        # Nemenyi's test comes after Friedman's, and only where that rejects.
        alike = [tuple(range(len(named)))]
        groups = statistics.groups(least, critical) if friedman <= LEVEL else alike
        told += _few_datasets(len(named), len(datasets))
    return MetricComparison(
        metric=spec,
        datasets=tuple(datasets),
        ranks=tuple(_ranks(named, least, groups)),
        friedman=friedman,
        critical=critical,
        groups=tuple(tuple(named[place] for place in group) for group in groups),
        pairs=_pairs(named, scores[:, order], spec) if len(named) <= MOST_METHODS else (),
        warnings=tuple(told),
    )


def _ranks(
    methods: Sequence[str], ranks: Sequence[float], groups: Sequence[tuple[int, ...]]
) -> Iterable[Rank]:
    alike = {place for group in groups if 0 in group for place in group}
    for place, (label, rank) in enumerate(zip(methods, ranks, strict=True)):
        best = rank == ranks[0]
        yield Rank(label, rank, best, place in alike and not best)


def _pairs(
    methods: Sequence[str], scores: NDArray[np.float64], spec: MetricSpec
) -> tuple[Pair, ...]:
    """Every two of the methods.

    Args:
        methods: Their labels.
        scores: (pairs of data set and seed, methods), larger is better.
        spec: The metric.
    """
    both = list(combinations(range(len(methods)), 2))
    better = np.array([scores[:, a] - scores[:, b] for a, b in both])
    ps: list[float | None] = [None] * len(both)
    if smallest_p(len(scores), len(both)) <= LEVEL:
        from benchbed.report.statistics import signed_rank

        ps = [*holm([signed_rank(d.tolist()) for d in better])]
    differences = better if spec.direction == "up" else -better
    return tuple(
        Pair(
            methods[a], methods[b], len(scores), int((d > 0).sum()), int((d < 0).sum()),
            float(own.mean()), interval, p,
        )
        for (a, b), d, own, interval, p in zip(
            both, better, differences, _intervals(differences), ps, strict=True
        )
    )  # fmt: skip


def _intervals(differences: NDArray[np.float64]) -> list[tuple[float, float] | None]:
    """Of the mean of each row; None where a row is too short for one."""
    if differences.shape[1] < BOOTSTRAP_SEEDS:
        return [None] * len(differences)
    from benchbed.report.statistics import bootstrap_intervals

    return [*bootstrap_intervals(differences)]


def _many(methods: int) -> list[str]:
    return [
        f"{methods} methods would need {methods * (methods - 1) // 2} pairwise comparisons, "
        "which is too many. Only the ranks are reported."
    ]


def _few_pairs(methods: int, pairs: int) -> list[str]:
    count = methods * (methods - 1) // 2
    least = smallest_p(pairs, count)
    if least <= LEVEL:
        return []
    return [
        f"{pairs} pairs of dataset and seed are too few for a test: with {count} "
        f"{'comparison' if count == 1 else 'comparisons'} the exact Wilcoxon signed-rank test, "
        f"Holm-corrected, cannot fall below p = {least:.2g}. At least {pairs_needed(count)} "
        f"pairs are needed for {LEVEL}."
    ]


def _few_datasets(methods: int, datasets: int) -> list[str]:
    from benchbed.report.statistics import datasets_needed

    needed = datasets_needed(methods)
    if datasets < needed:
        return [
            f"{datasets} datasets are too few for two of {methods} methods to differ in mean "
            f"rank. At least {needed} datasets are needed."
        ]
    if datasets < FRIEDMAN_DATASETS:
        return [
            f"With {datasets} datasets the p-value of Friedman's test is a rough approximation. "
            f"It is intended for at least {FRIEDMAN_DATASETS}."
        ]
    return []


def _divergence(diverged: pd.DataFrame, names: Mapping[Identity, str]) -> list[str]:
    told: list[str] = []
    counts = Counter(identities(diverged.drop_duplicates("run")))
    for key, count in sorted(counts.items()):
        runs = "1 run" if count == 1 else f"{count} runs"
        if key in names:
            told.append(
                f"{names[key]} diverged in {runs}. These pairs of dataset and seed are excluded "
                "for all methods, which favours the diverged one."
            )
        else:
            told.append(f"{key[0]} diverged in {runs} and is not ranked.")
    return told


def _left_out(methods: list[str]) -> list[str]:
    if not methods:
        return []
    return [f"Excluded because of missing runs: {', '.join(sorted(methods))}."]
