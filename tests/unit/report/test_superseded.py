"""Superseded records and values are shown with their reason and take no part in statistics."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from benchbed.api.specs import MetricSpec
from benchbed.errors import BenchbedError
from benchbed.registry.lookup import get_registry
from benchbed.report.model.build import build_budget_figures, build_frame, build_overview
from benchbed.report.model.leaderboard import Leaderboard
from benchbed.report.render import csv as csv_module
from benchbed.report.render import latex, markdown
from benchbed.results.record import Record
from benchbed.results.run_comparison import compare_runs
from benchbed.results.store import ResultStore

Make = Callable[..., Record]

REASON = "the metric counted the surface"
SELECTION = {"reason": REASON, "since": "0.2.0", "protocol_versions": [1]}


def _store(folder: Path, records: list[Record], *entries: dict[str, Any]) -> ResultStore:
    store = ResultStore(folder)
    for record in records:
        store.write_record(record)
    (folder / "superseded.yaml").write_text(yaml.safe_dump({"superseded": list(entries)}))
    return store


def _leaderboard(store: ResultStore) -> Leaderboard:
    metrics = get_registry().get_specs(MetricSpec)
    return build_overview(build_frame(store.load_records()), "synthesis", metrics)


def test_a_superseded_value_is_shown_with_its_reason_and_is_not_the_best(
    make: Make, tmp_path: Path
) -> None:
    records = [make(m, values={"swd": v, "kl": v}) for m, v in (("dcgan", 0.3), ("wgan", 0.1))]
    store = _store(tmp_path, records, {**SELECTION, "methods": ["wgan"], "metrics": ["swd"]})
    board = _leaderboard(store)
    dcgan, wgan = board.tables[0].rows
    assert dcgan.cells["swd"].is_best
    assert wgan.cells["swd"].mean is None
    assert wgan.cells["swd"].superseded_values == {0: "0.1"}
    assert wgan.cells["kl"].mean == 0.1, "other values of the record stay"
    page = markdown.render_markdown(board)
    assert "| – (superseded: 0.1)<sup>a</sup> |" in page
    assert REASON in page
    assert REASON in latex.render_latex(board)
    lines = list(csv.DictReader(io.StringIO(csv_module.render_csv(board))))
    (line,) = (each for each in lines if (each["method"], each["metric"]) == ("wgan", "swd"))
    assert (line["mean"], line["superseded"], line["seeds"]) == ("", "0:0.1", "")
    assert REASON in line["superseded_reasons"]


def test_a_superseded_record_takes_no_part_in_means_and_intervals(
    make: Make, tmp_path: Path
) -> None:
    records = [make(seed=s, values={"swd": float(s)}) for s in range(4)]
    store = _store(tmp_path, records, {"reason": REASON, "since": "0.2.0", "runs": [records[3].id]})
    assert [bool(record.superseded) for record in store.load_records()] == [False] * 3 + [True]
    cell = _leaderboard(store).tables[0].rows[0].cells["swd"]
    assert cell.mean == 1.0
    assert list(cell.values) == [0, 1, 2]
    # 1 ± 4.303 / sqrt(3), and a distance is not negative.
    assert cell.seed_interval == pytest.approx((0.0, 3.4841), abs=1e-4)


def test_comparisons_and_figures_leave_superseded_values_out(make: Make, tmp_path: Path) -> None:
    records = [
        make(m, values={"swd": v}, dataset=d, fingerprint=d, kimg=k)
        for m, v in (("acgan", 0.1), ("dcgan", 0.2), ("wgan", 0.3))
        for d in "ab"
        for k in (2.0, 4.0)
    ]
    store = _store(tmp_path, records, {**SELECTION, "methods": ["acgan"], "max_kimg": 2.0})
    board = _leaderboard(store)
    ranked = [{rank.label for rank in c.metrics[0].ranks} for c in board.comparisons]
    assert sorted(map(len, ranked)) == [2, 3]
    metrics = get_registry().get_specs(MetricSpec)
    frame = build_frame(store.load_records())
    (figure,) = build_budget_figures("synthesis", frame, [metrics["swd"]], {})
    assert {curve.label for panel in figure.panels for curve in panel.curves} == {"dcgan", "wgan"}


def test_a_superseded_diverged_run_is_marked_and_counts_nowhere(make: Make, tmp_path: Path) -> None:
    diverged = make("pggan", state="diverged")
    records = [diverged, *(make(m, dataset=d) for m in ("dcgan", "wgan") for d in "ab")]
    store = _store(tmp_path, records, {"reason": REASON, "since": "1", "runs": [diverged.id]})
    board = _leaderboard(store)
    assert REASON in markdown.render_markdown(board)
    assert not any("pggan" in w for c in board.comparisons for w in c.warnings)


def test_runs_with_a_superseded_value_are_not_compared_by_it(make: Make, tmp_path: Path) -> None:
    records = [make(m, values={"swd": v, "kl": v}) for m, v in (("dcgan", 0.3), ("wgan", 0.1))]
    store = _store(tmp_path, records, {**SELECTION, "methods": ["wgan"], "metrics": ["swd"]})
    comparison = compare_runs(store.load_records(), get_registry().get_specs(MetricSpec))
    rows = {row.metric: row for row in comparison.metric_rows}
    assert rows["swd"].best == frozenset()
    assert REASON in rows["swd"].note


def test_the_selection_matches_every_given_field(make: Make, tmp_path: Path) -> None:
    records = [make(m, s, dataset=d) for m in ("dcgan", "wgan") for s in (0, 1) for d in "ab"]
    store = _store(tmp_path, records, {**SELECTION, "methods": ["wgan"], "datasets": ["b"]})
    found = {(r.method, r.dataset) for r in store.load_records() if r.superseded}
    assert found == {("wgan", "b")}


def test_an_augmentation_is_selected_by_the_generator_of_its_pairs(
    make: Make, tmp_path: Path
) -> None:
    def make_unet(generator: str) -> Record:
        pairs = {"regime": "mixed", "generator": generator, "count": 50}
        return make(
            "unet", task="augmentation", pairs=pairs, values={"dice": 0.5}, kimg=len(generator)
        )

    records = [make("dcgan"), make_unet("dual-gan"), make_unet("skrgan")]
    store = _store(tmp_path, records, {**SELECTION, "generators": ["skrgan"]})
    marked = [r.pairs and r.pairs.generator for r in store.load_records() if r.superseded]
    assert marked == ["skrgan"]


def test_a_newer_protocol_version_is_not_selected(make: Make, tmp_path: Path) -> None:
    """So the repeated run counts."""
    store = _store(tmp_path, [make(), make(seed=1, version=2)], SELECTION)
    assert [bool(record.superseded) for record in store.load_records()] == [True, False]


def test_a_record_is_written_without_the_mark_and_cannot_set_it(make: Make, tmp_path: Path) -> None:
    record = make()
    store = _store(tmp_path, [record], SELECTION)
    path = store.get_record_path(record.id)
    before = path.read_bytes()
    marked = store.load_record(record.id)
    assert marked is not None
    assert marked.superseded
    store.write_record(marked)
    assert path.read_bytes() == before
    path.write_text(json.dumps({**json.loads(before), "superseded": "x"}))
    (tmp_path / "superseded.yaml").unlink()
    again = store.load_record(record.id)
    assert again is not None
    assert not again.superseded


@pytest.mark.parametrize(
    ("entry", "facts"),
    [
        ({**SELECTION, "metods": ["wgan"]}, ("metods", "methods")),
        ({"reason": REASON, "since": "1", "runs": ["no-such-run"]}, ("no-such-run",)),
        ({"reason": REASON, "since": "1", "methods": ["wgan"]}, ("protocol_versions",)),
        ({"since": "1", "protocol_versions": [1]}, ("reason",)),
        ({**SELECTION, "methods": []}, ("methods",)),
    ],
)
def test_invalid_entries_are_refused(
    make: Make, tmp_path: Path, entry: dict[str, Any], facts: tuple[str, ...]
) -> None:
    store = _store(tmp_path, [make()], entry)
    with pytest.raises(BenchbedError) as caught:
        store.load_records()
    assert all(fact in str(caught.value) for fact in ("superseded.yaml", *facts))


@pytest.mark.parametrize("content", ["", "[]", "superseded: 3", "other: []"])
def test_a_file_of_another_shape_is_refused(make: Make, tmp_path: Path, content: str) -> None:
    store = _store(tmp_path, [make()])
    (tmp_path / "superseded.yaml").write_text(content)
    with pytest.raises(BenchbedError, match=r"superseded\.yaml"):
        store.load_records()


def test_a_date_without_quotes_is_accepted(make: Make, tmp_path: Path) -> None:
    store = _store(tmp_path, [make()])
    text = "superseded: [{reason: r, since: 2026-12-01, protocol_versions: [1]}]"
    (tmp_path / "superseded.yaml").write_text(text)
    assert "2026-12-01" in store.load_records()[0].superseded
