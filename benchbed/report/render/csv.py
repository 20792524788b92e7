"""Render leaderboards as CSV: one line per value, rank or pair."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator

from benchbed.report.model.leaderboard import (
    Leaderboard,
    MethodComparison,
    MetricComparison,
    Row,
    Table,
)

FIELDS = (
    "leaderboard", "paper_row", "dataset", "source", "fingerprint", "protocol", "preset", "size",
    "budget", "samples", "precision", "method", "label", "seeds", "diverged", "metric",
    "direction", "mean", "sd", "low", "high", "seed_low", "seed_high",
    "floor", "best", "tied", "paper_value", "footnotes", "verdict", "reasons", "runs",
    "imported",
)  # fmt: skip

COMPARISON_FIELDS = (
    "leaderboard", "source", "preset", "size", "budget", "samples", "reference_split", "precision",
    "datasets", "metric", "direction", "friedman_p", "critical_difference",
    "kind", "method", "other", "rank", "best", "tied", "pairs", "wins", "losses",
    "difference", "low", "high", "p",
)  # fmt: skip


def render_csv(board: Leaderboard) -> str:
    """Return a CSV with one line per cell; equal records give equal bytes."""
    text = io.StringIO()
    writer = csv.DictWriter(text, FIELDS, lineterminator="\n")
    writer.writeheader()
    for table in board.tables:
        for row in table.rows:
            writer.writerows(_build_lines(board, table, row))
    return text.getvalue()


def _build_lines(board: Leaderboard, table: Table, row: Row) -> list[dict[str, object]]:
    # A published row has no run here, so the details of our protocol do not apply to it.
    fields = ("dataset", "protocol") if row.is_published_only else FIELDS
    shared = {name: table.protocol[name] for name in fields if name in table.protocol}
    common: dict[str, object] = {
        "leaderboard": board.name,
        "paper_row": table.paper or "",
        **shared,
        "method": row.method,
        "label": row.label,
        "runs": " ".join(row.runs),
        "imported": row.import_note,
    }
    texts = {note.mark: note.text for note in table.footnotes}
    lines: list[dict[str, object]] = []
    for spec in table.metrics:
        cell = row.cells[spec.name]
        floor = table.baselines.get(spec.name)
        diverged = sorted({*row.diverged, *cell.unusable_values})
        lines.append(
            {
                **common,
                "seeds": " ".join(
                    str(seed) for seed in row.seeds if seed not in cell.unusable_values
                ),
                "diverged": " ".join(map(str, diverged)),
                "metric": spec.name,
                "direction": spec.direction,
                "mean": "" if cell.mean is None else repr(cell.mean),
                "sd": "" if cell.sd is None else repr(cell.sd),
                "low": "" if cell.interval is None else repr(cell.interval[0]),
                "high": "" if cell.interval is None else repr(cell.interval[1]),
                "seed_low": ""
                if cell.seed_interval is None
                else _round_digits(cell.seed_interval[0]),
                "seed_high": ""
                if cell.seed_interval is None
                else _round_digits(cell.seed_interval[1]),
                "floor": "" if floor is None else repr(floor[0]),
                "best": "yes" if cell.is_best else "",
                "tied": "yes" if cell.is_tied else "",
                "paper_value": cell.paper_value or "",
                "footnotes": " ".join(texts[mark] for mark in cell.marks),
                "verdict": cell.verdict.word if cell.verdict else "",
                "reasons": "; ".join(cell.verdict.reasons) if cell.verdict else "",
            }
        )
    return lines


def render_comparisons(board: Leaderboard) -> str:
    """Return a CSV with one line per mean rank and pair; equal records give equal bytes."""
    text = io.StringIO()
    writer = csv.DictWriter(text, COMPARISON_FIELDS, lineterminator="\n", restval="")
    writer.writeheader()
    for comparison in board.comparisons:
        for part in comparison.metrics:
            writer.writerows(_iter_comparison_lines(board, comparison, part))
    return text.getvalue()


def _iter_comparison_lines(
    board: Leaderboard, comparison: MethodComparison, part: MetricComparison
) -> Iterator[dict[str, object]]:
    shared = {name: value for name, value in comparison.shared.items() if name in COMPARISON_FIELDS}
    common = {
        "leaderboard": board.name,
        **shared,
        "datasets": " ".join(part.datasets),
        "metric": part.metric.name,
        "direction": part.metric.direction,
        "friedman_p": _round_digits(part.friedman_p),
        "critical_difference": _round_digits(part.critical_difference),
    }
    for rank in part.ranks:
        yield {
            **common,
            "kind": "rank",
            "method": rank.label,
            "rank": _round_digits(rank.mean),
            "best": "yes" if rank.is_best else "",
            "tied": "yes" if rank.is_tied else "",
        }
    for pair in part.pairs:
        yield {
            **common,
            "kind": "pair",
            "method": pair.first,
            "other": pair.second,
            "pairs": pair.count,
            "wins": pair.wins,
            "losses": pair.losses,
            "difference": _round_digits(pair.difference),
            "low": _round_digits(pair.interval and pair.interval[0]),
            "high": _round_digits(pair.interval and pair.interval[1]),
            "p": _round_digits(pair.p_value),
        }


def _round_digits(value: float | None) -> str:
    """Format six significant digits: further ones may differ between versions of scipy."""
    return "" if value is None else f"{value:.6g}"
