"""Build the rows of a table from its records: labels, means, the best, and ties with it."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from benchbed.api.specs import MetricSpec
from benchbed.report.model.leaderboard import Cell, Row
from benchbed.report.significance import (
    MIN_BOOTSTRAP_SEEDS,
    SIGNIFICANCE_LEVEL,
    apply_holm,
    compute_smallest_p,
    count_required_pairs,
)
from benchbed.utils.files import hash_json

FrameRow = Mapping[str, Any]
"""One row of the frame, by column name."""

SettingNames = Mapping[str, Collection[str]]
"""By method, settings that its label always includes."""


RowIdentity = tuple[str, str, str]
"""What distinguishes rows of a table: method, training data, hash of the settings."""

IDENTITY_FIELDS = ["method", "trained_on", "settings_hash"]


def build_labels(group: pd.DataFrame, always: SettingNames) -> dict[RowIdentity, str]:
    """Return the labels of rows: the method, with the settings in which rows of it differ.

    Returns:
        Labels by row identity, sorted.
    """
    settings = dict(zip(list_identities(group), group["settings"], strict=True))
    siblings: dict[tuple[str, str], list[Mapping[str, object]]] = {}
    for (method, trained_on, _), values in settings.items():
        siblings.setdefault((method, trained_on), []).append(values)
    labels: dict[RowIdentity, str] = {}
    for (method, trained_on, settings_hash), values in settings.items():
        names = _find_differing(siblings[method, trained_on], always.get(method, ()))
        parts = [trained_on] if trained_on else []
        parts += [f"{name}={values.get(name)}" for name in names]
        label = f"{method} ({', '.join(parts)})" if parts else method
        labels[method, trained_on, settings_hash] = label
    return dict(sorted(labels.items(), key=lambda item: (item[1], item[0])))


def list_identities(group: pd.DataFrame) -> list[RowIdentity]:
    """Return the row identity of every row of the frame."""
    return list(group[IDENTITY_FIELDS].itertuples(index=False, name=None))


def format_conditions(shared: Mapping[str, Any]) -> str:
    """Return the conditions that the runs of a table share besides their data, for its title.

    Args:
        shared: ``size``, ``budget``, ``samples``, ``reference_split`` and ``precision``;
            ``version`` of the protocol if tables of several exist, else an empty text.
    """
    split = shared["reference_split"]
    # A segmentation method draws no samples.
    reference = f"{shared['samples']} samples vs. {split}" if shared["samples"] else f"on {split}"
    version = f", protocol version {shared['version']}" if shared["version"] else ""
    return f"{shared['size']} px, {shared['budget']}, {reference}, {shared['precision']}{version}"


def name_file(prefix: str, shared: Mapping[str, Any]) -> str:
    """Return a file name without suffix, unique for the conditions that its runs share."""
    # The version is part of the hash of the conditions; a name must not depend on other tables.
    same = {name: str(value) for name, value in shared.items() if name != "version"}
    return f"{prefix}-{shared['source']}-{shared['size']}px-{hash_json(same, 6)}"


def _find_differing(
    candidates: Sequence[Mapping[str, object]], fixed: Collection[str]
) -> list[str]:
    """Return the settings to include in the labels of one method."""
    names = {name for values in candidates for name in values}
    return sorted(
        name
        for name in names
        if name in fixed or len({repr(values.get(name)) for values in candidates}) > 1
    )


def build_rows(
    group: pd.DataFrame, metrics: Sequence[MetricSpec], always: SettingNames
) -> list[tuple[Row, FrameRow]]:
    """Return the rows of a table, by label, each with one of its runs."""
    parts: dict[RowIdentity, list[FrameRow]] = {}
    for key, run in zip(list_identities(group), iter_runs(group), strict=True):
        parts.setdefault(key, []).append(run)
    return [
        (_build_row(parts[key], label, metrics), parts[key][0])
        for key, label in build_labels(group, always).items()
    ]


def list_warnings(group: pd.DataFrame, always: SettingNames) -> list[str]:
    """Return warnings about values of a table that are less comparable than they look."""
    recipes = group.groupby("metric")["recipe"].nunique()
    messages = [
        f"{metric} was computed with {count} different recipes, so its values are not comparable."
        for metric, count in recipes[recipes > 1].items()
    ]
    names = build_labels(group, always)
    runs_by_seed: dict[tuple[RowIdentity, int], set[str]] = {}
    for key, seed, run in zip(list_identities(group), group["seed"], group["run"], strict=True):
        runs_by_seed.setdefault((key, int(seed)), set()).add(run)
    messages += [
        f"Seed {seed} of {names[key]} has {len(ids)} runs that differ in settings outside "
        f"this table ({', '.join(sorted(ids))}). The last one is used."
        for (key, seed), ids in runs_by_seed.items()
        if len(ids) > 1
    ]
    return messages


def iter_groups(
    table: pd.DataFrame, fields: Sequence[str]
) -> Iterator[tuple[dict[str, Any], pd.DataFrame]]:
    """Yield the values of `fields` that occur together, sorted, with their rows of the frame."""
    for values, group in table.groupby([*fields], sort=True):
        yield dict(zip(fields, values, strict=True)), group


def iter_runs(table: pd.DataFrame) -> Iterator[FrameRow]:
    """Yield the rows of the frame as dicts."""
    names = [str(name) for name in table.columns]
    for values in zip(*(table[name] for name in names), strict=True):
        yield dict(zip(names, values, strict=True))


def select_usable(table: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of the frame with a usable value of a finished run."""
    return table[(table["state"] == "finished") & table["value"].notna()]


