"""Compare methods over all datasets of one source under equal conditions."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import combinations
from statistics import fmean
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from benchbed.api.specs import MetricSpec
from benchbed.report.model.leaderboard import (
    MethodComparison,
    MethodPair,
    MethodRank,
    MetricComparison,
)
from benchbed.report.model.rows import (
    RowIdentity,
    SettingNames,
    build_labels,
    format_conditions,
    iter_groups,
    list_identities,
    name_file,
    select_usable,
)
from benchbed.report.significance import (
    MIN_NEMENYI_DATASETS,
    SIGNIFICANCE_LEVEL,
    apply_holm,
    compute_smallest_p,
    count_required_pairs,
)
from benchbed.utils.text import format_count

CONDITION_FIELDS = ["task", "source", "preset", "size", "budget", "samples", "reference_split",
              "augment", "conditions", "precision", "version"]  # fmt: skip
"""Columns that are equal within a comparison: those of a table except the dataset's own."""

MAX_METHODS = 50
"""Above it only ranks are reported: pairs would be unreadable, and none significant after the
correction for their number."""


def build_comparisons(
    leaderboard: str, table: pd.DataFrame, metrics: Sequence[MetricSpec], always: SettingNames
) -> tuple[MethodComparison, ...]:
    """Return a comparison per source and set of conditions with two methods on two datasets."""
    comparisons: list[MethodComparison] = []
    for shared, group in iter_groups(table, CONDITION_FIELDS):
        selected = _select_protocols(group[group["superseded"] == ""])
        if selected["dataset"].nunique() < 2:
            continue
        diverged = selected["state"] == "diverged"
        by_metric = dict(iter(select_usable(selected).groupby("metric", sort=False)))
        parts = [
            _compare_metric(
                by_metric[spec.name],
                selected[diverged | ((selected["metric"] == spec.name) & (selected["lost"] != ""))],
                spec,
                always,
            )
            for spec in metrics
            if spec.direction != "none" and spec.name in by_metric
        ]
        compared = [part for part in parts if part is not None]
        if compared:
            comparisons.append(_build_comparison(leaderboard, shared, compared))
    return tuple(comparisons)


def _select_protocols(group: pd.DataFrame) -> pd.DataFrame:
    """Return the rows with one protocol per dataset, so that no dataset counts twice.

    The protocol with the most values is used, the first by hash if several have as many.
    """
    counts = group.groupby(["dataset", "protocol"], sort=True)["value"].count().reset_index()
    order = counts.sort_values(["dataset", "value"], ascending=[True, False], kind="stable")
    return group[group["protocol"].isin(order.drop_duplicates("dataset")["protocol"])]


def _build_comparison(
    leaderboard: str, shared: dict[str, Any], metrics: Sequence[MetricComparison]
) -> MethodComparison:
    # Warnings that apply to every metric are given once.
    common = [w for w in metrics[0].warnings if all(w in m.warnings for m in metrics)]
    own = [replace(m, warnings=tuple(w for w in m.warnings if w not in common)) for m in metrics]
    return MethodComparison(
        title=f"{shared['source']}, {format_conditions(shared)}",
        name=name_file(f"{leaderboard}-ranks", shared),
        shared=shared,
        datasets=tuple(sorted({name for m in metrics for name in m.datasets})),
        metrics=tuple(own),
        warnings=tuple(common),
    )


_Values = dict[RowIdentity, dict[str, float]]
"""From a method to its means over seeds by dataset."""


def _compare_metric(
    usable: pd.DataFrame, lost: pd.DataFrame, spec: MetricSpec, always: SettingNames
) -> MetricComparison | None:
    """Compare the methods by one metric; None if no two share two datasets.

    Args:
        usable: The rows with a usable value.
        lost: The rows of runs that diverged, or whose value of this metric is unusable.
        spec: The metric.
        always: By method, settings that its label always includes.
    """
    values = _average_seeds(usable)
    selected, datasets = _find_largest_block(values)
    if len(selected) < 2 or len(datasets) < 2:
        return None
    names = build_labels(usable, always)
    others = [label for key, label in names.items() if key not in selected]
    if others:
        names = build_labels(usable[[key in selected for key in list_identities(usable)]], always)
    # From here on larger is better.
    sign = 1.0 if spec.direction == "up" else -1.0
    scores = np.array([[sign * values[key][dataset] for key in names] for dataset in datasets])
    warnings = _describe_divergence(lost, names)
    if others:
        warnings.append(f"Excluded because of missing runs: {', '.join(sorted(others))}.")
    return _rank_methods(spec, datasets, list(names.values()), scores, warnings)


def _average_seeds(usable: pd.DataFrame) -> _Values:
    """Return the mean over seeds of every method and dataset.

    Seeds of one dataset are repeated measurements, not independent ones (Demsar 2006, 3.1).
    """
    seeds: dict[RowIdentity, dict[str, dict[int, float]]] = {}
    places = zip(usable["dataset"], map(int, usable["seed"]), usable["value"], strict=True)
    for key, (dataset, seed, value) in zip(list_identities(usable), places, strict=True):
        seeds.setdefault(key, {}).setdefault(dataset, {})[seed] = float(value)
    # Rounded, since means that differ only by rounding errors are ties.
    return {
        key: {dataset: float(f"{fmean(v.values()):.12g}") for dataset, v in of_method.items()}
        for key, of_method in seeds.items()
    }


