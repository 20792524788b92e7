"""Crashes: `import` and `export` that are killed leave nothing that later commands trip over."""

from __future__ import annotations

import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

ARCHIVE = Path(__file__).parents[1] / "historic/schema-1/run.zip"

CountAttempt = Callable[..., None]


class ArchiveKiller:
    """Kills `import` and `export` just before file operations, and repeats the command.

    Args:
        forker: Starts processes.
        folder: Folder of the results and archives, which are new for each kill.
    """

    def __init__(self, forker: Any, folder: Path) -> None:
        self.forker = forker
        self.folder = folder
        self.count = 0

    def _run(self, place: Path, *arguments: str, code: int = 0, die_at: int = 0) -> str:
        process = self.forker.start(
            *arguments, folder=place, die_at=die_at, folders=(place,) if die_at else ()
        )
        assert process.wait() == code, process.stderr_text()
        assert "Traceback" not in process.stderr_text()
        return str(process.stdout.read_text(encoding="utf-8"))

    def _prepare(self, command: str) -> tuple[Path, tuple[str, ...]]:
        """Return a new folder, and the words of the command in it."""
        self.count += 1
        place = self.folder / f"place-{self.count}"
        place.mkdir()
        results = str(place / "results")
        words = ("import", str(ARCHIVE), "--results", results)
        if command == "export":
            self._run(place, *words)
            (record,) = (place / "results/records").glob("*.json")
            words = ("export", record.stem, "--results", results, "--out", str(place / "a.zip"))
        return place, words

    def count_operations(self, command: str) -> int:
        """Return the number of file operations of a command that is not killed."""
        place, words = self._prepare(command)
        return int(self._run(place, *words, die_at=10**9).split()[-3])

    def kill(self, command: str, number: int) -> None:
        """Kill a command before a file operation; then all commands work, and it is repeated."""
        place, words = self._prepare(command)
        self._run(place, *words, die_at=number, code=-signal.SIGKILL)
        results = str(place / "results")
        self._run(place, "list", "runs", "--results", results)
        self._run(place, *words)
        (record,) = (place / "results/records").glob("*.json")
        self._run(place, "show", record.stem, "--results", results)
        again = str(place / "again.zip")
        self._run(place, "export", record.stem, "--results", results, "--out", again)
        self._run(place, "import", again, "--results", str(place / "other"))


@pytest.mark.attack(
    guarantee="Partly written files are never read.",
    attack="SIGKILL before two file operations of an import and an export",
)
@pytest.mark.parametrize("command", ["import", "export"])
def test_a_killed_import_or_export_is_repeated(
    command: str, forker: Any, tmp_path: Path, count_attempt: CountAttempt
) -> None:
    killer = ArchiveKiller(forker, tmp_path)
    total = killer.count_operations(command)
    for number in (total // 2, total):
        killer.kill(command, number)
        count_attempt(command)


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.attack(
    guarantee="Partly written files are never read.",
    attack="SIGKILL before each file operation of an import and an export",
)
@pytest.mark.parametrize("command", ["import", "export"])
def test_kills_at_each_file_operation_of_import_and_export(
    command: str, forker: Any, tmp_path: Path, count_attempt: CountAttempt
) -> None:
    killer = ArchiveKiller(forker, tmp_path)
    for number in range(1, killer.count_operations(command) + 1):
        killer.kill(command, number)
        count_attempt(command)
