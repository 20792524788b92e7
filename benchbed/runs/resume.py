"""Find completed runs, and clean up before a run is resumed or repeated."""

from __future__ import annotations

import contextlib
import shutil
from dataclasses import replace
from pathlib import Path

from benchbed.api.specs import MetricSpec
from benchbed.config.paths import get_checkpoint_path
from benchbed.registry.lookup import get_registry
from benchbed.results.lookup import read_sources, read_state
from benchbed.results.record import Record, find_missing_metrics
from benchbed.results.showcase import get_showcase_folder
from benchbed.results.sources import find_changed_packages, hash_sources
from benchbed.results.store import ResultStore, lock_if_free
from benchbed.runs.plan import RunPlan
from benchbed.runs.status import read_status, remove_status
from benchbed.training.checkpoint import load_checkpoint
from benchbed.training.loggers import LOG_FOLDER as BOARD
from benchbed.utils.progress import Reporter

UNFINISHED = ("running", "interrupted", "failed")
"""States of a run that has a checkpoint to continue from."""


def find_completed_run(
    plan: RunPlan, store: ResultStore, *, force: bool, weights: bool
) -> Record | None:
    """Return the record of a completed run, or None if something has to be computed."""
    record = None if force else store.load_record(plan.id)
    if record is None:
        return None
    path = find_checkpoint(plan, store)
    if not path.exists():
        return None if weights else record
    if not _is_checkpoint_current(record, plan, store):
        # A retraining was started and interrupted: the record is of the earlier training.
        return None
    return record if weights or not find_missing_metrics(plan.metrics, record) else None


def report_changed_code(plan: RunPlan, store: ResultStore, reporter: Reporter) -> bool:
    """Report whether the code of a method changed since a run was computed or stopped.

    Returns:
        Whether the run is completed and has to be computed anew. A stopped run continues.
    """
    known = read_sources(store, plan.id)
    changed = find_changed_packages(known, hash_sources(plan.implementations)) if known else []
    if not changed:
        return False
    names = " and ".join(changed)
    if read_state(store, plan.id) in UNFINISHED:
        reporter.report_message(
            f"The code of {names} changed since {plan.id} was stopped; it continues with the new "
            "code. Use --force to start anew."
        )
        return False
    reporter.report_message(
        f"The code of {names} changed since {plan.id} was computed, so it is computed anew. Use "
        "--keep-changed to keep the result."
    )
    return True


def find_unmeasured_record(plan: RunPlan, store: ResultStore) -> Record | None:
    """Return the record of a run that needs no training, only further metrics, or None."""
    record = store.load_record(plan.id)
    if record is None or not find_checkpoint(plan, store).exists():
        return None
    return record if _is_checkpoint_current(record, plan, store) else None


def merge_recorded_metrics(plan: RunPlan, store: ResultStore) -> RunPlan:
    """Return the plan of a run to retrain, with the metrics of its earlier record added."""
    record = store.load_record(plan.id)
    if record is None:
        return plan
    known = get_registry().get_specs(MetricSpec)
    recorded = (known[m.metric] for m in record.metrics if m.metric in known)
    return replace(plan, metrics=tuple(dict.fromkeys((*plan.metrics, *recorded))))


def _is_checkpoint_current(record: Record, plan: RunPlan, store: ResultStore) -> bool:
    """Return whether the checkpoint is at the step of the record."""
    if read_state(store, plan.id) == record.state:
        return True
    path = find_checkpoint(plan, store)
    saved = load_checkpoint(path, record.method)
    return bool(saved["state"]["steps"] == record.training.steps)


def finish_killed_run(plan: RunPlan, store: ResultStore, record: Record) -> None:
    """Mark a run as completed if it was killed after it wrote its record."""
    folder = store.get_run_folder(plan.id)
    if read_state(store, plan.id) in ("unreadable", record.state) and read_status(folder) is None:
        return
    with contextlib.suppress(OSError), lock_if_free(folder) as locked:
        if locked:
            clean_run_folder(store, plan.id, everything=False)
            remove_status(folder)
            sources = record.provenance.sources
            content = {"plan": plan.as_dict(), "sources": sources, "message": record.message}
            store.write_state(plan.id, record.state, content)


def find_checkpoint(plan: RunPlan, store: ResultStore) -> Path:
    """Return the checkpoint file of a run."""
    return get_checkpoint_path(store.get_run_folder(plan.id))


def clean_run_folder(store: ResultStore, run: str, *, everything: bool) -> None:
    """Delete the partial files of a killed process; with `everything`, all output of the run."""
    folder = store.get_run_folder(run)
    leftovers = [
        *folder.rglob("*.part"),
        *get_showcase_folder(store.root, run).glob(".*.part"),
        *store.records_folder.glob(f".{run}.json.*.part"),
    ]
    for leftover in leftovers:
        leftover.unlink()
    if everything:
        for name in ("checkpoints", "samples", BOARD):
            shutil.rmtree(folder / name, ignore_errors=True)
        (folder / "history.csv").unlink(missing_ok=True)
