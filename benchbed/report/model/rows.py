"""Build the rows of a table from its records: labels, means, the best, and ties with it."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import pandas as pd

from benchbed.api.specs import MetricSpec
from benchbed.report.model.leaderboard import Cell, Row
from benchbed.report.significance import (
    MIN_T_VALUES,
    SIGNIFICANCE_LEVEL,
    apply_holm,
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
            ``augment``, empty if there was none; ``version`` of the protocol if tables of several
            exist, else an empty text.
    """
    split = shared["reference_split"]
    # A segmentation method draws no samples.
    reference = f"{shared['samples']} samples vs. {split}" if shared["samples"] else f"on {split}"
    version = f", protocol version {shared['version']}" if shared["version"] else ""
    augment = f", {shared['augment']}" if shared["augment"] else ""
    common = f"{shared['size']} px, {shared['budget']}, {reference}, {shared['precision']}"
    return f"{common}{augment}{version}"


def name_file(prefix: str, shared: Mapping[str, Any]) -> str:
    """Return a file name without suffix, unique for the conditions that its runs share."""
    # Both are part of the hash of the conditions; a name must depend neither on other tables nor on
    # fields that are younger than committed names.
    omitted = ("augment", "version")
    same = {name: str(value) for name, value in shared.items() if name not in omitted}
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
    # Superseded values are compared with nothing.
    group = group[group["superseded"] == ""]
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
    found: dict[str, list[FrameRow]] = {}
    origins: dict[int, str] = {}
    reasons: dict[str, None] = {}
    collapse: dict[int, str] = {}
    for run in part:
        seed, state = int(run["seed"]), run["state"]
        seeds[state].add(seed)
        if run["imported"]:
            origins[seed] = run["imported"]
        if state == "diverged" and run["superseded"]:
            reasons[format_reason(run["superseded"])] = None
        if run["collapse"]:
            collapse[seed] = run["collapse"]
        if state == "finished":
            found.setdefault(run["metric"], []).append(run)
    seed_count = len(seeds["finished"])
    cells = {spec.name: _build_cell(found.get(spec.name, []), seed_count, spec) for spec in metrics}
    return Row(
        label=label,
        method=part[0]["method"],
        seeds=tuple(sorted(seeds["finished"])),
        diverged=tuple(sorted(seeds["diverged"])),
        runs=tuple(sorted({run["run"] for run in part})),
        cells=cells,
        import_note=_describe_imports(origins),
        superseded_reasons=tuple(reasons),
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


def _build_cell(runs: Sequence[FrameRow], of: int, spec: MetricSpec) -> Cell:
    by_seed = {int(run["seed"]): float(run["value"]) for run in runs if pd.notna(run["value"])}
    ends = [(float(run["low"]), float(run["high"])) for run in runs if pd.notna(run["low"])]
    notes = dict.fromkeys(str(run["note"]) for run in runs if pd.notna(run["note"]))
    old = [run for run in runs if run["superseded"] and int(run["seed"]) not in by_seed]
    return Cell(
        by_seed,
        note="; ".join(filter(None, notes)),
        interval=ends[0] if len(by_seed) == len(ends) == 1 else None,
        seed_interval=_compute_seed_interval(list(by_seed.values()), spec),
        seed_count=of,
        unusable_values={int(run["seed"]): run["lost"] for run in runs if run["lost"]},
        superseded_values={int(run["seed"]): run["superseded_value"] for run in old},
        superseded_reasons=tuple(dict.fromkeys(format_reason(run["superseded"]) for run in old)),
    )


def format_reason(reason: str) -> str:
    """Return why something is superseded as a sentence."""
    return f"{reason[:1].upper()}{reason[1:]}."


def _compute_seed_interval(values: Sequence[float], spec: MetricSpec) -> tuple[float, float] | None:
    if len(values) < MIN_T_VALUES:
        return None
    from benchbed.report.statistics import compute_t_interval

    return compute_t_interval(values, spec.bounds)


def mark_best(table: Sequence[Row], metrics: Sequence[MetricSpec]) -> list[Row]:
    """Mark the best mean of each column, and means that are better but have fewer seeds.

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
        for index, cell in enumerate(column):
            if cell.mean is None:
                continue
            if index in means:
                change = {"is_best": cell.mean == best}
            else:
                is_better = cell.mean < best if spec.direction == "down" else cell.mean > best
                change = {"is_better_incomplete": is_better}
            marked[index] = _change_cell(marked[index], spec.name, change)
    return marked


def mark_ties(table: Sequence[Row], metrics: Sequence[MetricSpec]) -> tuple[list[Row], list[str]]:
    """Mark cells without a significant difference from the best of their column.

    The test is Welch's t-test over seeds, which are not paired between methods, Holm-corrected for
    the rows of the column. It needs three seeds of both rows.

    Returns:
        The rows, and a warning if there were too few seeds to test.
    """
    marked = list(table)
    untested = 0
    for spec in metrics:
        best = next((row.cells[spec.name] for row in table if row.cells[spec.name].is_best), None)
        if best is None:
            continue
        others = {
            index: row.cells[spec.name]
            for index, row in enumerate(table)
            if not row.cells[spec.name].is_best and row.cells[spec.name].values
        }
        testable = {
            index: cell
            for index, cell in others.items()
            if min(len(cell.values), len(best.values)) >= MIN_T_VALUES
        }
        if others and not testable:
            untested = max(untested, len(others))
        for index in _find_ties(testable, best, len(others)):
            marked[index] = _change_cell(marked[index], spec.name, {"is_tied": True})
    return marked, [_describe_too_few(untested)] if untested else []


def _find_ties(testable: Mapping[int, Cell], best: Cell, count: int) -> list[int]:
    """Return the indices with a corrected p above the level, of `count` comparisons."""
    if not testable:
        return []
    from benchbed.report.statistics import compute_welch_p

    # Comparisons that cannot be tested enter the correction with p = 1.
    ours = list(best.values.values())
    ps = [compute_welch_p(list(cell.values.values()), ours) for cell in testable.values()]
    corrected = apply_holm([*ps, *[1.0] * (count - len(ps))])
    return [index for index, p in zip(testable, corrected, strict=False) if p > SIGNIFICANCE_LEVEL]


def _describe_too_few(others: int) -> str:
    rows = "row" if others == 1 else f"{others} rows"
    return (
        "Bold marks the best mean of the rows with all seeds. Its difference from the other "
        f"{rows} is not tested: that needs {MIN_T_VALUES} seeds of each."
    )


def _change_cell(row: Row, metric: str, change: Mapping[str, Any]) -> Row:
    return replace(row, cells={**row.cells, metric: replace(row.cells[metric], **change)})
