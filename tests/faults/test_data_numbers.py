"""Numbers in records: one that no reader can compute with is refused, or shown and in no mean."""

from __future__ import annotations

import json
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

Tried = Callable[..., None]
Make = Callable[..., Record]
Change = Callable[[dict[str, Any]], None]

INF, NAN = float("inf"), float("nan")
HUGE = 10**400
"""A whole number that no float holds."""

REFUSED: dict[str, list[Any]] = {
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
"""What stands at a place of a record, as JSON."""


def _put(content: dict[str, Any], place: str, value: Any) -> None:
    *way, last = place.split(".")
    inside: Any = content
    for name in way:
        inside = inside[int(name) if isinstance(inside, list) else name]
    inside[last] = value


def _parsed(record: Record, change: Change = lambda content: None) -> Record:
    """The record, changed, by way of the JSON that somebody sends."""
    content = record.model_dump(mode="json")
    change(content)
    return parse_record(json.loads(json.dumps(content)), "r.json")


@pytest.mark.attack(
    promise="One record or archive of a stranger does not break the reports of all others.",
    attack="numbers that are texts, NaN, infinite, negative or of 400 digits, in records",
)
def test_a_number_that_no_reader_can_use_is_refused_in_a_record(
    make_record: Make, tried: Tried
) -> None:
    for place, values in REFUSED.items():
        for value in values:
            with pytest.raises(BenchbedError, match=r"The record r\.json is damaged at") as caught:
                _parsed(make_record(), lambda content: _put(content, place, value))  # noqa: B023
            assert place.partition(".")[0] in str(caught.value)
            assert "\n" not in str(caught.value)
            tried(place)


@pytest.mark.attack(
    promise="One record or archive of a stranger does not break the reports of all others.",
    attack="the same in archives that agree with themselves",
)
def test_a_number_that_no_reader_can_use_is_refused_in_an_archive(
    forged: Callable[[Change], Path], tried: Tried
) -> None:
    for place, values in REFUSED.items():
        for value in values:
            path = forged(lambda content: _put(content, place, value))  # noqa: B023
            with pytest.raises(ArchiveError) as caught:
                check_archive(path)
            assert "\n" not in str(caught.value)
            tried(place)


@pytest.mark.attack(
    promise="One record or archive of a stranger does not break the reports of all others.",
    attack="a name of 300 letters, which no disk takes",
)
def test_a_name_that_no_disk_takes_is_refused(make_record: Make) -> None:
    with pytest.raises(BenchbedError, match="is damaged at 'id'"):
        _parsed(make_record(), lambda content: content.update(id="a" * 300))


SEEDS: tuple[tuple[float, ...], ...] = (
    (0.1, INF), (0.1, -INF), (INF, -INF), (NAN, 0.1), (1e308, 1e308), (1e308, 1e300, 0.1),
    (INF,), (0.1, 0.2, 0.3, NAN),
)  # fmt: skip
"""A metric's values by seed."""


def _wild(content: dict[str, Any]) -> None:
    content["metrics"][0] |= {"floor": INF, "low": -INF, "high": NAN}


@pytest.mark.attack(
    promise="Divergence is a result: recorded, shown as such, and never averaged away.",
    attack="metrics that are NaN, infinite or near the end of all floats in some seeds",
)
def test_a_value_that_is_no_number_is_shown_and_in_no_mean(
    make_record: Make, tmp_path: Path, tried: Tried
) -> None:
    metrics = get_registry().get_specs(MetricSpec)
    other = make_record("wgan", values={"swd": 0.5})
    for values in SEEDS:
        records = [
            _parsed(make_record("dcgan", seed, values={"swd": value}), _wild)
            for seed, value in enumerate(values)
        ]
        (board,) = boards = build_leaderboards([*records, other], tmp_path)
        (row,) = (row for row in board.tables[0].rows if row.method == "dcgan")
        cell = row.cells["swd"]
        sound = [value for value in values if abs(value) < 1]
        lost = {seed: f"{value:g}" for seed, value in enumerate(values) if value not in sound}
        assert (cell.mean, cell.unusable_values) == (
            pytest.approx(fmean(sound)) if sound else None,
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
            assert all(values[first + place] in sound for place in line.best)
        tried()


@pytest.mark.attack(
    promise="Divergence is a result: recorded, shown as such, and never averaged away.",
    attack="an infinite value on one of three data sets, where methods are compared over all",
)
def test_a_value_that_is_no_number_has_no_rank(make_record: Make, tmp_path: Path) -> None:
    values = {"dcgan": (0.1, 0.2, 0.3), "wgan": (0.2, 0.3, INF)}
    records = [
        _parsed(make_record(method, values={"swd": value}, dataset=f"d{number}"))
        for method, theirs in values.items()
        for number, value in enumerate(theirs)
    ]
    (board,) = build_leaderboards(records, tmp_path)
    (comparison,) = board.comparisons
    (found,) = comparison.metrics
    assert found.datasets == ("d0", "d1")
    assert [(rank.label, rank.mean) for rank in found.ranks] == [("dcgan", 1.0), ("wgan", 2.0)]
    told = [*found.warnings, *comparison.warnings]
    assert any(text.startswith("wgan diverged in 1 run; ") for text in told)


@pytest.mark.attack(
    promise="Divergence is a result: recorded, shown as such, and never averaged away.",
    attack="an archive whose metrics are infinite and NaN: imported twice, then reported",
)
def test_an_archive_of_a_diverged_value_is_imported_and_reported(
    forged: Callable[[Change], Path], tmp_path: Path
) -> None:
    def change(content: dict[str, Any]) -> None:
        content["metrics"][0]["value"] = INF
        content["metrics"][1]["value"] = NAN

    store = ResultStore(tmp_path / "results")
    offer = check_archive(forged(change))
    assert import_run(offer, store) is True
    assert import_run(offer, store) is False
    boards = build_leaderboards(store.load_records(), tmp_path)
    page = render_page(boards, store.load_records(), store.root)
    assert "– (seed 0: inf)" in page
    assert "– (seed 0: nan)" in page
