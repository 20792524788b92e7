"""How long a command takes that has nothing to do, beside the packages' own commands."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from .clock import Clock, Lap

BARE = (sys.executable, "-c", "pass")
PEER = (sys.executable, "-m", "pytorch_fid", "--help")
PEER_NAME = "python -m pytorch_fid --help"


@dataclass(frozen=True)
class Command:
    """A command that ought to answer at once.

    Attributes:
        name: What a user types.
        arguments: After ``benchbed``.
        environment: Variables beside the user's own.
    """

    name: str
    arguments: tuple[str, ...]
    environment: Mapping[str, str]


@dataclass
class StartUp:
    """What a command took.

    Attributes:
        name: What a user types.
        laps: Seconds of a bare python and of the command, a pair a round.
        peer: Seconds of `PEER_NAME`, one a round.
        torch: Whether it imports torch.
    """

    name: str
    laps: list[tuple[Lap, Lap]]
    peer: list[Lap]
    torch: bool

    def beyond(self, clock: Clock) -> tuple[float, float, float]:
        """Median seconds beyond a bare python, with the least and the most."""
        beyond = [ours.by(clock) - bare.by(clock) for bare, ours in self.laps]
        return float(np.median(beyond)), min(beyond), max(beyond)

    def ratio(self, clock: Clock) -> float:
        """Median of the peer's seconds through ours."""
        pairs = zip(self.peer, self.laps, strict=True)
        return float(np.median([peer.by(clock) / ours.by(clock) for peer, (_, ours) in pairs]))


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
    return [
        Command("benchbed --help", ("--help",), {}),
        Command("benchbed list methods", ("list", "methods"), {}),
        Command("benchbed show dcgan", ("show", "dcgan"), {}),
        Command("benchbed <Tab>", (), completion),
        Command("benchbed report", ("report", "--results", str(results), "--no-show"), {}),
    ]


def measure(rounds: int, records: Path | None) -> list[StartUp]:
    """Start everything in turns.

    Args:
        rounds: How many turns.
        records: Records for `report` to read; None to leave it out.
    """
    with tempfile.TemporaryDirectory() as folder:
        results = Path(folder)
        if records is not None:
            (results / "records").symlink_to(records.resolve(), target_is_directory=True)
        asked = [c for c in commands(results) if records is not None or "report" not in c.name]
        made = [StartUp(command.name, [], [], _imports_torch(command)) for command in asked]
        for command in asked:
            _run(_ours(command), command.environment)  # compiles, and fills the disk's cache
        for _ in range(rounds):
            bare, peer = _run(BARE, {}), _run(PEER, {})
            for one, command in zip(made, asked, strict=True):
                one.laps.append((bare, _run(_ours(command), command.environment)))
                one.peer.append(peer)
        return made


def _ours(command: Command) -> tuple[str, ...]:
    return (sys.executable, "-m", "benchbed", *command.arguments)


def _run(arguments: Sequence[str], environment: Mapping[str, str]) -> Lap:
    before = _children()
    start = time.perf_counter()
    subprocess.run(arguments, env={**os.environ, **environment}, capture_output=True, check=False)
    wall = time.perf_counter() - start
    return Lap(wall, _children() - before)


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
    return answer.stderr.strip().endswith("True")
