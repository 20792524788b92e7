"""Column grids and notes of tables, shared by the Markdown and LaTeX renderers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from benchbed.api.specs import MetricSpec
from benchbed.report import text
from benchbed.report.comparison import MethodComparison, MetricComparison, MethodPair
from benchbed.report.leaderboard import MISSING_TEXT, Footnote, Row, Table
from benchbed.report.limits import SIGNIFICANCE_LEVEL


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


def build_table_grid(shown: Table) -> Grid:
    """Return the grid of a table; its last row is the real-vs-real baseline."""
    names = [GridCell(row.label, marks=row.marks) for row in shown.rows]
    seeds = [GridCell(text.format_seeds(row, shown)) for row in shown.rows]
    reasons = text.list_reasons(shown)
    return Grid(
        leading_columns=(
            GridColumn("Method", (*names, GridCell("real", is_italic=True))),
            GridColumn("Seeds", (*seeds, GridCell(""))),
        ),
        column_blocks=tuple(_build_block(shown, spec, reasons) for spec in shown.metrics),
        trailing_rows=1,
    )


def _build_block(shown: Table, spec: MetricSpec, reasons: Sequence[str]) -> tuple[GridColumn, ...]:
    floor = GridCell(text.format_baseline(shown, spec.name))
    ours = [_format_measured(row, spec) for row in shown.rows]
    value = GridColumn(text.format_heading(spec), (*ours, floor), is_right_aligned=True)
    if spec.name not in shown.printed_metrics:
        return (value,)
    paper = [_format_printed(row, spec) for row in shown.rows]
    verdicts = [_format_verdict(row, spec, reasons) for row in shown.rows]
    return (
        value,
        GridColumn("paper", (*paper, GridCell("")), is_right_aligned=True),
        GridColumn("verdict", (*verdicts, GridCell(""))),
    )


def _format_measured(row: Row, spec: MetricSpec) -> GridCell:
    cell = row.cells[spec.name]
    note = f" ({cell.note})" if cell.note else ""
    return GridCell(text.format_value(cell) + note, is_bold=cell.is_best)


def _format_printed(row: Row, spec: MetricSpec) -> GridCell:
    cell = row.cells[spec.name]
    return GridCell(MISSING_TEXT) if cell.paper_value is None else GridCell(cell.paper_value, marks=cell.marks)


def _format_verdict(row: Row, spec: MetricSpec, reasons: Sequence[str]) -> GridCell:
    found = row.cells[spec.name].verdict
    if found is None:
        return GridCell(MISSING_TEXT)
    mark = (str(reasons.index("; ".join(found.reasons)) + 1),) if found.reasons else ()
    return GridCell(found.word, marks=mark)


def list_footnotes(shown: Table) -> list[Footnote]:
    """Return the footnotes of a table: letters on rows and paper values, numbers on verdicts."""
    reasons = [
        Footnote(str(number), f"not comparable: {reason}.")
        for number, reason in enumerate(text.list_reasons(shown), 1)
    ]
    return [*shown.footnotes, *reasons]


def list_table_notes(shown: Table) -> list[str]:
    """Return notes on the marks and columns of a table, without footnotes and warnings."""
    shared = shown.protocol
    lines = [
        f"Data fingerprint {shared['fingerprint']}, protocol {shared['protocol']}, "
        f"preset {shared['preset']}."
    ]
    if any(cell.is_tied for row in shown.rows for cell in row.cells.values()):
        lines.append(
            f"{text.TIE_MARK}: no significant difference from the best of its column (Wilcoxon "
            "signed-rank test over seeds, Holm-corrected for the rows of the column, p > "
            f"{SIGNIFICANCE_LEVEL})."
        )
    lines += [f"{spec.title}: {spec.recipe}." for spec in shown.metrics]
    return [*lines, *shown.notes]


def build_rank_grid(shown: MethodComparison) -> Grid:
    """Return the grid of mean ranks by metric, with Friedman's p and critical difference."""
    labels = _list_labels(shown)
    tests = any(part.critical_difference is not None for part in shown.metrics)
    names = [GridCell(label) for label in labels]
    tail = [GridCell("Friedman p", is_italic=True), GridCell("critical difference", is_italic=True)]
    return Grid(
        leading_columns=(GridColumn("Mean rank", (*names, *(tail if tests else []))),),
        column_blocks=tuple((_build_rank_column(part, labels, tests),) for part in shown.metrics),
        trailing_rows=2 if tests else 0,
    )


