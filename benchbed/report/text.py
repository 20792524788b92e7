"""Format numbers and cells."""

from __future__ import annotations

from benchbed.api.specs import MetricSpec
from benchbed.report.leaderboard import MISSING_TEXT, Cell, Row, Table

TIE_MARK = "≈"
"""Mark of a value without a significant difference from the best."""

DIRECTION_ARROWS = {"up": " ↑", "down": " ↓", "none": ""}


def format_number(value: float) -> str:
    """Format four significant digits, without an exponent for common magnitudes."""
    return f"{value:.4g}" if 1e-4 <= abs(value) < 1e6 or value == 0 else f"{value:.3e}"


def format_interval(low: float, high: float) -> str:
    """Format a confidence interval."""
    return f"[{format_number(low)}, {format_number(high)}]"


def format_p_value(p: float) -> str:
    """Format two significant digits; very small values as a bound."""
    return "< 0.0001" if p < 1e-4 else f"{p:.2g}"


def format_title(table: Table) -> str:
    """Return the title of a table, after the paper's row if there is one."""
    return f"{table.paper}: {table.title}" if table.paper else table.title


def list_reasons(table: Table) -> list[str]:
    """Return why values of a table are not comparable with the paper's, without repeats."""
    verdicts = [c.verdict for row in table.rows for c in row.cells.values() if c.verdict]
    return list(dict.fromkeys("; ".join(v.reasons) for v in verdicts if v.reasons))


def format_heading(spec: MetricSpec) -> str:
    """Return a metric's column heading, with an arrow towards better."""
    return spec.title + DIRECTION_ARROWS[spec.direction]


def format_value(cell: Cell) -> str:
    """Format the mean, with standard deviation, interval and tie mark.

    The interval is that of a single value, or of the mean over three or more seeds. If seeds of
    the row have no usable value, their number and what was measured are added.
    """
    lost = ", ".join(f"seed {seed}: {lost_value}" for seed, lost_value in cell.unusable_values.items())
    if cell.mean is None:
        return f"{MISSING_TEXT} ({lost})" if lost else MISSING_TEXT
    words = [format_number(cell.mean)]
    if cell.sd is not None:
        words.append(f"± {format_number(cell.sd)}")
    ends = cell.interval or cell.seed_interval
    if ends is not None:
        words.append(format_interval(*ends))
    if cell.is_tied:
        words.append(TIE_MARK)
    if len(cell.values) < cell.seed_count:
        words.append(f"({len(cell.values)}/{cell.seed_count} seeds)")
    if lost:
        words.append(f"({lost})")
    return " ".join(words)


def format_seeds(row: Row, table: Table) -> str:
    """Format how many of the table's seeds a row has, and how many diverged."""
    if row.is_published_only:
        return MISSING_TEXT
    total = len(table.seeds)
    text = f"{len(row.seeds)}/{total}"
    return f"{text}, {len(row.diverged)} diverged" if row.diverged else text


def format_baseline(table: Table, metric: str) -> str:
    """Format the real-vs-real baseline of a metric."""
    if metric not in table.baselines:
        return MISSING_TEXT
    mean, count = table.baselines[metric]
    return f"{format_number(mean)} (n={count})"
