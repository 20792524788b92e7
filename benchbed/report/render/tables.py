"""Grids, cells and notes of a leaderboard, shared by all output formats."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from benchbed.api.specs import MetricSpec
from benchbed.report.model.leaderboard import (
    Cell,
    Footnote,
    MethodComparison,
    MethodPair,
    MetricComparison,
    Row,
    Table,
)
from benchbed.report.model.paper_values import Verdict
from benchbed.report.significance import SIGNIFICANCE_LEVEL
from benchbed.utils.text import MISSING_TEXT, format_interval, format_number, format_p_value

TIE_MARK = "≈"
"""Mark of a value without a significant difference from the best."""

BETTER_INCOMPLETE_TEXT = "better, fewer seeds"
"""Marks a mean that is better than the bold one but of fewer seeds."""

SUPERSEDED_WORD = "superseded"
"""Precedes values that are in no mean, rank or test."""

CASES_WORD = "over cases"
"""Follows the interval of a single run, which says nothing about other seeds."""


def format_title(table: Table) -> str:
    """Return the title of a table, after the paper's row if there is one."""
    return f"{table.paper}: {table.title}" if table.paper else table.title


def list_reasons(table: Table) -> list[str]:
    """Return why values of a table are not comparable with the paper's, without repeats."""
    verdicts = [c.verdict for row in table.rows for c in row.cells.values() if c.verdict]
    return list(dict.fromkeys("; ".join(v.reasons) for v in verdicts if v.reasons))


def number_reason(verdict: Verdict, reasons: Sequence[str]) -> str:
    """Return the number of a verdict's footnote among `list_reasons`."""
    return str(reasons.index("; ".join(verdict.reasons)) + 1)


def format_value(cell: Cell) -> str:
    """Format the mean, with standard deviation, interval and tie mark.

    Two seeds show both values instead of an interval. The interval is that over seeds from three
    seeds on, and that over cases for one seed. If seeds of the row have no usable value, their
    number and what was measured are added.
    """
    lost = [f"seed {seed}: {text}" for seed, text in cell.unusable_values.items()]
    if cell.superseded_values:
        lost.append(f"{SUPERSEDED_WORD}: {', '.join(cell.superseded_values.values())}")
    parts = [f"({', '.join(lost)})"] if lost else []
    if cell.mean is None:
        return " ".join([MISSING_TEXT, *parts])
    words = [format_number(cell.mean)]
    if len(cell.values) == 2:
        words.append(f"({', '.join(map(format_number, cell.values.values()))})")
    elif cell.sd is not None:
        words.append(f"± {format_number(cell.sd)}")
    if cell.seed_interval is not None:
        words.append(format_interval(*cell.seed_interval))
    elif cell.interval is not None:
        words.append(f"{format_interval(*cell.interval)} {CASES_WORD}")
    if cell.is_tied:
        words.append(TIE_MARK)
    if cell.is_better_incomplete:
        words.append(f"({BETTER_INCOMPLETE_TEXT})")
    if len(cell.values) < cell.seed_count:
        words.append(f"({len(cell.values)}/{cell.seed_count} seeds)")
    return " ".join([*words, *parts])


def list_superseded_reasons(table: Table) -> list[str]:
    """Return why runs and values of a table are superseded, without repeats."""
    cells = [cell for row in table.rows for cell in row.cells.values()]
    reasons = [text for row in table.rows for text in row.superseded_reasons]
    reasons += [text for cell in cells for text in cell.superseded_reasons]
    return list(dict.fromkeys(reasons))


def format_seeds(row: Row, table: Table) -> str:
    """Format how many of the table's seeds a row has, and how many diverged."""
    if row.is_published_only:
        return MISSING_TEXT
    text = f"{len(row.seeds)}/{len(table.seeds)}"
    return f"{text}, {len(row.diverged)} diverged" if row.diverged else text


def format_baseline(table: Table, metric: str) -> str:
    """Format the real-vs-real baseline of a metric."""
    if metric not in table.baselines:
        return MISSING_TEXT
    mean, count = table.baselines[metric]
    return f"{format_number(mean)} (n={count})"


@dataclass(frozen=True)
class GridCell:
    """One formatted cell; italic text belongs to no method."""

    text: str
    is_bold: bool = False
    is_italic: bool = False
    marks: tuple[str, ...] = ()


