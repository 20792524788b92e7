"""From the records of a table to its rows: labels, means, the best, and what ties with it."""

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
"""One row of the frame, by column."""

Settings = Mapping[str, Collection[str]]
"""By method, settings that its label says in any case."""


Identity = tuple[str, str, str]
"""What makes a row of a table: method, what it was trained on, hash of its settings."""

IDENTITY = ["method", "trained_on", "settings_hash"]


def labels(group: pd.DataFrame, always: Settings) -> dict[Identity, str]:
    """What the rows of a group are called: the method, and in what its settings differ here.

    Args:
        group: The records, as rows of the frame.
        always: Settings that the label says in any case.

    Returns:
        Labels, in their order.
    """
    settings = dict(zip(identities(group), group["settings"], strict=True))
    namesakes: dict[tuple[str, str], list[Mapping[str, object]]] = {}
    for (method, trained_on, _), values in settings.items():
        namesakes.setdefault((method, trained_on), []).append(values)
    differing = {
        (method, trained_on): _differing(values, always.get(method, ()))
        for (method, trained_on), values in namesakes.items()
    }
    found = {key: _label(key, values, differing[key[:2]]) for key, values in settings.items()}
    return dict(sorted(found.items(), key=lambda item: (item[1], item[0])))


def identities(group: pd.DataFrame) -> list[Identity]:
    """Of every row of the frame, whose it is."""
    return list(zip(*(group[name] for name in IDENTITY), strict=True))


def conditions(shared: Mapping[str, Any]) -> str:
    """What the runs of a table share beside their data, for its title.

    Args:
        shared: By name ``size``, ``budget``, ``samples``, ``reference_split`` and ``precision``.
    """
    split = shared["reference_split"]
    # A segmenter draws no samples.
    judged = f"{shared['samples']} samples vs. {split}" if shared["samples"] else f"on {split}"
    return f"{shared['size']} px, {shared['budget']}, {judged}, {shared['precision']}"


def _differing(namesakes: Sequence[Mapping[str, object]], fixed: Collection[str]) -> list[str]:
    """The settings that the label of each row of a method says."""
    names = {name for values in namesakes for name in values}
    return sorted(n for n in names if n in fixed or len({repr(v.get(n)) for v in namesakes}) > 1)


def _label(key: Identity, settings: Mapping[str, object], differing: Sequence[str]) -> str:
    method, trained_on, _ = key
    told = [trained_on] if trained_on else []
    told += [f"{n}={settings.get(n)}" for n in differing]
    return f"{method} ({', '.join(told)})" if told else method


def rows(
    group: pd.DataFrame, metrics: Sequence[MetricSpec], always: Settings
) -> list[tuple[Row, Run]]:
    """The rows of a table, by label, each with one of its runs.

    Args:
        group: The table's records, as rows of the frame.
        metrics: The table's columns.
        always: Settings that a label says in any case.
    """
    parts: dict[Identity, list[Run]] = {}
    for key, run in zip(identities(group), runs(group), strict=True):
        parts.setdefault(key, []).append(run)
    return [
        (_row(parts[key], label, metrics), parts[key][0])
        for key, label in labels(group, always).items()
    ]


def doubts(group: pd.DataFrame, always: Settings) -> list[str]:
    """What makes the numbers of a table less comparable than they look, as sentences.

    Args:
        group: The table's records, as rows of the frame.
        always: Settings that a label says in any case.
    """
    recipes = group.groupby("metric")["recipe"].nunique()
    found = [
        f"{metric} was computed with {count} different recipes, so its values are not comparable."
        for metric, count in recipes[recipes > 1].items()
    ]
    names = labels(group, always)
    made: dict[tuple[Identity, int], set[str]] = {}
    for key, seed, run in zip(identities(group), group["seed"], group["run"], strict=True):
        made.setdefault((key, int(seed)), set()).add(run)
    found += [
        f"Seed {seed} of {names[key]} has {len(several)} runs that differ in settings outside "
        f"this table ({', '.join(sorted(several))}). The last one is used."
        for (key, seed), several in made.items()
        if len(several) > 1
    ]
    return found


def runs(table: pd.DataFrame) -> Iterator[Run]:
    """The rows of the frame, one after the other."""
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
    of = len(seeds["finished"])
    cells = {spec.name: _cell(found.get(spec.name, []), of) for spec in metrics}
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
    """Which seeds of a row were made elsewhere, as a sentence; empty where none was.

    Args:
        origins: The archive by seed.
    """
    told = ", ".join(f"seed {seed} from {origin}" for seed, origin in sorted(origins.items()))
    return f"Imported from another results folder: {told}." if told else ""