def _build_row(part: Sequence[FrameRow], label: str, metrics: Sequence[MetricSpec]) -> Row:
    seeds: dict[str, set[int]] = {"finished": set(), "diverged": set()}
    found: dict[str, list[_SeedLine]] = {}
    origins: dict[int, str] = {}
    collapse: dict[int, str] = {}
    for run in part:
        seed, state = int(run["seed"]), run["state"]
        seeds[state].add(seed)
        if run["imported"]:
            origins[seed] = run["imported"]
        if run["collapse"]:
            collapse[seed] = run["collapse"]
        if state == "finished":
            line = (seed, run["value"], run["low"], run["high"], run["note"], run["lost"])
            found.setdefault(run["metric"], []).append(line)
    seed_count = len(seeds["finished"])
    cells = {spec.name: _build_cell(found.get(spec.name, []), seed_count) for spec in metrics}
    return Row(
        label=label,
        method=part[0]["method"],
        seeds=tuple(sorted(seeds["finished"])),
        diverged=tuple(sorted(seeds["diverged"])),
        runs=tuple(sorted({run["run"] for run in part})),
        cells=_add_intervals(cells),
        import_note=_describe_imports(origins),
        collapse_note=_describe_collapse(collapse),
    )


def _describe_collapse(signs: Mapping[int, str]) -> str:
    """Return which seeds of a row collapsed and how that shows; empty if none."""
    seeds = "; ".join(f"seed {seed}: {text}" for seed, text in sorted(signs.items()))
    return f"Signs of collapse: {seeds}." if seeds else ""


def _describe_imports(origins: Mapping[int, str]) -> str:
    """Return which seeds of a row were imported from which archive; empty if none."""
    seeds = ", ".join(f"seed {seed} from {origin}" for seed, origin in sorted(origins.items()))
    return f"Imported from another results folder: {seeds}." if seeds else ""


_SeedLine = tuple[int, float, float, float, str, str]
"""Seed, value, interval ends and note, NaN if missing; then the unusable value as text, or ""."""


def _build_cell(lines: Sequence[_SeedLine], of: int) -> Cell:
    by_seed = {seed: float(value) for seed, value, *_ in lines if pd.notna(value)}
    ends = [(float(low), float(high)) for _, _, low, high, *_ in lines if pd.notna(low)]
    notes = dict.fromkeys(note for *_, note, _ in lines if pd.notna(note) and note)
    lost = {seed: text for seed, *_, text in lines if text}
    interval = ends[0] if len(by_seed) == len(ends) == 1 else None
    return Cell(
        by_seed, note="; ".join(notes), interval=interval, seed_count=of, unusable_values=lost
    )


