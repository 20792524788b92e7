"""Find completed runs, and clean up before a run is resumed or repeated."""

from __future__ import annotations

import contextlib
import shutil
from dataclasses import replace
from pathlib import Path

from benchbed.api.specs import MetricSpec
from benchbed.registry import registry
from benchbed.runs.lacking import lacking
from benchbed.runs.lookup import state_of
from benchbed.runs.plan import Plan
from benchbed.runs.record import Record
from benchbed.runs.showcase import showcase_folder
from benchbed.runs.status import forget_status, read_status
from benchbed.runs.store import Store, held_at_once
from benchbed.training.board import FOLDER as BOARD
from benchbed.training.checkpoint_file import checkpoint_in
from benchbed.training.state import load_checkpoint


def done(plan: Plan, store: Store, *, force: bool, weights: bool) -> Record | None:
    """Return the record of a completed run, or None if something has to be computed."""
    record = None if force else store.record(plan.id)
    if record is None:
        return None
    path = checkpoint_of(plan, store)
    if not path.exists():
        return None if weights else record
    if not _trained_as(record, plan, store):
        # A retraining was started and interrupted: the record is of the earlier training.
        return None
    return record if weights or not lacking(plan.metrics, record) else None


def to_be_measured(plan: Plan, store: Store) -> Record | None:
    """Return the record of a run that needs no training, only further metrics, or None."""
    record = store.record(plan.id)
    if record is None or not checkpoint_of(plan, store).exists():
        return None
    return record if _trained_as(record, plan, store) else None


def keeping_metrics(plan: Plan, store: Store) -> Plan:
    """Return the plan of a run to retrain, with the metrics of its earlier record added."""
    record = store.record(plan.id)
    if record is None:
        return plan
    known = registry().specs(MetricSpec)
    recorded = (known[m.metric] for m in record.metrics if m.metric in known)
    return replace(plan, metrics=tuple(dict.fromkeys((*plan.metrics, *recorded))))


def _trained_as(record: Record, plan: Plan, store: Store) -> bool:
    """Return whether the checkpoint is at the step of the record."""
    if state_of(store, plan.id) == record.state:
        return True
    path = checkpoint_of(plan, store)
    saved = load_checkpoint(path, record.method)
    return bool(saved["state"]["steps"] == record.training.steps)


def settle(plan: Plan, store: Store, record: Record) -> None:
    """Mark a run as completed if it was killed after it wrote its record."""
    folder = store.run_folder(plan.id)
    if state_of(store, plan.id) in ("unreadable", record.state) and read_status(folder) is None:
        return
    with contextlib.suppress(OSError), held_at_once(folder) as held:
        if held:
            tidy(store, plan.id, everything=False)
            forget_status(folder)
            content = {"plan": plan.as_dict(), "message": record.message}
            store.write_state(plan.id, record.state, content)


def checkpoint_of(plan: Plan, store: Store) -> Path:
    """Return the checkpoint file of a run."""
    return checkpoint_in(store.run_folder(plan.id))


def tidy(store: Store, run: str, *, everything: bool) -> None:
    """Delete the partial files of a killed process; with `everything`, all output of the run."""
    folder = store.run_folder(run)
    leftovers = [
        *folder.rglob("*.part"),
        *showcase_folder(store.root, run).glob(".*.part"),
        *store.records_folder.glob(f".{run}.json.*.part"),
    ]
    for leftover in leftovers:
        leftover.unlink()
    if everything:
        for name in ("checkpoints", "samples", BOARD):
            shutil.rmtree(folder / name, ignore_errors=True)
        (folder / "history.csv").unlink(missing_ok=True)
