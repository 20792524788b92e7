"""A leaderboard as CSV: one line a number."""

from __future__ import annotations

import csv
import io

from benchbed.report.leaderboard import Leaderboard, Row, Table

FIELDS = (
    "leaderboard", "paper_row", "dataset", "source", "fingerprint", "protocol", "preset", "size",
    "budget", "samples", "precision", "method", "label", "seeds", "diverged", "metric",
    "direction", "mean", "sd", "low", "high",
    "floor", "best", "paper_value", "verdict", "reasons", "runs",
)  # fmt: skip


def render(board: Leaderboard) -> str:
    """Every cell as a line; the same records give the same bytes."""
    text = io.StringIO()
    writer = csv.DictWriter(text, FIELDS, lineterminator="\n")
    writer.writeheader()
    for table in board.tables:
        for row in table.rows:
            writer.writerows(_lines(board, table, row))
    return text.getvalue()


def _lines(board: Leaderboard, table: Table, row: Row) -> list[dict[str, object]]:
    # The protocol is that of our runs; a published row keeps what says which table it is in.
    kept = ("dataset", "protocol") if row.published else FIELDS
    shared = {name: table.protocol[name] for name in kept if name in table.protocol}
    common: dict[str, object] = {
        "leaderboard": board.name,
        "paper_row": table.paper or "",
        **shared,
        "method": row.method,
        "label": row.label,
        "seeds": " ".join(map(str, row.seeds)),
        "diverged": " ".join(map(str, row.diverged)),
        "runs": " ".join(row.runs),
    }
    lines: list[dict[str, object]] = []
    for spec in table.metrics:
        cell = row.cells[spec.name]
        floor = table.floors.get(spec.name)
        lines.append(
            {
                **common,
                "metric": spec.name,
                "direction": spec.direction,
                "mean": "" if cell.mean is None else repr(cell.mean),
                "sd": "" if cell.sd is None else repr(cell.sd),
                "low": "" if cell.interval is None else repr(cell.interval[0]),
                "high": "" if cell.interval is None else repr(cell.interval[1]),
                "floor": "" if floor is None else repr(floor[0]),
                "best": "yes" if cell.best else "",
                "paper_value": cell.printed or "",
                "verdict": cell.verdict.word if cell.verdict else "",
                "reasons": "; ".join(cell.verdict.reasons) if cell.verdict else "",
            }
        )
    return lines