def _add_intervals(cells: dict[str, Cell]) -> dict[str, Cell]:
    """Add bootstrap intervals over seeds, batched over metrics with equal seed counts."""
    by_count: dict[int, list[str]] = {}
    for name, cell in cells.items():
        by_count.setdefault(len(cell.values), []).append(name)
    for count, names in by_count.items():
        if count < MIN_BOOTSTRAP_SEEDS:
            continue
        from benchbed.metrics.bootstrap import bootstrap_intervals

        values = np.array([list(cells[name].values.values()) for name in names])
        for name, interval in zip(names, bootstrap_intervals(values), strict=True):
            cells[name] = replace(cells[name], seed_interval=interval)
    return cells


def mark_best(table: Sequence[Row], metrics: Sequence[MetricSpec]) -> list[Row]:
    """Mark the best mean of each column.

    A cell with fewer seeds than others or an unusable value cannot be the best.
    """
    marked = list(table)
    for spec in metrics:
        column = [row.cells[spec.name] for row in table]
        full = max((len(cell.values) for cell in column), default=0)
        means = {
            index: mean
            for index, cell in enumerate(column)
            if len(cell.values) == full
            and not cell.unusable_values
            and (mean := cell.mean) is not None
        }
        if spec.direction == "none" or len(table) < 2 or not means:
            continue
        best = min(means.values()) if spec.direction == "down" else max(means.values())
        for index, mean in means.items():
            if mean == best:
                marked[index] = _mark_cell(marked[index], spec.name, best=True)
    return marked


def mark_ties(table: Sequence[Row], metrics: Sequence[MetricSpec]) -> tuple[list[Row], list[str]]:
    """Mark cells without a significant difference from the best of their column.

    The test is Wilcoxon's signed-rank test over the seeds that a row and the best share,
    Holm-corrected for the rows of the column.

    Returns:
        The rows, and a warning if there were too few seeds to test.
    """
    marked = list(table)
    few: tuple[int, int] | None = None
    for spec in metrics:
        best = next((row.cells[spec.name] for row in table if row.cells[spec.name].is_best), None)
        if best is None:
            continue
        others = {
            index: differences
            for index, row in enumerate(table)
            if not row.cells[spec.name].is_best
            and (differences := _compute_differences(row.cells[spec.name], best))
        }
        testable = {
            index: differences
            for index, differences in others.items()
            if compute_smallest_p(len(differences), len(others)) <= SIGNIFICANCE_LEVEL
        }
        if others and not testable:
            few = max(few or (0, 0), (len(others), max(map(len, others.values()))))
        for index in _find_ties(testable, len(others)):
            marked[index] = _mark_cell(marked[index], spec.name, tied=True)
    return marked, [_describe_too_few(*few)] if few else []


def _compute_differences(cell: Cell, best: Cell) -> list[float]:
    shared = sorted(cell.values.keys() & best.values.keys())
    return [cell.values[seed] - best.values[seed] for seed in shared]


def _find_ties(testable: Mapping[int, list[float]], count: int) -> list[int]:
    """Return the indices with a corrected p above the level, of `count` comparisons."""
    if not testable:
        return []
    from benchbed.report.statistics import compute_signed_rank_p

    # Comparisons that cannot be tested enter the correction with p = 1.
    ps = [compute_signed_rank_p(differences) for differences in testable.values()]
    corrected = apply_holm([*ps, *[1.0] * (count - len(ps))])
    return [index for index, p in zip(testable, corrected, strict=False) if p > SIGNIFICANCE_LEVEL]


def _describe_too_few(others: int, seeds: int) -> str:
    subject = "1 seed is" if seeds == 1 else f"{seeds} seeds are"
    rows = "row" if others == 1 else f"{others} rows"
    return (
        f"{subject} too few to separate the best from the other {rows}: the exact Wilcoxon "
        f"signed-rank test over seeds, Holm-corrected, needs {count_required_pairs(others)} for "
        f"p = {SIGNIFICANCE_LEVEL}. Bold marks the best mean; the difference is not tested."
    )


def _mark_cell(row: Row, metric: str, *, best: bool = False, tied: bool = False) -> Row:
    cell = row.cells[metric]
    changed = replace(cell, is_best=cell.is_best or best, is_tied=cell.is_tied or tied)
    return replace(row, cells={**row.cells, metric: changed})
