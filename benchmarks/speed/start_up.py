"""Seconds that commands take beyond a bare python."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from .results import StartUp

IMPORTS_TORCH = (
    "import sys; from benchbed.cli.main import main; sys.argv[0] = 'benchbed'\n"
    "try: main()\nexcept SystemExit: pass\nprint('torch' in sys.modules, file=sys.stderr)"
)


@dataclass(frozen=True)
class Command:
    """A command that should answer at once, or one without a goal that has work to do."""

    name: str
    typed: str
    arguments: Sequence[str]
    environment: Mapping[str, str] = field(default_factory=dict)
    goal: float | None = 0.2

    def measure(self, rounds: int) -> StartUp:
        """Start a bare python and the command in turns, after a first call."""
        answer, _ = self._run(["-c", IMPORTS_TORCH, *self.arguments])
        row = StartUp(name=self.name, command=self.typed, goal_seconds=self.goal)
        row.imports_torch = answer.stderr.split()[-1:] == ["True"]
        for _ in range(rounds):
            _, python = self._run(["-c", "pass"])
            answer, ours = self._run(["-m", "benchbed", *self.arguments])
            self.check(answer)
            row.laps.append({"python": python, "ours": ours})
        return row

    def check(self, answer: subprocess.CompletedProcess[str]) -> None:
        """Raise a RuntimeError if the command did not work; a completion must print something."""
        if "_BENCHBED_COMPLETE" in self.environment:
            if not answer.stdout.strip():
                raise RuntimeError(f"{self.typed} completes nothing")
        elif answer.returncode != 0:
            raise RuntimeError(f"{self.typed} ended with code {answer.returncode}: {answer.stderr}")

    def _run(self, arguments: Sequence[str]) -> tuple[subprocess.CompletedProcess[str], float]:
        command, environment = [sys.executable, *arguments], {**os.environ, **self.environment}
        start = time.perf_counter()
        answer = subprocess.run(
            command, env=environment, capture_output=True, text=True, check=False
        )
        return answer, time.perf_counter() - start


def list_commands(scratch: Path, records: Path) -> list[Command]:
    """Return the commands; `report` writes into `scratch`, from the records of a folder."""
    results = scratch / "results"
    results.mkdir()
    (results / "records").symlink_to(records.resolve(), target_is_directory=True)
    complete = {"_BENCHBED_COMPLETE": "complete_bash", "COMP_WORDS": "benchbed ", "COMP_CWORD": "1"}
    report = ("report", "--results", str(results), "--no-show")
    return [
        Command("start-help", "benchbed --help", ("--help",)),
        Command("start-list", "benchbed list methods", ("list", "methods")),
        Command("start-show", "benchbed show dcgan", ("show", "dcgan")),
        Command("start-completion", "benchbed <Tab>", (), complete),
        Command("start-report", "benchbed report", report, goal=None),
    ]
