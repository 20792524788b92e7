"""Records of several protocol versions stay apart; a window is part of the protocol if chosen."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from benchbed.api.specs import MetricSpec
from benchbed.config.protocol import PROTOCOL_VERSION, Protocol
from benchbed.config.run_config import RunConfig
from benchbed.data.sources.identify import identify_collection
from benchbed.data.sources.resolve import resolve_collection
from benchbed.errors import BenchbedError
from benchbed.registry.lookup import get_registry
from benchbed.report.model.build import build_frame, build_overview
from benchbed.report.model.leaderboard import Leaderboard
from benchbed.report.render.tables import list_table_notes
from benchbed.results.lookup import find_config
from benchbed.results.record import Record
from benchbed.results.run_comparison import compare_runs
from benchbed.results.store import ResultStore
from benchbed.runs.planner import plan_run
from benchbed.runs.resume import find_completed_run

Make = Callable[..., Record]

DCGAN: dict[str, Any] = {"method": "dcgan", "dataset": "drive", "source": "phantom"}


@pytest.fixture
def metrics() -> dict[str, MetricSpec]:
    return get_registry().get_specs(MetricSpec)


def _make_records(make: Make, versions: tuple[int, ...]) -> list[Record]:
    """Return records of two methods on two datasets, equal except for the protocol's version."""
    return [
        make(method, dataset=dataset, version=version, values={"swd": 0.1 + 0.1 * number})
        for version in versions
        for number, method in enumerate(("dcgan", "wgan"))
        for dataset in ("drive", "stare")
    ]


def _build_board(records: list[Record], metrics: dict[str, MetricSpec]) -> Leaderboard:
    return build_overview(build_frame(records), "synthesis", metrics)


def test_versions_never_share_a_table(make_record: Make, metrics: dict[str, MetricSpec]) -> None:
    records = _make_records(make_record, (1, 2))
    versions = {record.id: record.protocol["version"] for record in records}
    board = _build_board(records, metrics)
    assert len(board.tables) == 4
    assert len(board.comparisons) == 2
    for table in board.tables:
        (version,) = {versions[run] for row in table.rows for run in row.runs}
        assert table.title.endswith(f"version {version}")
        assert f"version {version}" in list_table_notes(table)[0]
    assert len({table.title for table in board.tables}) == 4
    assert len({part.title for part in board.comparisons}) == 2


def test_tables_of_a_version_do_not_depend_on_others(
    make_record: Make, metrics: dict[str, MetricSpec]
) -> None:
    both = _build_board(_make_records(make_record, (1, 2)), metrics)
    old = _build_board(_make_records(make_record, (1,)), metrics)
    assert not any("version" in table.title for table in old.tables)
    assert {part.name for part in old.comparisons} < {part.name for part in both.comparisons}
    assert {str(table.rows) for table in old.tables} < {str(table.rows) for table in both.tables}


def test_versions_are_not_compared(make_record: Make, metrics: dict[str, MetricSpec]) -> None:
    first, second = (make_record(version=version) for version in (1, 2))
    assert first.id != second.id
    found = compare_runs([first, second], metrics)
    assert len(found.reasons) == 1
    assert "version" in found.reasons[0]
    assert not any(row.best for row in found.metric_rows)


def test_a_run_of_the_first_version_is_not_used(tmp_path: Path, make_record: Make) -> None:
    """Its record is no hit, and its folder is not resumed as a run of this version."""
    plan = plan_run(RunConfig(**DCGAN))
    assert plan.protocol.version == PROTOCOL_VERSION == 2
    content = plan.as_dict()
    old = Protocol(**{**content["protocol"], "version": 1})
    store = ResultStore(tmp_path)
    record = make_record(settings=plan.settings.model_dump(mode="json"), **old.as_dict())
    store.write_record(record)
    assert find_completed_run(plan, store, force=False, weights=False) is None
    store.write_state(
        record.id, "interrupted", {"plan": {**content, "protocol": old.as_dict(), "id": record.id}}
    )
    _, config = find_config(store, record.id)
    assert plan_run(config).id == plan.id != record.id


@pytest.fixture
def deep(tmp_path: Path) -> dict[str, Any]:
    """Return the configuration of a run on images of 16 bits."""
    for number in range(40):
        pixels = np.full((8, 8), 1000 * number, np.uint16)
        (tmp_path / "deep").mkdir(exist_ok=True)
        Image.fromarray(pixels).save(tmp_path / f"deep/{number}.png")
    return {"method": "dcgan", "dataset": f"folder:{tmp_path / 'deep'}"}


def test_the_window_is_in_the_hash_only_if_it_is_chosen(deep: dict[str, Any]) -> None:
    default = plan_run(RunConfig(**deep))
    assert "window" not in default.protocol.as_dict()
    chosen = [
        plan_run(RunConfig(**deep, window=text)) for text in ("0,4095", "0.0, 4095", "per-file")
    ]
    assert [plan.protocol.window for plan in chosen] == ["0,4095", "0,4095", "per-file"]
    assert chosen[0].id == chosen[1].id
    assert len({plan.id for plan in (default, *chosen)}) == 3
    assert "--window 0,4095" in chosen[0].command


def test_a_window_is_resumed(deep: dict[str, Any], tmp_path: Path) -> None:
    plan = plan_run(RunConfig(**deep, window="0,400"))
    store = ResultStore(tmp_path)
    store.write_state(plan.id, "interrupted", {"plan": plan.as_dict()})
    _, config = find_config(store, plan.id)
    assert config.window == "0,400"
    assert plan_run(config).id == plan.id


@pytest.mark.parametrize("text", ["", "1", "1,1", "2,1", "0,nan", "0,inf", "a,b", "1,2,3", "all"])
def test_a_window_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(BenchbedError, match="--window"):
        RunConfig(**DCGAN, window=text)


def test_the_window_is_part_of_the_reading_rules(deep: dict[str, Any]) -> None:
    found = resolve_collection(deep["dataset"])
    collection, _ = identify_collection(found, window=(0.0, 4095.0))
    assert collection.rules.window == (0.0, 4095.0)


def test_an_upstream_run_on_the_same_data_has_the_same_window() -> None:
    config = RunConfig(**DCGAN, window="0,9")
    assert config.derive_upstream(method="wgan", dataset="drive").window == "0,9"
    assert config.derive_upstream(method="wgan", dataset="stare").window is None