@dataclass(frozen=True)
class GridColumn:
    """One column."""

    heading: str
    cells: tuple[GridCell, ...]
    is_right_aligned: bool = False


@dataclass(frozen=True)
class Grid:
    """A table as columns.

    Attributes:
        leading_columns: Columns that identify a row.
        column_blocks: Columns to keep together, such as a value and the paper's value.
        trailing_rows: Number of last rows that belong to no method.
    """

    leading_columns: tuple[GridColumn, ...]
    column_blocks: tuple[tuple[GridColumn, ...], ...]
    trailing_rows: int = 0


def build_table_grid(table: Table) -> Grid:
    """Return the grid of a table; its last row is the real-vs-real baseline."""
    names = [GridCell(row.label, marks=row.marks) for row in table.rows]
    seeds = [GridCell(format_seeds(row, table)) for row in table.rows]
    reasons = list_reasons(table)
    return Grid(
        leading_columns=(
            GridColumn("Method", (*names, GridCell("real", is_italic=True))),
            GridColumn("Seeds", (*seeds, GridCell(""))),
        ),
        column_blocks=tuple(_build_block(table, spec, reasons) for spec in table.metrics),
        trailing_rows=1,
    )


def _build_block(table: Table, spec: MetricSpec, reasons: Sequence[str]) -> tuple[GridColumn, ...]:
    baseline = GridCell(format_baseline(table, spec.name))
    measured = [_format_measured(row, spec) for row in table.rows]
    value = GridColumn(spec.heading, (*measured, baseline), is_right_aligned=True)
    if spec.name not in table.printed_metrics:
        return (value,)
    cells = [row.cells[spec.name] for row in table.rows]
    paper = [GridCell(cell.paper_value or MISSING_TEXT, marks=cell.marks) for cell in cells]
    verdicts = [_format_verdict(cell.verdict, reasons) for cell in cells]
    return (
        value,
        GridColumn("paper", (*paper, GridCell("")), is_right_aligned=True),
        GridColumn("verdict", (*verdicts, GridCell(""))),
    )


def _format_measured(row: Row, spec: MetricSpec) -> GridCell:
    cell = row.cells[spec.name]
    note = f" ({cell.note})" if cell.note else ""
    return GridCell(format_value(cell) + note, is_bold=cell.is_best, marks=cell.value_marks)


def _format_verdict(verdict: Verdict | None, reasons: Sequence[str]) -> GridCell:
    if verdict is None:
        return GridCell(MISSING_TEXT)
    marks = (number_reason(verdict, reasons),) if verdict.reasons else ()
    return GridCell(verdict.word, marks=marks)


def list_footnotes(table: Table) -> list[Footnote]:
    """Return the footnotes of a table: letters on rows and paper values, numbers on verdicts."""
    reasons = enumerate(list_reasons(table), 1)
    return [
        *table.footnotes,
        *(Footnote(str(n), f"not comparable: {text}.") for n, text in reasons),
    ]


def list_table_notes(table: Table) -> list[str]:
    """Return notes on the marks and columns of a table, without footnotes and warnings."""
    shared = table.protocol
    version = f" (version {shared['version']})" if shared["version"] else ""
    lines = [
        f"Data fingerprint {shared['fingerprint']}, protocol {shared['protocol']}{version}, "
        f"preset {shared['preset']}."
    ]
    if any(cell.is_tied for row in table.rows for cell in row.cells.values()):
        lines.append(
            f"{TIE_MARK}: no significant difference from the best of its column (Welch's t-test "
            "over seeds, Holm-corrected for the rows of the column, p > "
            f"{SIGNIFICANCE_LEVEL})."
        )
    if any(cell.is_better_incomplete for row in table.rows for cell in row.cells.values()):
        lines.append(
            f"“{BETTER_INCOMPLETE_TEXT}”: a better mean than the bold one, over fewer seeds; "
            "bold marks the best of the rows with all seeds."
        )
    lines += [f"{spec.title}: {spec.recipe}." for spec in table.metrics]
    return [*lines, *table.notes]


def build_rank_grid(comparison: MethodComparison) -> Grid:
    """Return the grid of mean ranks by metric, with Friedman's p and critical difference."""
    labels = sorted({rank.label for part in comparison.metrics for rank in part.ranks})
    tests = any(part.critical_difference is not None for part in comparison.metrics)
    names = [GridCell(label) for label in labels]
    tail = [GridCell("Friedman p", is_italic=True), GridCell("critical difference", is_italic=True)]
    return Grid(
        leading_columns=(GridColumn("Mean rank", (*names, *(tail if tests else []))),),
        column_blocks=tuple((_build_rank_column(m, labels, tests),) for m in comparison.metrics),
        trailing_rows=2 if tests else 0,
    )