def _find_largest_block(values: _Values) -> tuple[set[RowIdentity], list[str]]:
    """Return the methods and datasets without gaps that have the most values.

    Each method's datasets, with all methods that have those too, are a candidate. Ties go to the
    candidate with more methods, then to the first.
    """
    by_datasets: dict[frozenset[str], list[RowIdentity]] = {}
    for key, of_method in values.items():
        by_datasets.setdefault(frozenset(of_method), []).append(key)
    methods: set[RowIdentity] = set()
    datasets: list[str] = []
    for names in by_datasets:
        having = {key for other, keys in by_datasets.items() if names <= other for key in keys}
        if (len(having) * len(names), len(having)) > (
            len(methods) * len(datasets),
            len(methods),
        ):
            methods, datasets = having, sorted(names)
    return methods, datasets


def _rank_methods(
    spec: MetricSpec,
    datasets: Sequence[str],
    methods: Sequence[str],
    scores: NDArray[np.float64],
    warnings: Sequence[str],
) -> MetricComparison:
    """Return ranks, tests and warnings for one metric.

    Args:
        spec: The metric.
        datasets: Their names.
        methods: Labels of the methods.
        scores: (datasets, methods), means over seeds; larger is better.
        warnings: Warnings known so far.
    """
    from benchbed.report import statistics

    ranks = statistics.compute_mean_ranks(scores)
    order = [int(index) for index in np.argsort(ranks, kind="stable")]
    mean_ranks = [float(ranks[index]) for index in order]
    names = [methods[index] for index in order]
    friedman = critical = None
    groups: list[tuple[int, ...]] = []
    messages = [*warnings]
    count = math.comb(len(names), 2)
    if len(names) > MAX_METHODS:
        messages.append(
            f"{len(names)} methods would need {count} pairwise comparisons, which is too many. "
            "Only the ranks are reported."
        )
    else:
        messages += _describe_untestable_pairs(count, len(datasets))
    if 2 < len(names) <= MAX_METHODS:
        friedman = statistics.compute_friedman_p(scores)
        critical = statistics.compute_critical_difference(len(names), len(datasets))
        groups = [tuple(range(len(names)))]
        # Nemenyi's test is valid only if Friedman's rejects.
        if friedman <= SIGNIFICANCE_LEVEL:
            groups = statistics.find_rank_groups(mean_ranks, critical)
        messages += _describe_few_datasets(len(names), len(datasets))
    return MetricComparison(
        metric=spec,
        datasets=tuple(datasets),
        ranks=tuple(_iter_ranks(names, mean_ranks, groups)),
        friedman_p=friedman,
        critical_difference=critical,
        groups=tuple(tuple(names[index] for index in group) for group in groups),
        pairs=_compare_pairs(names, scores[:, order], spec) if len(names) <= MAX_METHODS else (),
        warnings=tuple(messages),
    )


def _iter_ranks(
    methods: Sequence[str], ranks: Sequence[float], groups: Sequence[tuple[int, ...]]
) -> Iterable[MethodRank]:
    tied = {index for group in groups if 0 in group for index in group}
    for index, (label, rank) in enumerate(zip(methods, ranks, strict=True)):
        best = rank == ranks[0]
        yield MethodRank(label, rank, best, index in tied and not best)


def _compare_pairs(
    methods: Sequence[str], scores: NDArray[np.float64], spec: MetricSpec
) -> tuple[MethodPair, ...]:
    """Compare every two of the methods; `scores` as in `_rank_methods`."""
    from benchbed.report.statistics import compute_signed_rank_p, compute_t_interval

    index_pairs = list(combinations(range(len(methods)), 2))
    better = np.array([scores[:, a] - scores[:, b] for a, b in index_pairs])
    ps: list[float | None] = [None] * len(index_pairs)
    if compute_smallest_p(len(scores), len(index_pairs)) <= SIGNIFICANCE_LEVEL:
        ps = [*apply_holm([compute_signed_rank_p(d.tolist()) for d in better])]
    differences = better if spec.direction == "up" else -better
    intervals = [compute_t_interval(d.tolist()) for d in differences]
    return tuple(
        MethodPair(
            methods[a], methods[b], len(scores), int((d > 0).sum()), int((d < 0).sum()),
            float(signed.mean()), interval, p,
        )
        for (a, b), d, signed, interval, p in zip(
            index_pairs, better, differences, intervals, ps, strict=True
        )
    )  # fmt: skip


def _describe_untestable_pairs(count: int, datasets: int) -> list[str]:
    smallest = compute_smallest_p(datasets, count)
    if smallest <= SIGNIFICANCE_LEVEL:
        return []
    return [
        f"No difference of two methods can be significant with {datasets} datasets: the exact "
        f"Wilcoxon signed-rank test, Holm-corrected for {format_count(count, 'comparison')}, "
        f"cannot fall below p = {smallest:.2g}. It needs {count_required_pairs(count)} datasets "
        f"for {SIGNIFICANCE_LEVEL}, and never fewer than {count_required_pairs()}."
    ]


def _describe_few_datasets(methods: int, datasets: int) -> list[str]:
    from benchbed.report.statistics import count_required_datasets

    needed = count_required_datasets(methods)
    if datasets < needed:
        return [
            f"{datasets} datasets are too few for two of {methods} methods to differ in mean "
            f"rank. At least {needed} datasets are needed."
        ]
    if datasets < MIN_NEMENYI_DATASETS:
        return [
            f"With {datasets} datasets Nemenyi's critical difference is a rough approximation. "
            f"It is intended for at least {MIN_NEMENYI_DATASETS}."
        ]
    return []


def _describe_divergence(diverged: pd.DataFrame, names: Mapping[RowIdentity, str]) -> list[str]:
    messages: list[str] = []
    counts = Counter(list_identities(diverged.drop_duplicates("run")))
    for key, count in sorted(counts.items()):
        runs = "1 run" if count == 1 else f"{count} runs"
        if key in names:
            messages.append(
                f"{names[key]} diverged in {runs}. Its means leave them out, which favours it."
            )
        else:
            messages.append(f"{key[0]} diverged in {runs} and is not ranked.")
    return messages
