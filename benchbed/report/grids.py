"""Column grids and notes of tables, shared by the Markdown and LaTeX renderers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from benchbed.api.specs import MetricSpec
from benchbed.report import text
from benchbed.report.comparison import Comparison, MetricComparison, Pair
from benchbed.report.leaderboard import MISSING, Footnote, Row, Table
from benchbed.report.limits import LEVEL


@dataclass(frozen=True)
class Shown:
    """One formatted cell; italic text belongs to no method."""

    text: str
    bold: bool = False
    slanted: bool = False
    marks: tuple[str, ...] = ()


@dataclass(frozen=True)
class Column:
    """One column."""

    heading: str
    cells: tuple[Shown, ...]
    right: bool = False


@dataclass(frozen=True)
class Grid:
    """A table as columns.

    Attributes:
        lead: Columns that identify a row.
        blocks: Columns to keep together, such as a value and the paper's value.
        tail: Number of last rows that belong to no method.
    """

    lead: tuple[Column, ...]
    blocks: tuple[tuple[Column, ...], ...]
    tail: int = 0


def table(shown: Table) -> Grid:
    """Return the grid of a table; its last row is the real-vs-real baseline."""
    names = [Shown(row.label, marks=row.marks) for row in shown.rows]
    seeds = [Shown(text.seeds(row, shown)) for row in shown.rows]
    reasons = text.reasons(shown)
    return Grid(
        lead=(
            Column("Method", (*names, Shown("real", slanted=True))),
            Column("Seeds", (*seeds, Shown(""))),
        ),
        blocks=tuple(_block(shown, spec, reasons) for spec in shown.metrics),
        tail=1,
    )


def _block(shown: Table, spec: MetricSpec, reasons: Sequence[str]) -> tuple[Column, ...]:
    floor = Shown(text.floor(shown, spec.name))
    ours = [_ours(row, spec) for row in shown.rows]
    value = Column(text.heading(spec), (*ours, floor), right=True)
    if spec.name not in shown.printed:
        return (value,)
    paper = [_printed(row, spec) for row in shown.rows]
    verdicts = [_verdict(row, spec, reasons) for row in shown.rows]
    return (
        value,
        Column("paper", (*paper, Shown("")), right=True),
        Column("verdict", (*verdicts, Shown(""))),
    )


def _ours(row: Row, spec: MetricSpec) -> Shown:
    cell = row.cells[spec.name]
    note = f" ({cell.note})" if cell.note else ""
    return Shown(text.value(cell) + note, bold=cell.best)


def _printed(row: Row, spec: MetricSpec) -> Shown:
    cell = row.cells[spec.name]
    return Shown(MISSING) if cell.printed is None else Shown(cell.printed, marks=cell.marks)


def _verdict(row: Row, spec: MetricSpec, reasons: Sequence[str]) -> Shown:
    found = row.cells[spec.name].verdict
    if found is None:
        return Shown(MISSING)
    mark = (str(reasons.index("; ".join(found.reasons)) + 1),) if found.reasons else ()
    return Shown(found.word, marks=mark)


def footnotes(shown: Table) -> list[Footnote]:
    """Return the footnotes of a table: letters on rows and paper values, numbers on verdicts."""
    reasons = [
        Footnote(str(number), f"not comparable: {reason}.")
        for number, reason in enumerate(text.reasons(shown), 1)
    ]
    return [*shown.footnotes, *reasons]


def under_table(shown: Table) -> list[str]:
    """Return notes on the marks and columns of a table, without footnotes and warnings."""
    shared = shown.protocol
    lines = [
        f"Data fingerprint {shared['fingerprint']}, protocol {shared['protocol']}, "
        f"preset {shared['preset']}."
    ]
    if any(cell.tied for row in shown.rows for cell in row.cells.values()):
        lines.append(
            f"{text.TIED}: no significant difference from the best of its column (Wilcoxon "
            "signed-rank test over seeds, Holm-corrected for the rows of the column, p > "
            f"{LEVEL})."
        )
    lines += [f"{spec.title}: {spec.recipe}." for spec in shown.metrics]
    return [*lines, *shown.notes]


def ranks(shown: Comparison) -> Grid:
    """Return the grid of mean ranks by metric, with Friedman's p and critical difference."""
    labels = _labels(shown)
    tests = any(part.critical is not None for part in shown.metrics)
    names = [Shown(label) for label in labels]
    tail = [Shown("Friedman p", slanted=True), Shown("critical difference", slanted=True)]
    return Grid(
        lead=(Column("Mean rank", (*names, *(tail if tests else []))),),
        blocks=tuple((_rank_column(part, labels, tests),) for part in shown.metrics),
        tail=2 if tests else 0,
    )


