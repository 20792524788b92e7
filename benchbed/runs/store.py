"""The results folder: records, and the folders of runs."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from benchbed import paths
from benchbed.errors import BenchbedError
from benchbed.files import write_json

if TYPE_CHECKING:
    from benchbed.runs.record import Record

LOCK = ".lock"
"""The file in a run's folder that the process at work on it holds."""

State = Literal["pending", "running", "finished", "diverged", "failed", "interrupted"]


@dataclass(frozen=True)
class Store:
    """A results folder.

    Attributes:
        root: The folder; ``records/`` is committed, ``runs/`` is not.
    """

    root: Path

    @property
    def records_folder(self) -> Path:
        """Where records lie."""
        return self.root / "records"

    def run_folder(self, run: str) -> Path:
        """The folder of a run: ``run.json history.csv log.txt samples/ checkpoints/``."""
        return self.root / "runs" / run

    def record_path(self, run: str) -> Path:
        """The record of a run."""
        return self.records_folder / f"{run}.json"

    def record(self, run: str) -> Record | None:
        """The record of a run, if it left one.

        Raises:
            BenchbedError: It cannot be read, or is of another run.
        """
        path = self.record_path(run)
        return _read(path) if path.exists() else None

    def records(self) -> list[Record]:
        """Every record, in the order of their names.

        Raises:
            BenchbedError: One of them cannot be read, or is not of the run that its file names.
        """
        return [_read(path) for path in sorted(self.records_folder.glob("*.json"))]

    def write_record(self, record: Record) -> Path:
        """Write a record; it takes the place of an older one of the same run."""
        from benchbed.runs.record import write_record

        paths.writable(self.records_folder)
        path = self.record_path(record.id)
        write_record(path, record)
        return path

    def write_state(self, run: str, state: State, content: dict[str, Any]) -> None:
        """Write ``run.json`` whole."""
        write_json(self.run_folder(run) / "run.json", {"state": state, **content})

    @contextmanager
    def locked(
        self,
        run: str,
        *,
        patience: float = 0.0,
        say: Callable[[str], None] = lambda _: None,
    ) -> Iterator[Path]:
        """Hold a run for this process alone.

        Args:
            run: Its name.
            patience: Seconds to wait for another process that holds it; infinite for as long as
                it takes.
            say: Told that it is waited for.

        Yields:
            The run's folder.

        Raises:
            BenchbedError: Another process holds it, or the folder cannot be written to.
        """
        folder = paths.writable(self.run_folder(run))
        # Only what is computed needs a lock, and the library takes its time to load.
        from filelock import FileLock, Timeout

        lock = FileLock(folder / LOCK, timeout=0)
        try:
            lock.acquire()
        except Timeout as error:
            if patience <= 0:
                raise _at_work(run, "wait for it, or stop it") from error
            say(f"Another process uses run {run}; waiting.")
            try:
                lock.acquire(timeout=-1 if math.isinf(patience) else patience)
            except Timeout:
                raise _at_work(run, f"still in use after {patience:g} s") from error
        try:
            yield folder
        finally:
            lock.release()


def _at_work(run: str, words: str) -> BenchbedError:
    return BenchbedError(f"Another process uses run {run}; {words}.")


@contextmanager
def held_at_once(folder: Path) -> Iterator[bool]:
    """Hold the run in `folder`, or say that another process does."""
    from filelock import FileLock, Timeout

    lock = FileLock(folder / LOCK, timeout=0)
    try:
        lock.acquire()
    except Timeout:
        yield False
        return
    try:
        yield True
    finally:
        lock.release()


def busy(folder: Path) -> bool:
    """Whether a process is at work on the run in `folder`, or it cannot be known."""
    # A folder that was never held has no lock, and looking must not make one.
    if not (folder / LOCK).exists():
        return False
    try:
        with held_at_once(folder) as held:
            return not held
    except OSError:
        return True


def _read(path: Path) -> Record:
    # The schema takes its time to build, and a request that is refused needs none.
    from benchbed.runs.record import read_record

    record = read_record(path)
    if record.id != path.stem:
        raise BenchbedError(
            f"Record {path} is of run {record.id}, not {path.stem}. Rename the file to "
            f"{record.id}.json, or move it away."
        )
    return record
