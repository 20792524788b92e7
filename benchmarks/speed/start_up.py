"""How long a command takes that has nothing to do, beside the packages' own commands."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from .clock import Clock, Conditions, Lap
from .goals import START_UP_SECONDS, goal, verdict

BARE = (sys.executable, "-c", "pass")
PEER = (sys.executable, "-m", "pytorch_fid", "--help")
PEER_NAME = "python -m pytorch_fid --help"

NAMES = ("start-help", "start-list", "start-show", "start-completion", "start-report")


@dataclass(frozen=True)
class Command:
    """A command that ought to answer at once.

    Attributes:
        name: Short name.
        typed: What a user types.
        arguments: After ``benchbed``.
        environment: Variables beside the user's own.
        most: Seconds beyond a bare python; None for one that has work to do.
    """

    name: str
    typed: str
    arguments: tuple[str, ...]
    environment: Mapping[str, str]
    most: float | None = START_UP_SECONDS


@dataclass
class StartUp:
    """What a command took.

    Attributes:
        name: Of the command.
        command: What a user types.
        most: Seconds beyond a bare python that it may take, or None.
        laps: Seconds of a bare python and of the command, a pair a round.
        peer: Seconds of `PEER_NAME`, one a round.
        torch: Whether it imports torch.
        under: Clock and company.
    """

    name: str
    command: str
    most: float | None
    laps: list[tuple[Lap, Lap]]
    peer: list[Lap]
    torch: bool
    under: Conditions = field(default_factory=Conditions)

    def beyond(self, clock: Clock | None = None) -> tuple[float, float, float]:
        """Median seconds beyond a bare python, with the least and the most.

        Args:
            clock: Another clock than the one that it is judged by.
        """
        by = clock or self.under.clock
        beyond = [ours.by(by) - bare.by(by) for bare, ours in self.laps]
        return float(np.median(beyond)), min(beyond), max(beyond)

    def ratio(self) -> float:
        """Median of the peer's seconds through ours."""
        by = self.under.clock
        pairs = zip(self.peer, self.laps, strict=True)
        return float(np.median([peer.by(by) / ours.by(by) for peer, (_, ours) in pairs]))

    @property
    def verdict(self) -> str:
        """Of the time, and in any case of torch, which no command here needs."""
        if self.torch:
            return "short"
        if self.most is None:
            return "met"
        return verdict(self.most / max(self.beyond()[0], 1e-3), goal(1.0))


def commands(results: Path) -> list[Command]:
    """Every command that is measured.

    Args:
        results: A results folder for `report`, which writes into it.
    """
    completion = {
        "_BENCHBED_COMPLETE": "complete_bash",
        "COMP_WORDS": "benchbed ",
        "COMP_CWORD": "1",
    }
    report = ("report", "--results", str(results), "--no-show")
    asked: list[tuple[str, tuple[str, ...], Mapping[str, str], float | None]] = [
        ("benchbed --help", ("--help",), {}, START_UP_SECONDS),
        ("benchbed list methods", ("list", "methods"), {}, START_UP_SECONDS),
        ("benchbed show dcgan", ("show", "dcgan"), {}, START_UP_SECONDS),
        ("benchbed <Tab>", (), completion, START_UP_SECONDS),
        ("benchbed report", report, {}, None),
    ]
    return [Command(name, *rest) for name, rest in zip(NAMES, asked, strict=True)]


@contextmanager
def results_folder(records: Path) -> Iterator[Path]:
    """A results folder with these records, where `report` may write."""
    with tempfile.TemporaryDirectory() as folder:
        results = Path(folder)
        (results / "records").symlink_to(records.resolve(), target_is_directory=True)
        yield results


def check(command: Command) -> None:
    """Run a command once, which compiles it and fills the disk's cache.

    Raises:
        RuntimeError: It does not do its work, so that its time says nothing.
    """
    run(command.typed, _ours(command), command.environment)


def measure(asked: Sequence[Command], rounds: int, under: Conditions) -> list[StartUp]:
    """Start everything in turns.

    Args:
        asked: Commands that have been checked.
        rounds: How many turns.
        under: Clock and company.
    """
    made = [
        StartUp(one.name, one.typed, one.most, [], [], _imports_torch(one), under) for one in asked
    ]
    run(PEER_NAME, PEER, {})
    for _ in range(rounds):
        bare, peer = run("python", BARE, {}), run(PEER_NAME, PEER, {})
        for one, command in zip(made, asked, strict=True):
            lap = run(command.typed, _ours(command), command.environment)
            one.laps.append((bare, lap))
            one.peer.append(peer)
    return made


def run(typed: str, arguments: Sequence[str], environment: Mapping[str, str]) -> Lap:
    """How long a command takes that does its work.

    Args:
        typed: What a user types.
        arguments: The command.
        environment: Variables beside the user's own.

    Raises:
        RuntimeError: It ended with another code than 0, or the shell that asked for completions
            got none, whatever the code.
    """
    before = _children()
    start = time.perf_counter()
    answer = subprocess.run(
        arguments,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    wall = time.perf_counter() - start
    lap = Lap(wall, _children() - before)
    if "_BENCHBED_COMPLETE" in environment:
        if not answer.stdout.strip():
            raise RuntimeError(f"{typed} completes nothing")
    elif answer.returncode != 0:
        said = (answer.stderr.strip().splitlines() or ["nothing"])[-1]
        raise RuntimeError(f"{typed} ended with code {answer.returncode}, saying: {said}")
    return lap


def _ours(command: Command) -> tuple[str, ...]:
    return (sys.executable, "-m", "benchbed", *command.arguments)


def _children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _imports_torch(command: Command) -> bool:
    code = (
        "import sys; from benchbed.cli.main import main; sys.argv[0] = 'benchbed'\n"
        "try: main()\nexcept SystemExit: pass\nprint('torch' in sys.modules, file=sys.stderr)"
    )
    answer = subprocess.run(
        [sys.executable, "-c", code, *command.arguments],
        env={**os.environ, **command.environment},
        capture_output=True,
        text=True,
        check=False,
    )
    said = answer.stderr.strip().splitlines()
    if not said or said[-1] not in ("True", "False"):
        raise RuntimeError(f"{command.typed} did not end: {said[-1] if said else 'no word'}")
    return said[-1] == "True"
