"""Numbers in records: unusable ones are rejected, or shown and excluded from means."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from statistics import fmean
from typing import Any

import pytest

from benchbed.api.specs import MetricSpec
from benchbed.errors import BenchbedError
from benchbed.registry.lookup import get_registry
from benchbed.report.render.html.page import render_page
from benchbed.report.write import build_leaderboards, write_leaderboards
from benchbed.results.record import Record, parse_record
from benchbed.results.run_comparison import compare_runs
from benchbed.results.store import ResultStore
from benchbed.sharing.archive import ArchiveError
from benchbed.sharing.install import check_archive, import_run

CountAttempt = Callable[..., None]
Make = Callable[..., Record]
Change = Callable[[dict[str, Any]], None]

INF, NAN = float("inf"), float("nan")
HUGE = 10**400
"""An integer that does not fit in a float."""

INVALID: dict[str, list[Any]] = {
    "protocol.kimg": ["16", NAN, INF, -1, HUGE, True, [16]],
    "protocol.seconds": ["60", NAN, INF, HUGE],
    "protocol.size": ["64", 64.5, -64, HUGE, None],
    "protocol.samples": ["100", HUGE],
    "protocol.preset": [3],
    "training.kimg": [NAN, INF, -INF, 1e308, -1, HUGE],
    "training.seconds": [NAN, INF, 1e308, HUGE],
    "training.images_per_second": [NAN, INF, 1e308],
    "training.peak_memory_bytes": [HUGE, -1, INF],
    "training.steps": [HUGE, NAN],
    "training.updates": [{"generator": HUGE}],
    "cases": [{"train": HUGE}],
    "seed": [HUGE, -1],
    "metrics.0.n_real": [HUGE, -1],
    "metrics.0.n_floor": [HUGE],
    "provenance.memory_bytes": [HUGE],
    "provenance.cores": [HUGE],
    "pairs": [{"regime": "mixed", "kimg": NAN}, {"regime": "real", "real_share": INF}],
    "masks": [{"dataset": "d", "annotator": "a", "run": "r", "kimg": INF}],
}
"""Invalid JSON values by field of a record."""


def _set_field(content: dict[str, Any], place: str, value: Any) -> None:
    *parents, last = place.split(".")
    parent: Any = content
    for name in parents:
        parent = parent[int(name) if isinstance(parent, list) else name]
    parent[last] = value


def _change_and_parse(record: Record, change: Change = lambda content: None) -> Record:
    """Change the JSON of a record and parse it."""
    content = record.model_dump(mode="json")
    change(content)
    return parse_record(json.loads(json.dumps(content)), "r.json")


@pytest.mark.attack(
    guarantee="An untrusted record or archive does not break the reports of other records.",
    attack="strings and NaN, infinite, negative and 400-digit numbers in records",
)
def test_unusable_numbers_in_a_record_are_rejected(
    make_record: Make, count_attempt: CountAttempt
) -> None:
    for place, values in INVALID.items():
        for value in values:
            with pytest.raises(BenchbedError, match=r"r\.json") as caught:
                _change_and_parse(make_record(), lambda content: _set_field(content, place, value))  # noqa: B023
            assert place.partition(".")[0] in str(caught.value)
            assert "\n" not in str(caught.value)
            count_attempt(place)


@pytest.mark.attack(
    guarantee="An untrusted record or archive does not break the reports of other records.",
    attack="the same in archives with matching hashes",
)
def test_unusable_numbers_in_an_archive_are_rejected(
    make_forged_archive: Callable[[Change], Path], count_attempt: CountAttempt
) -> None:
    for place, values in INVALID.items():
        for value in values:
            path = make_forged_archive(lambda content: _set_field(content, place, value))  # noqa: B023
            with pytest.raises(ArchiveError) as caught:
                check_archive(path)
            assert "\n" not in str(caught.value)
            count_attempt(place)


@pytest.mark.attack(
    guarantee="An untrusted record or archive does not break the reports of other records.",
    attack="a name of 300 characters, longer than file systems allow",
)
def test_an_overlong_name_is_rejected(make_record: Make) -> None:
    with pytest.raises(BenchbedError, match=r"r\.json.*'id'"):
        _change_and_parse(make_record(), lambda content: content.update(id="a" * 300))


SEEDS: tuple[tuple[float, ...], ...] = (
    (0.1, INF), (0.1, -INF), (INF, -INF), (NAN, 0.1), (1e308, 1e308), (1e308, 1e300, 0.1),
    (INF,), (0.1, 0.2, 0.3, NAN),
)  # fmt: skip
"""Values of a metric by seed."""


def _set_infinite_interval(content: dict[str, Any]) -> None:
    content["metrics"][0] |= {"floor": INF, "low": -INF, "high": NAN}


@pytest.mark.attack(
    guarantee="Divergence is a result: it is recorded, shown, and excluded from means.",
    attack="metrics that are NaN, infinite or near the largest float for some seeds",
)
def test_a_value_that_is_not_finite_is_shown_but_excluded_from_means(
    make_record: Make, tmp_path: Path, count_attempt: CountAttempt
) -> None:
    metrics = get_registry().get_specs(MetricSpec)
    other = make_record("wgan", values={"swd": 0.5})
    for values in SEEDS:
        records = [
            _change_and_parse(
                make_record("dcgan", seed, values={"swd": value}), _set_infinite_interval
            )
            for seed, value in enumerate(values)
        ]
        (board,) = boards = build_leaderboards([*records, other], tmp_path)
        (row,) = (row for row in board.tables[0].rows if row.method == "dcgan")
        cell = row.cells["swd"]
        finite = [value for value in values if abs(value) < 1]
        lost = {seed: f"{value:g}" for seed, value in enumerate(values) if value not in finite}
        assert (cell.mean, cell.unusable_values) == (
            pytest.approx(fmean(finite)) if finite else None,
            lost,
        )
        assert (cell.is_best, cell.interval) == (False, None)
        assert board.tables[0].baselines["swd"][0] == 0.01
        files = write_leaderboards(boards, tmp_path / "out", ("md", "csv", "tex"))
        page = render_page(boards, [*records, other], tmp_path)
        shown = ", ".join(f"seed {seed}: {what}" for seed, what in lost.items())
        texts = {path.suffix: path.read_text(encoding="utf-8") for path in files}
        assert all(shown in text for text in (texts[".md"], texts[".tex"], page))
        diverged = f",{' '.join(map(str, lost))},swd,down,"
        assert diverged in texts[".csv"]
        for first, pair in enumerate(pairwise(records)):
            (line,) = compare_runs(pair, metrics).metric_rows
            assert all(values[first + place] in finite for place in line.best)
        count_attempt()


@pytest.mark.attack(
    guarantee="Divergence is a result: it is recorded, shown, and excluded from means.",
    attack="an infinite value on one of three datasets in a comparison over datasets",
)
def test_a_value_that_is_not_finite_is_excluded_from_ranks(
    make_record: Make, tmp_path: Path
) -> None:
    values = {"dcgan": (0.1, 0.2, 0.3), "wgan": (0.2, 0.3, INF)}
    records = [
        _change_and_parse(make_record(method, values={"swd": value}, dataset=f"d{number}"))
        for method, method_values in values.items()
        for number, value in enumerate(method_values)
    ]
    (board,) = build_leaderboards(records, tmp_path)
    (comparison,) = board.comparisons
    (ranking,) = comparison.metrics
    assert ranking.datasets == ("d0", "d1")
    assert [(rank.label, rank.mean) for rank in ranking.ranks] == [("dcgan", 1.0), ("wgan", 2.0)]
    warnings = [*ranking.warnings, *comparison.warnings]
    assert any(re.search(r"\bwgan\b.*\b1 run\b", text) for text in warnings)


@pytest.mark.attack(
    guarantee="Divergence is a result: it is recorded, shown, and excluded from means.",
    attack="an archive with infinite and NaN metrics: imported twice, then reported",
)
def test_an_archive_with_diverged_values_is_imported_and_reported(
    make_forged_archive: Callable[[Change], Path], tmp_path: Path
) -> None:
    def change(content: dict[str, Any]) -> None:
        content["metrics"][0]["value"] = INF
        content["metrics"][1]["value"] = NAN

    store = ResultStore(tmp_path / "results")
    offer = check_archive(make_forged_archive(change))
    assert import_run(offer, store) is True
    assert import_run(offer, store) is False
    boards = build_leaderboards(store.load_records(), tmp_path)
    page = render_page(boards, store.load_records(), store.root)
    assert "– (seed 0: inf)" in page
    assert "– (seed 0: nan)" in page
