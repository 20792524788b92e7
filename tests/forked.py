"""Run ``benchbed`` in forked processes that do not import torch again; see ``forker.py``."""

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
    """A ``benchbed`` process.

    Attributes:
        pid: Process id.
        output: File with its stderr.
        stdout: File with its stdout.
    """

    forker: Forker
    pid: int
    output: Path
    stdout: Path

    def send(self, number: signal.Signals) -> None:
        os.kill(self.pid, number)

    def wait(self, seconds: float = 240.0) -> int:
        """Return its exit code, or minus the number of the signal that ended it."""
        code = self.forker.ask({"wait": self.pid, "seconds": seconds})
        if code is None:
            self.send(signal.SIGKILL)
            self.forker.ask({"wait": self.pid, "seconds": 10.0})
            pytest.fail(f"timeout after {seconds} s: {self.stderr_text()}")
        assert isinstance(code, int)
        return code

    def wait_for_output(self) -> subprocess.CompletedProcess[str]:
        """Wait for it and return its output, as `subprocess.run` does."""
        code = self.wait()
        texts = [path.read_text(encoding="utf-8") for path in (self.stdout, self.output)]
        return subprocess.CompletedProcess([], code, *texts)

    def stderr_text(self) -> str:
        """Return its stderr so far, in one line."""
        if not self.output.exists():
            return ""
        return " ".join(self.output.read_text(encoding="utf-8").split())


class Forker:
    """Starts ``benchbed`` in forked processes; see ``forker.py``.

    Args:
        folder: Folder of their stdout and stderr files.
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
        """Send a job and return its result."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(job) + "\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())

    def start(
        self,
        *arguments: str,
        folder: Path | None = None,
        die_at: int = 0,
        folders: tuple[Path, ...] = (),
        **environment: str,
    ) -> Process:
        """Start ``benchbed WORDS``.

        Args:
            *arguments: Command-line arguments.
            folder: Working directory; the folder of the output files by default.
            die_at: Kill it just before this file operation, counted from 1; 0 for never.
            folders: Folders whose file operations are counted.
            **environment: Additional environment variables.
        """
        self._count += 1
        output, stdout = (self._folder / f"{self._count}.{kind}" for kind in ("err", "out"))
        job = {
            "arguments": arguments,
            "environment": {**os.environ, "COLUMNS": "400", **environment},
            "folder": str(folder or self._folder),
            "output": str(output),
            "stdout": str(stdout),
            "die_at": die_at,
            "folders": [str(place) for place in folders],
        }
        return Process(self, self.ask(job), output, stdout)

    def close(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(timeout=240)