def _rank_column(part: MetricComparison, labels: Sequence[str], tests: bool) -> Column:
    found = {rank.label: rank for rank in part.ranks}
    cells: list[Shown] = []
    for label in labels:
        rank = found.get(label)
        if rank is None:
            cells.append(Shown(MISSING))
            continue
        tied = f" {text.TIED}" if rank.tied else ""
        cells.append(Shown(f"{rank.mean:.2f}{tied}", bold=rank.best))
    if tests:
        cells.append(Shown(MISSING if part.friedman is None else text.p_value(part.friedman)))
        cells.append(Shown(MISSING if part.critical is None else f"{part.critical:.2f}"))
    return Column(text.heading(part.metric), tuple(cells), right=True)


def pairs(shown: Comparison) -> Grid:
    """Return the grid of method pairs by metric: wins, losses, mean difference, corrected p."""
    names = sorted({_both(pair) for part in shown.metrics for pair in part.pairs})
    return Grid(
        lead=(Column("Methods", tuple(Shown(f"{a} : {b}") for a, b in names)),),
        blocks=tuple((_pair_column(part, names),) for part in shown.metrics),
    )


def _both(pair: Pair) -> tuple[str, str]:
    first, second = sorted((pair.first, pair.second))
    return first, second


def _pair_column(part: MetricComparison, names: Sequence[tuple[str, str]]) -> Column:
    found = {_both(pair): pair for pair in part.pairs}
    cells = tuple(_pair(found.get(labels), labels[0]) for labels in names)
    return Column(text.heading(part.metric), cells, right=True)


def _labels(shown: Comparison) -> list[str]:
    return sorted({rank.label for part in shown.metrics for rank in part.ranks})


def _pair(pair: Pair | None, first: str) -> Shown:
    if pair is None:
        return Shown(MISSING)
    ordered = pair if pair.first == first else pair.turned()
    content = f"{ordered.wins}:{ordered.losses}, {text.number(ordered.difference)}"
    if ordered.interval is not None:
        content += f" {text.interval(*ordered.interval)}"
    if ordered.p is not None:
        content += f", p {text.p_value(ordered.p)}"
    return Shown(content, bold=ordered.p is not None and ordered.p <= LEVEL)


def under_comparison(shown: Comparison) -> list[str]:
    """Return notes on the two tables of a comparison."""
    count = len(shown.datasets)
    lines = [
        f"Datasets: {', '.join(shown.datasets)}.",
        f"Mean rank: rank of a method's mean over seeds, averaged over {count} datasets; 1 is "
        f"best, bold marks the best. {text.TIED}: no significant difference from the best at "
        f"{LEVEL} (Friedman's test does not reject, or the mean ranks differ by less than "
        "Nemenyi's critical difference, Demsar 2006).",
    ]
    if shown.paired:
        lines.append(
            "Methods: pairs of dataset and seed won by the first : by the second; mean "
            "difference (first minus second) with a 95 % bootstrap interval for three or more "
            "pairs."
        )
    if any(pair.p is not None for part in shown.metrics for pair in part.pairs):
        lines.append(
            "p: Wilcoxon signed-rank test over these pairs, Holm-corrected over all methods; "
            f"bold marks p <= {LEVEL}. Seeds of one dataset are treated as independent, which "
            "is an approximation."
        )
    return lines


def warnings(shown: Comparison) -> list[str]:
    """Return the warnings of a comparison; those of one metric start with its name."""
    titles_by_warning: dict[str, list[str]] = {}
    for part in shown.metrics:
        for warning in part.warnings:
            titles_by_warning.setdefault(warning, []).append(part.metric.title)
    return [
        *shown.warnings,
        *(f"{', '.join(titles)}: {w}" for w, titles in titles_by_warning.items()),
    ]


NO_COMPARISON = "None: no two methods share two datasets of one source under equal conditions."
"""Shown if methods cannot be compared over datasets."""
