"""``benchbed`` in processes that need not load torch anew; see ``forker.py``."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).parent


@dataclass
class Process:
    """A ``benchbed`` that was started.

    Attributes:
        pid: Its number.
        output: The file of what it says on stderr.
        stdout: The file of what it says on stdout.
    """

    forker: Forker
    pid: int
    output: Path
    stdout: Path

    def send(self, number: signal.Signals) -> None:
        """Send it a signal; it may be over."""
        os.kill(self.pid, number)

    def wait(self, seconds: float = 240.0) -> int:
        """Its exit code, minus the number of the signal that ended it."""
        code = self.forker.ask({"wait": self.pid, "seconds": seconds})
        if code is None:
            self.send(signal.SIGKILL)
            self.forker.ask({"wait": self.pid, "seconds": 10.0})
            pytest.fail(f"it took longer than {seconds} s: {self.said()}")
        assert isinstance(code, int)
        return code

    def ended(self) -> subprocess.CompletedProcess[str]:
        """Wait for it, and keep what it said, as `subprocess.run` does."""
        code = self.wait()
        texts = [path.read_text(encoding="utf-8") for path in (self.stdout, self.output)]
        return subprocess.CompletedProcess([], code, *texts)

    def said(self) -> str:
        """What it said on stderr so far, in one line."""
        if not self.output.exists():
            return ""
        return " ".join(self.output.read_text(encoding="utf-8").split())


class Forker:
    """Starts ``benchbed`` in processes that need not load torch; see ``forker.py``.

    Args:
        folder: Where what they say is kept.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._count = 0
        self._process = subprocess.Popen(
            [sys.executable, str(HERE / "forker.py")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )

    def ask(self, job: dict[str, Any]) -> Any:
        """Hand over a job, and wait for its answer."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(job) + "\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())

    def start(
        self,
        *words: str,
        folder: Path | None = None,
        die_at: int = 0,
        places: tuple[Path, ...] = (),
        **environment: str,
    ) -> Process:
        """Start ``benchbed WORDS``.

        Args:
            *words: Its command line.
            folder: Where it is started, instead of in the folder of what is said.
            die_at: It is killed just before this file operation, counted from 1; 0 for never.
            places: Operations in these folders count.
            **environment: Added to this process's.
        """
        self._count += 1
        output, stdout = (self._folder / f"{self._count}.{kind}" for kind in ("err", "out"))
        job = {
            "words": words,
            "environment": {**os.environ, "COLUMNS": "400", **environment},
            "folder": str(folder or self._folder),
            "output": str(output),
            "stdout": str(stdout),
            "die_at": die_at,
            "places": [str(place) for place in places],
        }
        return Process(self, self.ask(job), output, stdout)

    def close(self) -> None:
        """End the process that forks."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(timeout=240)
