"""Every number of results/FINDINGS.md and results/PRECISION.md is recomputed from its records."""

from __future__ import annotations

import csv
import math
import re
from collections.abc import Iterator
from pathlib import Path
from statistics import fmean
from typing import NamedTuple

import pytest

from benchbed.api.specs import MetricSpec
from benchbed.registry.lookup import get_registry
from benchbed.report.statistics import compute_t_interval
from benchbed.results.record import MeasuredMetric, Record, read_record
from benchbed.utils.text import format_interval, format_number, format_p_value

RESULTS = Path(__file__).parents[2] / "results"
FINDINGS, PRECISION = (
    (RESULTS / name).read_text(encoding="utf-8") for name in ("FINDINGS.md", "PRECISION.md")
)

LINK = re.compile(r"\]\(([^)#]+)\)")
RECORD = re.compile(r"\[\d+\]\(([^)]*records/[^)]+)\)")
PICTURE = re.compile(r'src="([^"]+)"')
METRIC = re.compile(r"`([a-z-]+)`")

Line = dict[str, str]


class Value(NamedTuple):
    """A number and what it was computed from.

    Attributes:
        where: Line and column, for the name of the test.
        metric: Name of the metric.
        text: The cell.
        records: The records that the cell links to.
    """

    where: str
    metric: str
    text: str
    records: list[Record]


def _read_tables(page: str) -> Iterator[list[Line]]:
    """Yield every table, as its lines by heading."""
    for block in re.findall(r"(?:^\|.*\|\n)+", page, flags=re.MULTILINE):
        heading, _, *lines = (
            [cell.strip() for cell in line.strip().strip("|").split("|")]
            for line in block.splitlines()
        )
        yield [dict(zip(heading, line, strict=True)) for line in lines]


def _read_values(page: str) -> Iterator[Value]:
    """Yield every cell with links to records. Its heading or its line names the metric."""
    for line in (line for table in _read_tables(page) for line in table):
        for heading, cell in line.items():
            if paths := RECORD.findall(cell):
                (metric,) = METRIC.findall(heading) or METRIC.findall(line["metric"])
                content = RECORD.sub("", cell).strip()
                where = f"{next(iter(line.values()))} {heading}"
                yield Value(where, metric, content, [read_record(RESULTS / p) for p in paths])


def _find_measured(record: Record, metric: str) -> MeasuredMetric:
    (found,) = (m for m in record.metrics if m.metric == metric)
    return found


def _collect_values(metric: str, records: list[Record]) -> list[float]:
    found = [_find_measured(record, metric).value for record in records]
    values = [float(value) for value in found if value is not None]
    assert len(values) == len(records), "a run without a value"
    return values


def format_value(metric: str, records: list[Record]) -> str:
    """Return a value in the format of the pages.

    From three seeds: the mean and its 95 % t interval over seeds; two: the mean and both values;
    one: the value and its interval over cases.
    """
    values = _collect_values(metric, records)
    mean = format_number(fmean(values))
    bounds = get_registry().get_specs(MetricSpec)[metric].bounds
    if (ends := compute_t_interval(values, bounds)) is not None:
        return f"{mean} {format_interval(*ends)}"
    if len(values) > 1:
        return f"{mean} ({', '.join(map(format_number, values))})"
    only = _find_measured(records[0], metric).interval
    return mean if only is None else f"{mean} {format_interval(*only)} over cases"


def _get_label(record: Record) -> str:
    """Return the training data, without the name of the generator run, which differs by seed."""
    return "" if record.pairs is None else record.pairs.label


def _select_lines(page: str, *columns: str) -> list[Line]:
    return [line for table in _read_tables(page) for line in table if set(columns) <= line.keys()]


VALUES = [*_read_values(FINDINGS), *_read_values(PRECISION)]
PAIRS = _select_lines(FINDINGS, "first", "second", "metric", "wins", "difference", "board")
SPREADS = _select_lines(PRECISION, "what", "metric", "inside")
RATIOS = _select_lines(PRECISION, "compared", "metric", "groups", "ratio")


