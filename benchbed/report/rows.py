"""Build the rows of a table from its records: labels, means, the best, and ties with it."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from benchbed.api.specs import MetricSpec
from benchbed.report.leaderboard import Cell, Row
from benchbed.report.limits import BOOTSTRAP_SEEDS, LEVEL, holm, pairs_needed, smallest_p

Run = Mapping[str, Any]
"""One row of the frame, by column name."""

Settings = Mapping[str, Collection[str]]
"""By method, settings that its label always includes."""


Identity = tuple[str, str, str]
"""What distinguishes rows of a table: method, training data, hash of the settings."""

IDENTITY = ["method", "trained_on", "settings_hash"]


def labels(group: pd.DataFrame, always: Settings) -> dict[Identity, str]:
    """Return the labels of rows: the method, with the settings in which rows of it differ.

    Returns:
        Labels by row identity, sorted.
    """
    settings = dict(zip(identities(group), group["settings"], strict=True))
    settings_by_method: dict[tuple[str, str], list[Mapping[str, object]]] = {}
    for (method, trained_on, _), values in settings.items():
        settings_by_method.setdefault((method, trained_on), []).append(values)
    differing = {
        (method, trained_on): _differing(values, always.get(method, ()))
        for (method, trained_on), values in settings_by_method.items()
    }
    found = {key: _label(key, values, differing[key[:2]]) for key, values in settings.items()}
    return dict(sorted(found.items(), key=lambda item: (item[1], item[0])))


def identities(group: pd.DataFrame) -> list[Identity]:
    """Return the row identity of every row of the frame."""
    return list(zip(*(group[name] for name in IDENTITY), strict=True))


def conditions(shared: Mapping[str, Any]) -> str:
    """Return the conditions that the runs of a table share besides their data, for its title.

    Args:
        shared: ``size``, ``budget``, ``samples``, ``reference_split`` and ``precision``.
    """
    split = shared["reference_split"]
    # A segmentation method draws no samples.
    reference = f"{shared['samples']} samples vs. {split}" if shared["samples"] else f"on {split}"
    return f"{shared['size']} px, {shared['budget']}, {reference}, {shared['precision']}"


def _differing(candidates: Sequence[Mapping[str, object]], fixed: Collection[str]) -> list[str]:
    """Return the settings to include in the labels of one method."""
    names = {name for values in candidates for name in values}
    return sorted(
        name
        for name in names
        if name in fixed or len({repr(values.get(name)) for values in candidates}) > 1
    )


def _label(key: Identity, settings: Mapping[str, object], differing: Sequence[str]) -> str:
    method, trained_on, _ = key
    parts = [trained_on] if trained_on else []
    parts += [f"{name}={settings.get(name)}" for name in differing]
    return f"{method} ({', '.join(parts)})" if parts else method


def rows(
    group: pd.DataFrame, metrics: Sequence[MetricSpec], always: Settings
) -> list[tuple[Row, Run]]:
    """Return the rows of a table, by label, each with one of its runs."""
    parts: dict[Identity, list[Run]] = {}
    for key, run in zip(identities(group), runs(group), strict=True):
        parts.setdefault(key, []).append(run)
    return [
        (_row(parts[key], label, metrics), parts[key][0])
        for key, label in labels(group, always).items()
    ]


def doubts(group: pd.DataFrame, always: Settings) -> list[str]:
    """Return warnings about values of a table that are less comparable than they look."""
    recipes = group.groupby("metric")["recipe"].nunique()
    messages = [
        f"{metric} was computed with {count} different recipes, so its values are not comparable."
        for metric, count in recipes[recipes > 1].items()
    ]
    names = labels(group, always)
    runs_by_seed: dict[tuple[Identity, int], set[str]] = {}
    for key, seed, run in zip(identities(group), group["seed"], group["run"], strict=True):
        runs_by_seed.setdefault((key, int(seed)), set()).add(run)
    messages += [
        f"Seed {seed} of {names[key]} has {len(ids)} runs that differ in settings outside "
        f"this table ({', '.join(sorted(ids))}). The last one is used."
        for (key, seed), ids in runs_by_seed.items()
        if len(ids) > 1
    ]
    return messages


def runs(table: pd.DataFrame) -> Iterator[Run]:
    """Yield the rows of the frame as dicts."""
    names = [str(name) for name in table.columns]
    for values in zip(*(table[name] for name in names), strict=True):
        yield dict(zip(names, values, strict=True))


def _row(part: Sequence[Run], label: str, metrics: Sequence[MetricSpec]) -> Row:
    seeds: dict[str, set[int]] = {"finished": set(), "diverged": set()}
    found: dict[str, list[_Line]] = {}
    origins: dict[int, str] = {}
    for run in part:
        seed, state = int(run["seed"]), run["state"]
        seeds[state].add(seed)
        if run["imported"]:
            origins[seed] = run["imported"]
        if state == "finished":
            line = (seed, run["value"], run["low"], run["high"], run["note"], run["lost"])
            found.setdefault(run["metric"], []).append(line)
    seed_count = len(seeds["finished"])
    cells = {spec.name: _cell(found.get(spec.name, []), seed_count) for spec in metrics}
    return Row(
        label=label,
        method=part[0]["method"],
        seeds=tuple(sorted(seeds["finished"])),
        diverged=tuple(sorted(seeds["diverged"])),
        runs=tuple(sorted({run["run"] for run in part})),
        cells=_with_intervals(cells),
        imported=_imported(origins),
    )


def _imported(origins: Mapping[int, str]) -> str:
    """Return which seeds of a row were imported from which archive; empty if none."""
    seeds = ", ".join(f"seed {seed} from {origin}" for seed, origin in sorted(origins.items()))
    return f"Imported from another results folder: {seeds}." if seeds else ""


_Line = tuple[int, float, float, float, str, str]
"""Seed, value, interval ends and note, NaN if missing; then the unusable value as text, or ""."""


def _cell(lines: Sequence[_Line], of: int) -> Cell:
    by_seed = {seed: float(value) for seed, value, *_ in lines if pd.notna(value)}
    ends = [(float(low), float(high)) for _, _, low, high, *_ in lines if pd.notna(low)]
    notes = dict.fromkeys(note for *_, note, _ in lines if pd.notna(note) and note)
    lost = {seed: text for seed, *_, text in lines if text}
    is_single = len(by_seed) == 1 and len(ends) == 1
    interval = ends[0] if is_single else None
    return Cell(by_seed, note="; ".join(notes), interval=interval, of=of, lost=lost)


def _with_intervals(cells: dict[str, Cell]) -> dict[str, Cell]:
    """Add bootstrap intervals over seeds, batched over metrics with equal seed counts."""
    by_count: dict[int, list[str]] = {}
    for name, cell in cells.items():
        by_count.setdefault(len(cell.values), []).append(name)
    for count, names in by_count.items():
        if count < BOOTSTRAP_SEEDS:
            continue
        from benchbed.report.statistics import bootstrap_intervals

        values = np.array([list(cells[name].values.values()) for name in names])
        for name, interval in zip(names, bootstrap_intervals(values), strict=True):
            cells[name] = replace(cells[name], seed_interval=interval)
    return cells


def with_best(table: Sequence[Row], metrics: Sequence[MetricSpec]) -> list[Row]:
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
            if len(cell.values) == full and not cell.lost and (mean := cell.mean) is not None
        }
        if spec.direction == "none" or len(table) < 2 or not means:
            continue
        best = min(means.values()) if spec.direction == "down" else max(means.values())
        for index, mean in means.items():
            if mean == best:
                marked[index] = _marked(marked[index], spec.name, best=True)
    return marked


def with_ties(table: Sequence[Row], metrics: Sequence[MetricSpec]) -> tuple[list[Row], list[str]]:
    """Mark cells without a significant difference from the best of their column.

    The test is Wilcoxon's signed-rank test over the seeds that a row and the best share,
    Holm-corrected for the rows of the column.

    Returns:
        The rows, and a warning if there were too few seeds to test.
    """
    marked = list(table)
    few: tuple[int, int] | None = None
    for spec in metrics:
        best = next((row.cells[spec.name] for row in table if row.cells[spec.name].best), None)
        if best is None:
            continue
        others = {
            index: differences
            for index, row in enumerate(table)
            if not row.cells[spec.name].best
            and (differences := _differences(row.cells[spec.name], best))
        }
        testable = {
            index: differences
            for index, differences in others.items()
            if smallest_p(len(differences), len(others)) <= LEVEL
        }
        if others and not testable:
            few = max(few or (0, 0), (len(others), max(map(len, others.values()))))
        for index in _alike(testable, len(others)):
            marked[index] = _marked(marked[index], spec.name, tied=True)
    return marked, [_too_few(*few)] if few else []


def _differences(cell: Cell, best: Cell) -> list[float]:
    return [cell.values[seed] - best.values[seed] for seed in sorted(cell.values) if seed in
            best.values]  # fmt: skip


def _alike(testable: Mapping[int, list[float]], count: int) -> list[int]:
    """Return the indices with a corrected p above the level, of `count` comparisons."""
    if not testable:
        return []
    from benchbed.report.statistics import signed_rank

    # Comparisons that cannot be tested enter the correction with p = 1.
    ps = [signed_rank(differences) for differences in testable.values()]
    corrected = holm([*ps, *[1.0] * (count - len(ps))])
    return [index for index, p in zip(testable, corrected, strict=False) if p > LEVEL]


def _too_few(others: int, seeds: int) -> str:
    subject = "1 seed is" if seeds == 1 else f"{seeds} seeds are"
    rows = "row" if others == 1 else f"{others} rows"
    return (
        f"{subject} too few to separate the best from the other {rows}: the exact Wilcoxon "
        f"signed-rank test over seeds, Holm-corrected, needs {pairs_needed(others)} for p = "
        f"{LEVEL}. Bold marks the best mean; the difference is not tested."
    )


def _marked(row: Row, metric: str, *, best: bool = False, tied: bool = False) -> Row:
    cell = row.cells[metric]
    changed = replace(cell, best=cell.best or best, tied=cell.tied or tied)
    return replace(row, cells={**row.cells, metric: changed})