_Line = tuple[int, float, float, float, str, str]
"""Seed, value, ends of its interval, note; NaN where there is none. Then what was lost, or ""."""


def _cell(lines: Sequence[_Line], of: int) -> Cell:
    by_seed = {seed: float(value) for seed, value, *_ in lines if pd.notna(value)}
    ends = [(float(low), float(high)) for _, _, low, high, *_ in lines if pd.notna(low)]
    notes = dict.fromkeys(note for *_, note, _ in lines if pd.notna(note) and note)
    lost = {seed: what for seed, *_, what in lines if what}
    alone = len(by_seed) == 1 and len(ends) == 1
    interval = ends[0] if alone else None
    return Cell(by_seed, note="; ".join(notes), interval=interval, of=of, lost=lost)


def _with_intervals(cells: dict[str, Cell]) -> dict[str, Cell]:
    """Bootstrap intervals over seeds, for metrics of equally many seeds at once."""
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

    One of fewer seeds than others cannot be the best, nor one of a row that lost a value.
    """
    marked = list(table)
    for spec in metrics:
        column = [row.cells[spec.name] for row in table]
        full = max((len(cell.values) for cell in column), default=0)
        means = {
            place: mean
            for place, cell in enumerate(column)
            if len(cell.values) == full and not cell.lost and (mean := cell.mean) is not None
        }
        if spec.direction == "none" or len(table) < 2 or not means:
            continue
        best = min(means.values()) if spec.direction == "down" else max(means.values())
        for place, mean in means.items():
            if mean == best:
                marked[place] = _marked(marked[place], spec.name, best=True)
    return marked


def with_ties(table: Sequence[Row], metrics: Sequence[MetricSpec]) -> tuple[list[Row], list[str]]:
    """Mark what cannot be told from the best of its column.

    The test is Wilcoxon's signed-rank test over the seeds that a row and the best have in common,
    corrected by Holm for the rows of the column.

    Returns:
        The rows, and why nothing could be tested, as sentences.
    """
    marked = list(table)
    few: tuple[int, int] | None = None
    for spec in metrics:
        best = next((row.cells[spec.name] for row in table if row.cells[spec.name].best), None)
        if best is None:
            continue
        others = {
            place: differences
            for place, row in enumerate(table)
            if not row.cells[spec.name].best
            and (differences := _differences(row.cells[spec.name], best))
        }
        told = {
            place: differences
            for place, differences in others.items()
            if smallest_p(len(differences), len(others)) <= LEVEL
        }
        if others and not told:
            few = max(few or (0, 0), (len(others), max(map(len, others.values()))))
        for place in _alike(told, len(others)):
            marked[place] = _marked(marked[place], spec.name, tied=True)
    return marked, [_too_few(*few)] if few else []


def _differences(cell: Cell, best: Cell) -> list[float]:
    return [cell.values[seed] - best.values[seed] for seed in sorted(cell.values) if seed in
            best.values]  # fmt: skip


def _alike(told: Mapping[int, list[float]], count: int) -> list[int]:
    """The places whose corrected p is above the level, of `count` comparisons."""
    if not told:
        return []
    from benchbed.report.statistics import signed_rank

    # Those that cannot be tested count in the correction with a p of 1.
    ps = [signed_rank(differences) for differences in told.values()]
    corrected = holm([*ps, *[1.0] * (count - len(ps))])
    return [place for place, p in zip(told, corrected, strict=False) if p > LEVEL]


def _too_few(others: int, seeds: int) -> str:
    have = "1 seed is" if seeds == 1 else f"{seeds} seeds are"
    rows = "row" if others == 1 else f"{others} rows"
    return (
        f"{have} too few to separate the best from the other {rows}: the exact Wilcoxon "
        f"signed-rank test over seeds, Holm-corrected, needs {pairs_needed(others)} for p = "
        f"{LEVEL}. Bold marks the best mean; the difference is not tested."
    )


def _marked(row: Row, metric: str, *, best: bool = False, tied: bool = False) -> Row:
    cell = row.cells[metric]
    changed = replace(cell, best=cell.best or best, tied=cell.tied or tied)
    return replace(row, cells={**row.cells, metric: changed})
