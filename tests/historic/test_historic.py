"""Records, checkpoints and exports of every released schema are read for ever.

`schema-N/` holds what benchbed wrote when N was the newest schema of records: records of every
task, and one small run with its checkpoint, its export and two of its samples. None of it is ever
changed; CONTRIBUTING.md says how the next one is added.
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
CLOSE = 1.0
"""Mean difference of samples in grey values of 255: other versions of torch round differently."""


@pytest.fixture(params=SCHEMAS, ids=lambda path: path.name)
def old(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A results folder as it was written then, copied: nothing here is changed."""
    folder = tmp_path / "old"
    shutil.copytree(request.param, folder)
    return folder


def _trained_record(folder: Path) -> Record:
    (run,) = (path.parent.name for path in folder.glob("runs/*/run.json"))
    return read_record(folder / "records" / f"{run}.json")


def _kept(before: Any, after: Any) -> Any:
    """Of a later version of a JSON value, the part that the earlier one has too."""
    if isinstance(before, dict) and isinstance(after, dict):
        return {name: _kept(before[name], after[name]) for name in before if name in after}
    if isinstance(before, list) and isinstance(after, list):
        return [_kept(*pair) for pair in zip(before, after, strict=True)]
    return after


def test_every_schema_is_kept() -> None:
    assert [path.name for path in SCHEMAS] == [f"schema-{n}" for n in range(1, SCHEMA_VERSION + 1)]
    assert (
        sum(path.stat().st_size for path in HERE.rglob("*") if path.is_file())
        < 200_000 * SCHEMA_VERSION
    )


def test_old_records_say_what_they_said(old: Path, tmp_path: Path) -> None:
    """Nothing of what was written is lost when they are read and written again."""
    paths = sorted((old / "records").glob("*.json"))
    tasks = {read_record(path).task for path in paths}
    assert tasks >= {"synthesis", "segmentation", "augmentation", "translation"}
    for path in paths:
        write_record(tmp_path / path.name, read_record(path))
        before, after = (json.loads(p.read_text()) for p in (path, tmp_path / path.name))
        assert _kept(before, after) == before, path.name


def test_old_records_are_reported(old: Path, tmp_path: Path) -> None:
    records = ResultStore(old).load_records()
    boards = build_leaderboards(records, tmp_path)
    assert {run for b in boards for t in b.tables for row in t.rows for run in row.runs} == {
        record.id for record in records
    }
    assert write_leaderboards(boards, tmp_path / "out", ("csv", "tex"))
    page = render_page(boards, records, old)
    assert all(record.id in page for record in records)


def test_an_old_checkpoint_draws_the_samples_that_it_drew(old: Path) -> None:
    run, method = load_trained_method(ResultStore(old), _trained_record(old).id, "cpu")
    expected = np.load(old / "samples.npy")
    found = to_pixels(draw_samples(method, len(expected), 0).image)
    assert found.shape == expected.shape, run
    assert np.abs(found.astype(float) - expected).mean() < CLOSE


def test_an_old_export_is_imported_and_draws_the_same(old: Path, tmp_path: Path) -> None:
    store = ResultStore(tmp_path / "theirs")
    assert import_run(check_archive(old / "run.zip"), store)
    run, method = load_trained_method(store, _trained_record(old).id, "cpu")
    expected = np.load(old / "samples.npy")
    found = to_pixels(draw_samples(method, len(expected), 0).image)
    assert np.abs(found.astype(float) - expected).mean() < CLOSE, run


def test_an_old_run_can_be_exported(old: Path, tmp_path: Path) -> None:
    store = ResultStore(old)
    exported = export_run(find_exportable_run(store, _trained_record(old).id), tmp_path / "new.zip")
    assert import_run(check_archive(exported.path), ResultStore(tmp_path / "theirs"))