def test_pages_contain_values() -> None:
    assert len(VALUES) > 20
    assert len(PAIRS) > 3
    assert len(SPREADS) > 7
    assert len(RATIOS) > 3


@pytest.mark.parametrize("value", VALUES, ids=lambda value: value.where[:60])
def test_value_matches_its_records(value: Value) -> None:
    """Also: its records differ only in their seeds."""
    assert value.text == format_value(value.metric, value.records)
    kinds = {
        (r.method, r.protocol_hash, r.precision, str(r.settings), _get_label(r))
        for r in value.records
    }
    assert len(kinds) == 1
    assert len({record.seed for record in value.records}) == len(value.records)


@pytest.mark.parametrize("line", PAIRS, ids=lambda line: " ".join(line.values())[:60])
def test_difference_matches_the_leaderboard(line: Line) -> None:
    """The sign is that of the method named first."""
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
    difference = format_number(sign * float(row["difference"]))
    assert line["difference"] == f"{difference} {format_interval(low, high)}"
    assert line.get("p", "") == (format_p_value(float(row["p"])) if row["p"] else "–")


@pytest.mark.parametrize("line", SPREADS, ids=lambda line: " ".join(line.values())[:40])
def test_inside_means_within_the_range_of_the_other_seeds(line: Line) -> None:
    """The mean of either is between the smallest and largest value of the other."""
    metric, one, other = _find_compared(line)
    ours, theirs = _collect_values(metric, one), _collect_values(metric, other)
    inside = _is_between(fmean(ours), theirs) and _is_between(fmean(theirs), ours)
    assert line["inside"] == ("yes" if inside else "no")


@pytest.mark.parametrize("line", RATIOS, ids=lambda line: " ".join(line.values())[:40])
def test_ratio_is_the_mean_over_methods_and_datasets(line: Line) -> None:
    """Each counts once: its seeds are averaged first."""
    above, below = line["compared"].split(" / ")
    logs: list[float] = []
    for spread in SPREADS:
        if {above, below} <= spread.keys() and spread["metric"] == line["metric"]:
            metric, first, second = _find_compared(spread)
            values = zip(
                _collect_values(metric, second), _collect_values(metric, first), strict=True
            )
            logs.append(fmean(math.log(value / before) for value, before in values))
    ends = compute_t_interval(logs)
    assert ends is not None
    ratio = f"{format_number(math.exp(fmean(logs)))} {format_interval(*map(math.exp, ends))}"
    assert (line["groups"], line["ratio"]) == (str(len(logs)), ratio)


def _find_compared(line: Line) -> tuple[str, list[Record], list[Record]]:
    """Return the metric and the runs of both columns, which differ in nothing else."""
    (metric,) = METRIC.findall(line["metric"])
    first, second = (name for name in line if name not in ("what", "metric", "inside"))
    one, other = (
        sorted(
            (read_record(RESULTS / path) for path in RECORD.findall(line[name])),
            key=lambda record: record.seed,
        )
        for name in (first, second)
    )
    assert [r.seed for r in one] == [r.seed for r in other]
    assert {r.protocol_hash for r in one} == {r.protocol_hash for r in other}
    expected = (first, second) if second == "bf16" else ("fp32", "fp32")
    assert [{r.precision for r in runs} for runs in (one, other)] == [{name} for name in expected]
    return metric, one, other


def _is_between(value: float, others: list[float]) -> bool:
    return min(others) <= value <= max(others)


def test_links_and_pictures_exist() -> None:
    pages = FINDINGS + PRECISION
    paths = [p for p in LINK.findall(pages) + PICTURE.findall(pages) if "://" not in p]
    assert paths
    missing = [path for path in paths if not (RESULTS / path).exists()]
    assert not missing
