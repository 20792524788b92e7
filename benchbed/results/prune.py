"""Measure the disk use of runs and delete what is no longer needed."""

from __future__ import annotations

import os
import shutil
import stat
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from benchbed.config.paths import get_checkpoint_path
from benchbed.results.lookup import read_state
from benchbed.results.store import LOCK_FILE, ResultStore, is_locked, lock_if_free

DONE_STATES = ("finished", "diverged")
UNFINISHED_STATES = ("failed", "interrupted", "running", "pending")
"""A run in state running that no process holds was killed."""

RemovalKind = Literal["nothing", "leftovers", "checkpoints", "folder"]


@dataclass(frozen=True)
class PruneOptions:
    """What to delete.

    Attributes:
        includes_weights: Also the weights of finished runs.
        includes_failed: The folders of failed and interrupted runs.
        min_age_seconds: Only of runs in which nothing was written for this many seconds.
    """

    includes_weights: bool = False
    includes_failed: bool = False
    min_age_seconds: float = 0.0


@dataclass(frozen=True)
class FolderUsage:
    """Disk use of the folder of one run.

    Attributes:
        run: Run id.
        state: State in ``run.json``; ``"killed"`` if it is running and no process holds it.
        has_record: Whether the run has a record.
        age_seconds: Seconds since the last write.
        total_bytes: Bytes of all files.
        checkpoint_bytes: Bytes of its checkpoints.
        weight_bytes: Bytes of the checkpoint that samples are drawn from.
        leftover_bytes: Bytes of files that no command reads: partial files, and checkpoints of a
            finished run other than its weights.
        skip_reason: Why it must not be touched; empty otherwise.
    """

    run: str
    state: str
    has_record: bool
    age_seconds: float
    total_bytes: int
    checkpoint_bytes: int
    weight_bytes: int
    leftover_bytes: int
    skip_reason: str = ""

    def plan_removal(self, options: PruneOptions) -> tuple[RemovalKind, int, str]:
        """Return what to delete, its size in bytes, and why not more."""
        if self.skip_reason or self.age_seconds < options.min_age_seconds:
            return "nothing", 0, self.skip_reason or "too young"
        if self.state not in DONE_STATES:
            if options.includes_failed:
                return "folder", self.total_bytes, ""
            return "nothing", 0, "skipped without --failed"
        if options.includes_weights and self.weight_bytes and self.has_record:
            return "checkpoints", self.leftover_bytes + self.weight_bytes, ""
        reason = "weights skipped without --weights" if self.weight_bytes else ""
        if options.includes_weights and not self.has_record:
            reason = "no record, so the weights are the only result"
        return ("leftovers" if self.leftover_bytes else "nothing"), self.leftover_bytes, reason


def measure_folders(store: ResultStore) -> list[FolderUsage]:
    """Return the disk use of every run, largest first."""
    folders = [path for path in (store.root / "runs").glob("*") if path.is_dir()]
    usages = [_measure_folder(store, path) for path in folders]
    return sorted(usages, key=lambda usage: (-usage.total_bytes, usage.run))


def prune_run(store: ResultStore, usage: FolderUsage, options: PruneOptions) -> int:
    """Delete files of one run, under its lock and by a new measurement; its record stays.

    Returns:
        Bytes freed; 0 if another process has started on the run since.

    Raises:
        OSError: A file cannot be deleted; those before it are deleted.
    """
    folder = store.get_run_folder(usage.run)
    with lock_if_free(folder) as locked:
        if not locked:
            return 0
        current = _measure_folder(store, folder, locked=True)
        kind, size, _ = current.plan_removal(options)
        if kind == "folder":
            _remove_folder(folder)
        elif kind != "nothing":
            for path in _find_leftovers(folder, _list_files(folder), current.state):
                path.unlink(missing_ok=True)
        if kind == "checkpoints":
            get_checkpoint_path(folder).unlink()
    return size


def _measure_folder(store: ResultStore, folder: Path, *, locked: bool = False) -> FolderUsage:
    files = _list_files(folder)
    leftovers = _find_leftovers(folder, files, state := read_state(store, folder.name))
    why_not = ""
    if folder.is_symlink() or (folder / "checkpoints").is_symlink():
        why_not = "a link"
    elif state not in (*DONE_STATES, *UNFINISHED_STATES):
        why_not = "run.json is missing or unreadable"
    elif not locked and is_locked(folder):
        why_not = "at work"
    newest = max((status.st_mtime for status in files.values()), default=0.0)
    return FolderUsage(
        run=folder.name,
        state="killed" if state == "running" and not why_not else state,
        has_record=store.get_record_path(folder.name).exists(),
        age_seconds=time.time() - newest,
        total_bytes=sum(status.st_size for status in files.values()),
        checkpoint_bytes=sum(
            status.st_size
            for path, status in files.items()
            if path.is_relative_to(folder / "checkpoints")
        ),
        weight_bytes=0
        if (status := files.get(get_checkpoint_path(folder))) is None
        else status.st_size,
        leftover_bytes=sum(files[path].st_size for path in leftovers),
        skip_reason=why_not,
    )


def _list_files(folder: Path) -> dict[Path, os.stat_result]:
    """Return every file of a run except its lock, which reading touches; links are not followed.

    An active run creates and renames files meanwhile, so files that have vanished are left out.
    """
    found: dict[Path, os.stat_result] = {}
    if folder.is_symlink():
        return found
    for parent, folders, names in os.walk(folder):
        # os.walk lists a link to a folder among the folders.
        for path in (Path(parent, name) for name in (*folders, *names)):
            with suppress(FileNotFoundError):
                status = path.lstat()
                if path != folder / LOCK_FILE and not stat.S_ISDIR(status.st_mode):
                    found[path] = status
    return found


def _find_leftovers(folder: Path, files: Iterable[Path], state: str) -> list[Path]:
    if state not in DONE_STATES:
        return []
    weights = get_checkpoint_path(folder)
    return [
        path
        for path in files
        if path.suffix == ".part" or (path.parent == weights.parent and path != weights)
    ]


def _remove_folder(folder: Path) -> None:
    """Delete a run's folder, ``run.json`` last, so that a partly deleted run is still listed."""
    for path in folder.iterdir():
        if path.name in (LOCK_FILE, "run.json"):
            continue
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()
    (folder / "run.json").unlink()
    (folder / LOCK_FILE).unlink(missing_ok=True)
    folder.rmdir()
