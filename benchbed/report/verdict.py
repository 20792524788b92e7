"""Compare a value with the paper's and give one of four verdicts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Literal

from benchbed.report.references import ReferenceRow, ReferenceTable

VerdictWord = Literal["matches", "better", "worse", "not comparable"]


@dataclass(frozen=True)
class Verdict:
    """Result of a comparison with the paper, with reasons if the values are not comparable."""

    word: VerdictWord
    reasons: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.word} ({'; '.join(self.reasons)})" if self.reasons else self.word


def list_differences(
    table: ReferenceTable, row: ReferenceRow, run: Mapping[str, Any]
) -> tuple[str, ...]:
    """Return how a run, given as a row of the frame, differs from what the paper states."""
    found: list[str] = []
    if run["source"] == "phantom":
        found.append("phantom")
    elif run["dataset"] not in row.same_data:
        found.append("other data")
    # Methods without training, such as a human annotator, have no networks to reduce.
    if run["preset"] == "quick" and run["seconds"] > 0:
        found.append("reduced networks of preset quick")
    for name, stated in table.conditions.items():
        value = run[name]
        if value != stated:
            found.append(f"{_format_setting(name, value)}, paper {_format_setting(name, stated)}")
    line = table.methods.get(table.find_key(run) or "")
    if line is not None and line.pairs is not None and run["pair_count"] != line.pairs.count:
        found.append(f"{run['pair_count']} pairs, paper {line.pairs.count} pairs")
    return tuple(found)


def compare_with_paper(ours: float, printed: str, direction: str, reasons: Sequence[str]) -> Verdict:
    """Compare at the printed digits; papers round or truncate, so both count as a match."""
    if reasons:
        return Verdict("not comparable", tuple(reasons))
    if direction == "none":
        return Verdict("not comparable", ("the metric has no better direction",))
    paper = Decimal(printed)
    unit = Decimal(1).scaleb(int(paper.as_tuple().exponent))
    difference = Decimal(repr(ours)) - paper
    if abs(difference) < unit:
        return Verdict("matches")
    return Verdict("better" if (difference > 0) == (direction == "up") else "worse")


def _format_setting(name: str, value: object) -> str:
    return {"size": f"{value} px", "samples": f"{value} samples"}.get(name, f"{name} {value}")
