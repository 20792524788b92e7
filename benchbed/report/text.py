"""How numbers and cells read."""

from __future__ import annotations

from benchbed.api.specs import MetricSpec
from benchbed.report.leaderboard import MISSING, Cell, Row, Table

TIED = "≈"
"""Behind what cannot be told from the best."""

ARROW = {"up": " ↑", "down": " ↓", "none": ""}


def number(value: float) -> str:
    """Four significant digits, without an exponent where there is room."""
    return f"{value:.4g}" if 1e-4 <= abs(value) < 1e6 or value == 0 else f"{value:.3e}"


def interval(low: float, high: float) -> str:
    """A confidence interval."""
    return f"[{number(low)}, {number(high)}]"


def p_value(p: float) -> str:
    """Two significant digits; very small ones as a bound."""
    return "< 0.0001" if p < 1e-4 else f"{p:.2g}"


def title(table: Table) -> str:
    """What the rows of a table share, after the paper's row where it stands beside one."""
    return f"{table.paper}: {table.title}" if table.paper else table.title


def reasons(table: Table) -> list[str]:
    """Why values of a table do not compare with the paper's, each reason once."""
    verdicts = [c.verdict for row in table.rows for c in row.cells.values() if c.verdict]
    return list(dict.fromkeys("; ".join(v.reasons) for v in verdicts if v.reasons))


def heading(spec: MetricSpec) -> str:
    """A metric's column heading, with the arrow towards better."""
    return spec.title + ARROW[spec.direction]


def value(cell: Cell) -> str:
    """Mean, with the standard deviation over seeds, an interval, and whether it ties.

    The interval is that of the one value, or of the mean over three seeds and more. Where some of
    the row's seeds have no value, it is said how many have, and what was measured instead.
    """
    lost = ", ".join(f"seed {seed}: {what}" for seed, what in cell.lost.items())
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
    """How many of the table's seeds a row has, and how many diverged."""
    if row.published:
        return MISSING
    total = len(table.seeds)
    text = f"{len(row.seeds)}/{total}"
    return f"{text}, {len(row.diverged)} diverged" if row.diverged else text


def floor(table: Table, metric: str) -> str:
    """The real-versus-real value of a metric."""
    if metric not in table.floors:
        return MISSING
    mean, count = table.floors[metric]
    return f"{number(mean)} (n={count})"
