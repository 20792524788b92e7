"""Render leaderboards as CSV: one line per value, rank or pair."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Mapping, Sequence

from benchbed.api.specs import MetricSpec
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
    "imported", "better_incomplete", "superseded", "superseded_reasons",
)  # fmt: skip

COMPARISON_FIELDS = (
    "leaderboard", "source", "preset", "size", "budget", "samples", "reference_split", "precision",
    "datasets", "metric", "direction", "friedman_p", "critical_difference",
    "kind", "method", "other", "rank", "best", "tied", "pairs", "wins", "losses",
    "difference", "low", "high", "p",
)  # fmt: skip


def render_csv(leaderboard: Leaderboard) -> str:
    """Return a CSV with one line per cell; equal records give equal bytes."""
    lines = (
        _build_line(leaderboard, table, row, spec)
        for table in leaderboard.tables
        for row in table.rows
        for spec in table.metrics
    )
    return _write_lines(FIELDS, lines)


def render_comparisons(leaderboard: Leaderboard) -> str:
    """Return a CSV with one line per mean rank and pair; equal records give equal bytes."""
    lines = (
        line
        for comparison in leaderboard.comparisons
        for part in comparison.metrics
        for line in _iter_comparison_lines(leaderboard, comparison, part)
    )
    return _write_lines(COMPARISON_FIELDS, lines)


def _write_lines(fields: Sequence[str], lines: Iterable[Mapping[str, object]]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, fields, lineterminator="\n")
    writer.writeheader()
    writer.writerows(lines)
    return text.getvalue()


def _build_line(
    leaderboard: Leaderboard, table: Table, row: Row, spec: MetricSpec
) -> dict[str, object]:
    # A published row has no run here, so the details of our protocol do not apply to it.
    fields = ("dataset", "protocol") if row.is_published_only else FIELDS
    cell = row.cells[spec.name]
    low, high = cell.interval or (None, None)
    seed_low, seed_high = cell.seed_interval or (None, None)
    texts = {note.mark: note.text for note in table.footnotes}
    return {
        "leaderboard": leaderboard.name,
        "paper_row": table.paper,
        **{name: table.protocol[name] for name in fields if name in table.protocol},
        "method": row.method,
        "label": row.label,
        "runs": " ".join(row.runs),
        "imported": row.import_note,
        "seeds": " ".join(
            str(seed)
            for seed in row.seeds
            if seed not in cell.unusable_values and seed not in cell.superseded_values
        ),
        "diverged": " ".join(map(str, sorted({*row.diverged, *cell.unusable_values}))),
        "metric": spec.name,
        "direction": spec.direction,
        "mean": cell.mean,
        "sd": cell.sd,
        "low": low,
        "high": high,
        "seed_low": _round_digits(seed_low),
        "seed_high": _round_digits(seed_high),
        "floor": table.baselines.get(spec.name, (None,))[0],
        "best": _format_flag(cell.is_best),
        "tied": _format_flag(cell.is_tied),
        "paper_value": cell.paper_value,
        "footnotes": " ".join(texts[mark] for mark in cell.marks),
        "verdict": cell.verdict and cell.verdict.word,
        "reasons": cell.verdict and "; ".join(cell.verdict.reasons),
        "better_incomplete": _format_flag(cell.is_better_incomplete),
        "superseded": " ".join(f"{s}:{text}" for s, text in cell.superseded_values.items()),
        "superseded_reasons": " ".join([*row.superseded_reasons, *cell.superseded_reasons]),
    }


def _iter_comparison_lines(
    leaderboard: Leaderboard, comparison: MethodComparison, part: MetricComparison
) -> Iterator[dict[str, object]]:
    common = {
        "leaderboard": leaderboard.name,
        **{name: v for name, v in comparison.shared.items() if name in COMPARISON_FIELDS},
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
            "best": _format_flag(rank.is_best),
            "tied": _format_flag(rank.is_tied),
        }
    for pair in part.pairs:
        low, high = pair.interval or (None, None)
        yield {
            **common,
            "kind": "pair",
            "method": pair.first,
            "other": pair.second,
            "pairs": pair.count,
            "wins": pair.wins,
            "losses": pair.losses,
            "difference": _round_digits(pair.difference),
            "low": _round_digits(low),
            "high": _round_digits(high),
            "p": _round_digits(pair.p_value),
        }


def _format_flag(flag: bool) -> str:
    return "yes" if flag else ""


def _round_digits(value: float | None) -> str:
    """Format six significant digits: further ones may differ between versions of scipy."""
    return "" if value is None else f"{value:.6g}"
