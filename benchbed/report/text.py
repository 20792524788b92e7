"""Format numbers and cells."""

from __future__ import annotations

from benchbed.api.specs import MetricSpec
from benchbed.report.leaderboard import MISSING, Cell, Row, Table

TIED = "≈"
"""Mark of a value without a significant difference from the best."""

ARROW = {"up": " ↑", "down": " ↓", "none": ""}


def number(value: float) -> str:
    """Format four significant digits, without an exponent for common magnitudes."""
    return f"{value:.4g}" if 1e-4 <= abs(value) < 1e6 or value == 0 else f"{value:.3e}"


def interval(low: float, high: float) -> str:
    """Format a confidence interval."""
    return f"[{number(low)}, {number(high)}]"


def p_value(p: float) -> str:
    """Format two significant digits; very small values as a bound."""
    return "< 0.0001" if p < 1e-4 else f"{p:.2g}"


def title(table: Table) -> str:
    """Return the title of a table, after the paper's row if there is one."""
    return f"{table.paper}: {table.title}" if table.paper else table.title


def reasons(table: Table) -> list[str]:
    """Return why values of a table are not comparable with the paper's, without repeats."""
    verdicts = [c.verdict for row in table.rows for c in row.cells.values() if c.verdict]
    return list(dict.fromkeys("; ".join(v.reasons) for v in verdicts if v.reasons))


def heading(spec: MetricSpec) -> str:
    """Return a metric's column heading, with an arrow towards better."""
    return spec.title + ARROW[spec.direction]


def value(cell: Cell) -> str:
    """Format the mean, with standard deviation, interval and tie mark.

    The interval is that of a single value, or of the mean over three or more seeds. If seeds of
    the row have no usable value, their number and what was measured are added.
    """
    lost = ", ".join(f"seed {seed}: {lost_value}" for seed, lost_value in cell.lost.items())
    if cell.mean is None:
        return f"{MISSING} ({lost})" if lost else MISSING
    words = [number(cell.mean)]
    if cell.sd is not None:
        words.append(f"± {number(cell.sd)}")
    ends = cell.interval or cell.seed_interval
    if ends is not None:
        words.append(interval(*ends))
    if cell.tied:
        words.append(TIED)
    if len(cell.values) < cell.of:
        words.append(f"({len(cell.values)}/{cell.of} seeds)")
    if lost:
        words.append(f"({lost})")
    return " ".join(words)


def seeds(row: Row, table: Table) -> str:
    """Format how many of the table's seeds a row has, and how many diverged."""
    if row.published:
        return MISSING
    total = len(table.seeds)
    text = f"{len(row.seeds)}/{total}"
    return f"{text}, {len(row.diverged)} diverged" if row.diverged else text


def floor(table: Table, metric: str) -> str:
    """Format the real-vs-real baseline of a metric."""
    if metric not in table.floors:
        return MISSING
    mean, count = table.floors[metric]
    return f"{number(mean)} (n={count})"
