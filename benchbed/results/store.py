"""The results folder with records and run folders."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from benchbed.config import paths
from benchbed.errors import BenchbedError
from benchbed.utils.files import write_json
from benchbed.utils.regular_files import check_run_files, open_to_append

if TYPE_CHECKING:
    from benchbed.results.record import Record

LOCK_FILE = ".lock"
"""File in a run's folder that is locked by the process that executes it."""

SUPERSEDED_FILE = "superseded.yaml"
"""File in a results folder that says which records are superseded."""

RunState = Literal["pending", "running", "finished", "diverged", "failed", "interrupted"]


@dataclass(frozen=True)
class ResultStore:
    """A results folder.

    Attributes:
        root: The folder; ``records/`` is committed, ``runs/`` is not.
    """

    root: Path

    @property
    def records_folder(self) -> Path:
        """The folder of records."""
        return self.root / "records"

    def get_run_folder(self, run: str) -> Path:
        """Return the folder of a run: ``run.json history.csv log.txt samples/ checkpoints/``."""
        return self.root / "runs" / run

    def get_record_path(self, run: str) -> Path:
        """Return the file of a run's record."""
        return self.records_folder / f"{run}.json"

    def load_record(self, run: str) -> Record | None:
        """Return the record of a run, or None.

        Raises:
            BenchbedError: It is unreadable, or of another run; or ``superseded.yaml`` is invalid.
        """
        path = self.get_record_path(run)
        return self._mark_superseded([_read_record(path)])[0] if path.exists() else None

    def load_records(self, log: Callable[[str], None] | None = None) -> list[Record]:
        """Return all records, sorted by run id.

        Args:
            log: Receives a message about each record that is unreadable, or of another run than
                its file name says, and left out for this reason. Without it, that is an error.

        Raises:
            BenchbedError: A record cannot be used and there is no `log`, or ``superseded.yaml`` is
                invalid.
        """
        records: list[Record] = []
        for path in sorted(self.records_folder.glob("*.json")):
            try:
                records.append(_read_record(path))
            except BenchbedError as error:
                if log is None:
                    raise
                log(f"Left out: {error}")
        return self._mark_superseded(records)

    def _mark_superseded(self, records: list[Record]) -> list[Record]:
        path = self.root / SUPERSEDED_FILE
        if not path.exists():
            return records
        # Imported late: most results folders have no such file.
        from benchbed.results.superseded import mark_superseded, read_superseded

        entries = read_superseded(path, lambda run: self.get_record_path(run).exists())
        return [mark_superseded(record, entries) for record in records]

    def write_record(self, record: Record) -> Path:
        """Write a record, replacing an older one of the same run."""
        from benchbed.results.record import write_record

        paths.ensure_writable(self.records_folder)
        path = self.get_record_path(record.id)
        write_record(path, record)
        return path

    def write_state(self, run: str, state: RunState, content: dict[str, Any]) -> None:
        """Write ``run.json`` atomically."""
        write_json(self.get_run_folder(run) / "run.json", {"state": state, **content})

    @contextmanager
    def lock_run(
        self, run: str, *, timeout: float = 0.0, log: Callable[[str], None] = lambda _: None
    ) -> Iterator[Path]:
        """Lock a run for this process.

        Args:
            run: Run id.
            timeout: Seconds to wait for another process that holds it; may be infinite.
            log: Receives a message before waiting.

        Yields:
            The run's folder.

        Raises:
            BenchbedError: Another process holds it, the folder is not writable, or it contains
                links, pipes or devices.
        """
        check_run_files(self.get_run_folder(run))
        folder = paths.ensure_writable(self.get_run_folder(run))
        # Imported late: slow to load, and only execution needs a lock.
        from filelock import FileLock, Timeout

        lock = FileLock(folder / LOCK_FILE, timeout=0)
        try:
            lock.acquire()
        except Timeout as error:
            if timeout <= 0:
                raise _make_busy_error(run, "wait for it, or stop it") from error
            log(f"Another process uses run {run}; waiting.")
            try:
                lock.acquire(timeout=-1 if math.isinf(timeout) else timeout)
            except Timeout:
                raise _make_busy_error(run, f"still in use after {timeout:g} s") from error
        try:
            yield folder
        finally:
            lock.release()


def _make_busy_error(run: str, words: str) -> BenchbedError:
    return BenchbedError(f"Another process uses run {run}; {words}.")


@contextmanager
def lock_if_free(folder: Path) -> Iterator[bool]:
    """Lock the run in `folder` and yield True, or yield False if another process holds it."""
    from filelock import FileLock, Timeout

    # The lock would be created or emptied through a link.
    open_to_append(folder / LOCK_FILE, root=folder).close()
    lock = FileLock(folder / LOCK_FILE, timeout=0)
    try:
        lock.acquire()
    except Timeout:
        yield False
        return
    try:
        yield True
    finally:
        lock.release()


def is_locked(folder: Path) -> bool:
    """Return whether a process holds the run in `folder`; True if that is unknown."""
    # Without a lock file it was never held, and acquiring would create one.
    if not (folder / LOCK_FILE).exists():
        return False
    try:
        with lock_if_free(folder) as locked:
            return not locked
    except OSError:
        return True


def _read_record(path: Path) -> Record:
    # Imported late: the schema is slow to build, and an invalid request does not need it.
    from benchbed.results.record import read_record

    record = read_record(path)
    if record.id != path.stem:
        raise BenchbedError(
            f"Record {path} is of run {record.id}, not {path.stem}. Rename the file to "
            f"{record.id}.json, or move it away."
        )
    return record