def _build_rank_column(part: MetricComparison, labels: Sequence[str], tests: bool) -> GridColumn:
    cells = dict.fromkeys(labels, GridCell(MISSING_TEXT))
    for rank in part.ranks:
        tied = f" {TIE_MARK}" if rank.is_tied else ""
        cells[rank.label] = GridCell(f"{rank.mean:.2f}{tied}", is_bold=rank.is_best)
    p, difference = part.friedman_p, part.critical_difference
    tail = (
        GridCell(MISSING_TEXT if p is None else format_p_value(p)),
        GridCell(MISSING_TEXT if difference is None else f"{difference:.2f}"),
    )
    return GridColumn(
        part.metric.heading, (*cells.values(), *(tail if tests else ())), is_right_aligned=True
    )


def build_pair_grid(comparison: MethodComparison) -> Grid:
    """Return the grid of method pairs by metric: wins, losses, mean difference, corrected p."""
    names = sorted({_get_pair_labels(pair) for part in comparison.metrics for pair in part.pairs})
    return Grid(
        leading_columns=(GridColumn("Methods", tuple(GridCell(f"{a} : {b}") for a, b in names)),),
        column_blocks=tuple((_build_pair_column(part, names),) for part in comparison.metrics),
    )


def _get_pair_labels(pair: MethodPair) -> tuple[str, str]:
    first, second = sorted((pair.first, pair.second))
    return first, second


def _build_pair_column(part: MetricComparison, names: Sequence[tuple[str, str]]) -> GridColumn:
    found = {_get_pair_labels(pair): pair for pair in part.pairs}
    cells = tuple(_format_pair(found.get(labels), labels[0]) for labels in names)
    return GridColumn(part.metric.heading, cells, is_right_aligned=True)


def _format_pair(pair: MethodPair | None, first: str) -> GridCell:
    if pair is None:
        return GridCell(MISSING_TEXT)
    ordered = pair if pair.first == first else pair.flip_order()
    content = f"{ordered.wins}:{ordered.losses}, {format_number(ordered.difference)}"
    if ordered.interval is not None:
        content += f" {format_interval(*ordered.interval)}"
    if ordered.p_value is not None:
        content += f", p {format_p_value(ordered.p_value)}"
    is_significant = ordered.p_value is not None and ordered.p_value <= SIGNIFICANCE_LEVEL
    return GridCell(content, is_bold=is_significant)


def list_comparison_notes(comparison: MethodComparison) -> list[str]:
    """Return notes on the two tables of a comparison."""
    count = len(comparison.datasets)
    lines = [
        f"Datasets: {', '.join(comparison.datasets)}.",
        f"Mean rank: rank of a method's mean over seeds, averaged over {count} datasets; 1 is "
        f"best, bold marks the best. {TIE_MARK}: no significant difference from the best at "
        f"{SIGNIFICANCE_LEVEL} (Friedman's permutation test does not reject, or the mean ranks "
        "differ by less than Nemenyi's critical difference, Demsar 2006).",
    ]
    if comparison.has_pairs:
        lines.append(
            "Methods: datasets won by the first : by the second, by means over seeds; mean "
            "difference over datasets (first minus second) with a 95 % t interval for three or "
            "more datasets."
        )
    if any(pair.p_value is not None for part in comparison.metrics for pair in part.pairs):
        lines.append(
            "p: Wilcoxon signed-rank test over datasets, Holm-corrected over all methods; bold "
            f"marks p <= {SIGNIFICANCE_LEVEL}."
        )
    return lines


def list_comparison_warnings(comparison: MethodComparison) -> list[str]:
    """Return the warnings of a comparison; those of one metric start with its name."""
    titles_by_warning: dict[str, list[str]] = {}
    for part in comparison.metrics:
        for warning in part.warnings:
            titles_by_warning.setdefault(warning, []).append(part.metric.title)
    own = (f"{', '.join(titles)}: {text}" for text, titles in titles_by_warning.items())
    return [*comparison.warnings, *own]


NO_COMPARISON_TEXT = "None: no two methods share two datasets of one source under equal conditions."
"""Shown if methods cannot be compared over datasets."""
