"""Every number of results/FINDINGS.md is that of its records."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from pathlib import Path
from statistics import fmean

import numpy as np
import pytest

from benchbed.report import text
from benchbed.report.limits import BOOTSTRAP_SEEDS
from benchbed.report.statistics import bootstrap_intervals
from benchbed.runs.record import Measured, Record, read_record

RESULTS = Path(__file__).parents[2] / "results"
FINDINGS = (RESULTS / "FINDINGS.md").read_text(encoding="utf-8")

LINK = re.compile(r"\]\(([^)#]+)\)")
PICTURE = re.compile(r'src="([^"]+)"')

Line = dict[str, str]


def _tables() -> Iterator[list[Line]]:
    """Every table, as its lines by heading."""
    for block in re.findall(r"(?:^\|.*\|\n)+", FINDINGS, flags=re.MULTILINE):
        heading, _, *lines = (
            [cell.strip() for cell in line.strip().strip("|").split("|")]
            for line in block.splitlines()
        )
        yield [dict(zip(heading, line, strict=True)) for line in lines]


def _lines(*columns: str) -> list[Line]:
    return [line for table in _tables() for line in table if set(columns) <= line.keys()]


def _records(line: Line) -> list[Record]:
    return [read_record(RESULTS / path) for path in LINK.findall(line["records"])]


def _measured(record: Record, metric: str) -> Measured:
    (found,) = (m for m in record.metrics if m.metric == metric)
    return found


def told(metric: str, records: list[Record]) -> str:
    """A value as FINDINGS.md tells it.

    The mean and its 95 % interval over three seeds and more, the mean and the two values of two,
    the value and its own interval of one.
    """
    measured = [_measured(record, metric) for record in records]
    values = [float(m.value) for m in measured if m.value is not None]
    assert len(values) == len(records), "a run without a value"
    mean = text.number(fmean(values))
    if len(values) >= BOOTSTRAP_SEEDS:
        ((low, high),) = bootstrap_intervals(np.array([values]))
        return f"{mean} {text.interval(low, high)}"
    if len(values) > 1:
        return f"{mean} ({', '.join(map(text.number, values))})"
    low, high = measured[0].low, measured[0].high
    return mean if low is None or high is None else f"{mean} {text.interval(low, high)}"


def _label(record: Record) -> str:
    """What it was trained on, without the name of the generator's run, which differs by seed."""
    return "" if record.pairs is None else record.pairs.label


VALUES = _lines("metric", "value", "records")
PAIRS = _lines("first", "second", "metric", "wins", "difference", "board")


def test_there_is_something_to_check() -> None:
    assert len(VALUES) > 20
    assert len(PAIRS) > 3


@pytest.mark.parametrize("line", VALUES, ids=lambda line: " ".join(line.values())[:60])
def test_a_value_is_that_of_its_records(line: Line) -> None:
    """And all its records are of one kind: they differ in their seeds alone."""
    records = _records(line)
    assert line["value"] == told(line["metric"].strip("`"), records)
    kinds = {(r.method, r.protocol_hash, str(r.settings), _label(r)) for r in records}
    assert len(kinds) == 1
    assert len({record.seed for record in records}) == len(records)


@pytest.mark.parametrize("line", PAIRS, ids=lambda line: " ".join(line.values())[:60])
def test_a_difference_is_that_of_the_leaderboard(line: Line) -> None:
    """Seen from the side of the method that the line names first."""
    (board,) = LINK.findall(line["board"])
    source, budget = re.search(r"\[(\w+), (.+)\]", line["board"]).groups()  # type: ignore[union-attr]
    with (RESULTS / board.replace(".md", "-comparison.csv")).open(encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["kind"] == "pair"]
    both = {line["first"], line["second"]}
    (row,) = (
        row
        for row in rows
        if {row["method"], row["other"]} == both
        and (row["source"], row["budget"]) == (source, budget)
        and row["metric"] == line["metric"].strip("`")
    )
    sign = 1.0 if row["method"] == line["first"] else -1.0
    wins = (row["wins"], row["losses"])
    assert line["wins"] == ":".join(wins if sign > 0 else wins[::-1])
    low, high = sorted(sign * float(row[end]) for end in ("low", "high"))
    difference = text.number(sign * float(row["difference"]))
    assert line["difference"] == f"{difference} {text.interval(low, high)}"
    assert line.get("p", "") == (text.p_value(float(row["p"])) if row["p"] else "–")


def test_every_link_and_picture_is_there() -> None:
    paths = [p for p in LINK.findall(FINDINGS) + PICTURE.findall(FINDINGS) if "://" not in p]
    assert paths
    missing = [path for path in paths if not (RESULTS / path).exists()]
    assert not missing
