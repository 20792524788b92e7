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

from benchbed.runs.lookup import state_of
from benchbed.runs.store import LOCK, Store, busy, held_at_once
from benchbed.training.checkpoint_file import checkpoint_in

DONE = ("finished", "diverged")
BROKEN = ("failed", "interrupted", "running", "pending")
"""A run in state running that no process holds was killed."""

What = Literal["nothing", "leftovers", "checkpoints", "folder"]


@dataclass(frozen=True)
class Wanted:
    """What to delete.

    Attributes:
        weights: Also the weights of finished runs.
        failed: The folders of failed and interrupted runs.
        older_than: Only of runs in which nothing was written for this many seconds.
    """

    weights: bool = False
    failed: bool = False
    older_than: float = 0.0


@dataclass(frozen=True)
class Holding:
    """Disk use of the folder of one run.

    Attributes:
        run: Run id.
        state: State in ``run.json``; ``"killed"`` if it is running and no process holds it.
        recorded: Whether the run has a record.
        age: Seconds since the last write.
        total: Bytes of all files.
        checkpoints: Bytes of its checkpoints.
        weights: Bytes of the checkpoint that samples are drawn from.
        leftovers: Bytes of files that no command reads: partial files, and checkpoints of a
            finished run other than its weights.
        why_not: Why it must not be touched; empty otherwise.
    """

    run: str
    state: str
    recorded: bool
    age: float
    total: int
    checkpoints: int
    weights: int
    leftovers: int
    why_not: str = ""

    def goes(self, wanted: Wanted) -> tuple[What, int, str]:
        """Return what to delete, its size in bytes, and why not more."""
        if self.why_not or self.age < wanted.older_than:
            return "nothing", 0, self.why_not or "too young"
        if self.state not in DONE:
            if wanted.failed:
                return "folder", self.total, ""
            return "nothing", 0, "skipped without --failed"
        if wanted.weights and self.weights and self.recorded:
            return "checkpoints", self.leftovers + self.weights, ""
        reason = "weights skipped without --weights" if self.weights else ""
        if wanted.weights and not self.recorded:
            reason = "no record, so the weights are the only result"
        return ("leftovers" if self.leftovers else "nothing"), self.leftovers, reason


def survey(store: Store) -> list[Holding]:
    """Return the disk use of every run, largest first."""
    folders = [path for path in (store.root / "runs").glob("*") if path.is_dir()]
    found = [_holding(store, path) for path in folders]
    return sorted(found, key=lambda holding: (-holding.total, holding.run))


def free(store: Store, holding: Holding, wanted: Wanted) -> int:
    """Delete files of one run, under its lock and by a new measurement; its record stays.

    Returns:
        Bytes freed; 0 if another process has started on the run since.

    Raises:
        OSError: A file cannot be deleted; those before it are deleted.
    """
    folder = store.run_folder(holding.run)
    with held_at_once(folder) as held:
        if not held:
            return 0
        current = _holding(store, folder, held=True)
        what, size, _ = current.goes(wanted)
        if what == "folder":
            _remove_folder(folder)
        elif what != "nothing":
            for path in _leftovers(folder, _files(folder), current.state):
                path.unlink(missing_ok=True)
        if what == "checkpoints":
            checkpoint_in(folder).unlink()
    return size


def _holding(store: Store, folder: Path, *, held: bool = False) -> Holding:
    files = _files(folder)
    leftovers = _leftovers(folder, files, state := state_of(store, folder.name))
    why_not = ""
    if folder.is_symlink() or (folder / "checkpoints").is_symlink():
        why_not = "a link"
    elif state not in (*DONE, *BROKEN):
        why_not = "run.json is missing or unreadable"
    elif not held and busy(folder):
        why_not = "at work"
    newest = max((status.st_mtime for status in files.values()), default=0.0)
    return Holding(
        run=folder.name,
        state="killed" if state == "running" and not why_not else state,
        recorded=store.record_path(folder.name).exists(),
        age=time.time() - newest,
        total=sum(status.st_size for status in files.values()),
        checkpoints=sum(
            status.st_size
            for path, status in files.items()
            if path.is_relative_to(folder / "checkpoints")
        ),
        weights=0 if (status := files.get(checkpoint_in(folder))) is None else status.st_size,
        leftovers=sum(files[path].st_size for path in leftovers),
        why_not=why_not,
    )


def _files(folder: Path) -> dict[Path, os.stat_result]:
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
                if path != folder / LOCK and not stat.S_ISDIR(status.st_mode):
                    found[path] = status
    return found


def _leftovers(folder: Path, files: Iterable[Path], state: str) -> list[Path]:
    if state not in DONE:
        return []
    weights = checkpoint_in(folder)
    return [
        path
        for path in files
        if path.suffix == ".part" or (path.parent == weights.parent and path != weights)
    ]


def _remove_folder(folder: Path) -> None:
    """Delete a run's folder, ``run.json`` last, so that a partly deleted run is still listed."""
    for path in folder.iterdir():
        if path.name in (LOCK, "run.json"):
            continue
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()
    (folder / "run.json").unlink()
    (folder / LOCK).unlink(missing_ok=True)
    folder.rmdir()
