"""Records, checkpoints and exports of every released schema stay readable.

`schema-N/` contains files that benchbed wrote when N was the newest record schema: records of every
task, and one small run with its checkpoint, its export and two of its samples. These files are
never changed; CONTRIBUTING.md explains how to add the next schema.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchbed.data.loader import to_pixels
from benchbed.report.render.html.page import render_page
from benchbed.report.write import build_leaderboards, write_leaderboards
from benchbed.results.record import SCHEMA_VERSION, Record, read_record, write_record
from benchbed.results.store import ResultStore
from benchbed.runs.build import load_trained_method
from benchbed.sharing.export import export_run, find_exportable_run
from benchbed.sharing.install import check_archive, import_run
from benchbed.training.sampling import draw_samples

HERE = Path(__file__).parent
SCHEMAS = sorted(HERE.glob("schema-*"))
TOLERANCE = 1.0
"""Allowed mean difference of samples in grey values; torch versions round differently."""


@pytest.fixture(params=SCHEMAS, ids=lambda path: path.name)
def old_results(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A copy of the results folder of one schema."""
    folder = tmp_path / "old_results"
    shutil.copytree(request.param, folder)
    return folder


def _read_run_record(folder: Path) -> Record:
    (run,) = (path.parent.name for path in folder.glob("runs/*/run.json"))
    return read_record(folder / "records" / f"{run}.json")


def _common_part(before: Any, after: Any) -> Any:
    """Return the parts of `after` that are also in `before`."""
    if isinstance(before, dict) and isinstance(after, dict):
        return {name: _common_part(before[name], after[name]) for name in before if name in after}
    if isinstance(before, list) and isinstance(after, list):
        return [_common_part(*pair) for pair in zip(before, after, strict=True)]
    return after


def test_every_schema_has_historic_files() -> None:
    assert [path.name for path in SCHEMAS] == [f"schema-{n}" for n in range(1, SCHEMA_VERSION + 1)]
    assert (
        sum(path.stat().st_size for path in HERE.rglob("*") if path.is_file())
        < 200_000 * SCHEMA_VERSION
    )


def test_old_records_keep_all_fields_when_rewritten(old_results: Path, tmp_path: Path) -> None:
    """Every old field is in the record that is written again."""
    paths = sorted((old_results / "records").glob("*.json"))
    tasks = {read_record(path).task for path in paths}
    assert tasks >= {"synthesis", "segmentation", "augmentation", "translation"}
    for path in paths:
        write_record(tmp_path / path.name, read_record(path))
        before, after = (json.loads(p.read_text()) for p in (path, tmp_path / path.name))
        assert _common_part(before, after) == before, path.name


def test_old_records_are_in_leaderboards(old_results: Path, tmp_path: Path) -> None:
    records = ResultStore(old_results).load_records()
    boards = build_leaderboards(records, tmp_path)
    assert {run for b in boards for t in b.tables for row in t.rows for run in row.runs} == {
        record.id for record in records
    }
    assert write_leaderboards(boards, tmp_path / "out", ("csv", "tex"))
    page = render_page(boards, records, old_results)
    assert all(record.id in page for record in records)


def test_an_old_checkpoint_reproduces_its_samples(old_results: Path) -> None:
    run, method = load_trained_method(
        ResultStore(old_results), _read_run_record(old_results).id, "cpu"
    )
    expected = np.load(old_results / "samples.npy")
    pixels = to_pixels(draw_samples(method, len(expected), 0).image)
    assert pixels.shape == expected.shape, run
    assert np.abs(pixels.astype(float) - expected).mean() < TOLERANCE


def test_an_old_export_can_be_imported_and_reproduces_its_samples(
    old_results: Path, tmp_path: Path
) -> None:
    store = ResultStore(tmp_path / "theirs")
    assert import_run(check_archive(old_results / "run.zip"), store)
    run, method = load_trained_method(store, _read_run_record(old_results).id, "cpu")
    expected = np.load(old_results / "samples.npy")
    pixels = to_pixels(draw_samples(method, len(expected), 0).image)
    assert np.abs(pixels.astype(float) - expected).mean() < TOLERANCE, run


def test_an_old_run_can_be_exported_and_imported(old_results: Path, tmp_path: Path) -> None:
    store = ResultStore(old_results)
    exported = export_run(
        find_exportable_run(store, _read_run_record(old_results).id), tmp_path / "new.zip"
    )
    assert import_run(check_archive(exported.path), ResultStore(tmp_path / "theirs"))
