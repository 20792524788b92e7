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

from benchbed.data.feed import to_pixels
from benchbed.report.html.page import render
from benchbed.report.write import leaderboards, write
from benchbed.runs.export import export, exportable
from benchbed.runs.install import install, offered
from benchbed.runs.record import SCHEMA, Record, read_record, write_record
from benchbed.runs.store import Store
from benchbed.runs.trained import trained
from benchbed.training.sampling import draw

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
    assert [path.name for path in SCHEMAS] == [f"schema-{n}" for n in range(1, SCHEMA + 1)]
    assert sum(path.stat().st_size for path in HERE.rglob("*") if path.is_file()) < 200_000 * SCHEMA


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
    records = Store(old).records()
    boards = leaderboards(records, tmp_path)
    assert {run for b in boards for t in b.tables for row in t.rows for run in row.runs} == {
        record.id for record in records
    }
    assert write(boards, tmp_path / "out", ("csv", "tex"))
    page = render(boards, records, old)
    assert all(record.id in page for record in records)


def test_an_old_checkpoint_draws_the_samples_that_it_drew(old: Path) -> None:
    run, method = trained(Store(old), _trained_record(old).id, "cpu")
    expected = np.load(old / "samples.npy")
    found = to_pixels(draw(method, len(expected), 0).image)
    assert found.shape == expected.shape, run
    assert np.abs(found.astype(float) - expected).mean() < CLOSE


def test_an_old_export_is_imported_and_draws_the_same(old: Path, tmp_path: Path) -> None:
    store = Store(tmp_path / "theirs")
    assert install(offered(old / "run.zip"), store)
    run, method = trained(store, _trained_record(old).id, "cpu")
    expected = np.load(old / "samples.npy")
    found = to_pixels(draw(method, len(expected), 0).image)
    assert np.abs(found.astype(float) - expected).mean() < CLOSE, run


def test_an_old_run_can_be_exported(old: Path, tmp_path: Path) -> None:
    store = Store(old)
    exported = export(exportable(store, _trained_record(old).id), tmp_path / "new.zip")
    assert install(offered(exported.path), Store(tmp_path / "theirs"))