def _build_rank_column(part: MetricComparison, labels: Sequence[str], tests: bool) -> GridColumn:
    found = {rank.label: rank for rank in part.ranks}
    cells: list[GridCell] = []
    for label in labels:
        rank = found.get(label)
        if rank is None:
            cells.append(GridCell(MISSING_TEXT))
            continue
        tied = f" {text.TIE_MARK}" if rank.is_tied else ""
        cells.append(GridCell(f"{rank.mean:.2f}{tied}", is_bold=rank.is_best))
    if tests:
        cells.append(GridCell(MISSING_TEXT if part.friedman_p is None else text.format_p_value(part.friedman_p)))
        cells.append(GridCell(MISSING_TEXT if part.critical_difference is None else f"{part.critical_difference:.2f}"))
    return GridColumn(text.format_heading(part.metric), tuple(cells), is_right_aligned=True)


def build_pair_grid(shown: MethodComparison) -> Grid:
    """Return the grid of method pairs by metric: wins, losses, mean difference, corrected p."""
    names = sorted({_get_pair_labels(pair) for part in shown.metrics for pair in part.pairs})
    return Grid(
        leading_columns=(GridColumn("Methods", tuple(GridCell(f"{a} : {b}") for a, b in names)),),
        column_blocks=tuple((_build_pair_column(part, names),) for part in shown.metrics),
    )


def _get_pair_labels(pair: MethodPair) -> tuple[str, str]:
    first, second = sorted((pair.first, pair.second))
    return first, second


def _build_pair_column(part: MetricComparison, names: Sequence[tuple[str, str]]) -> GridColumn:
    found = {_get_pair_labels(pair): pair for pair in part.pairs}
    cells = tuple(_format_pair(found.get(labels), labels[0]) for labels in names)
    return GridColumn(text.format_heading(part.metric), cells, is_right_aligned=True)


def _list_labels(shown: MethodComparison) -> list[str]:
    return sorted({rank.label for part in shown.metrics for rank in part.ranks})


def _format_pair(pair: MethodPair | None, first: str) -> GridCell:
    if pair is None:
        return GridCell(MISSING_TEXT)
    ordered = pair if pair.first == first else pair.flip_order()
    content = f"{ordered.wins}:{ordered.losses}, {text.format_number(ordered.difference)}"
    if ordered.interval is not None:
        content += f" {text.format_interval(*ordered.interval)}"
    if ordered.p_value is not None:
        content += f", p {text.format_p_value(ordered.p_value)}"
    return GridCell(content, is_bold=ordered.p_value is not None and ordered.p_value <= SIGNIFICANCE_LEVEL)


def list_comparison_notes(shown: MethodComparison) -> list[str]:
    """Return notes on the two tables of a comparison."""
    count = len(shown.datasets)
    lines = [
        f"Datasets: {', '.join(shown.datasets)}.",
        f"Mean rank: rank of a method's mean over seeds, averaged over {count} datasets; 1 is "
        f"best, bold marks the best. {text.TIE_MARK}: no significant difference from the best at "
        f"{SIGNIFICANCE_LEVEL} (Friedman's test does not reject, or the mean ranks differ by less than "
        "Nemenyi's critical difference, Demsar 2006).",
    ]
    if shown.has_pairs:
        lines.append(
            "Methods: pairs of dataset and seed won by the first : by the second; mean "
            "difference (first minus second) with a 95 % bootstrap interval for three or more "
            "pairs."
        )
    if any(pair.p_value is not None for part in shown.metrics for pair in part.pairs):
        lines.append(
            "p: Wilcoxon signed-rank test over these pairs, Holm-corrected over all methods; "
            f"bold marks p <= {SIGNIFICANCE_LEVEL}. Seeds of one dataset are treated as independent, which "
            "is an approximation."
        )
    return lines


def list_warnings(shown: MethodComparison) -> list[str]:
    """Return the warnings of a comparison; those of one metric start with its name."""
    titles_by_warning: dict[str, list[str]] = {}
    for part in shown.metrics:
        for warning in part.warnings:
            titles_by_warning.setdefault(warning, []).append(part.metric.title)
    return [
        *shown.warnings,
        *(f"{', '.join(titles)}: {w}" for w, titles in titles_by_warning.items()),
    ]


NO_COMPARISON_TEXT = "None: no two methods share two datasets of one source under equal conditions."
"""Shown if methods cannot be compared over datasets."""
