"""Attacks on the promises of the design, and the table of what they did.

An attack is a test that declares what is promised and what is done to break it, as literal text::

    @pytest.mark.attack(
        promise="A file that does not decode is named in one sentence.",
        attack="truncated, zero-byte and wrongly named images",
    )
    def test_broken_images(tried: Tried, ...) -> None:
        for kind in KINDS:
            ...
            tried(kind)

The first line of the file's docstring is the heading of its part of the table. What was tried is
counted by ``tried``; a test that does not ask for it was tried once. What fails is lost.
``make reliability`` runs every attack, slow ones too, and writes ``docs/reliability.md``.
"""

from __future__ import annotations

import ast
import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from benchbed import registry as registry_module

HERE = Path(__file__).parent

HEAD = """# What was tried to break it

Every promise is a claim that the tests in `tests/faults/` attack. This table is written by
`make reliability`, which carries out all of them, and by nothing else.

Last made on {date} at commit {commit}: {attacks} attacks, tried {times} times, {lost} lost.
"""

COLUMNS = ("| promise | attack | tried | lost | test |", "|---|---|---|---|---|")


@dataclass
class Tried:
    """Counts what an attack has tried, by its kind.

    Attributes:
        kinds: Times by kind; the kind of an attack that has but one is empty.
    """

    kinds: dict[str, int] = field(default_factory=dict)

    def __call__(self, kind: str = "", times: int = 1) -> None:
        """It was tried, and nothing was lost."""
        self.kinds[kind] = self.kinds.get(kind, 0) + times


@dataclass
class Row:
    """One attack in the table; a test with several parameters is one attack.

    Attributes:
        promise: What is promised.
        attack: What is done to break it.
        test: File and name of the test.
        kinds: How often it was tried, by kind.
        lost: How often the promise was broken.
        skipped: Why it was not tried, where it was not.
    """

    promise: str
    attack: str
    test: str
    kinds: Counter[str] = field(default_factory=Counter)
    lost: int = 0
    skipped: str = ""

    @property
    def times(self) -> int:
        """How often it was tried."""
        return self.kinds.total()

    def line(self) -> str:
        """As a line of the table."""
        named = [f"{kind} {count}" for kind, count in self.kinds.items() if kind]
        often = f"{self.times}" + (f" ({', '.join(named)})" if named else "")
        cells = (
            self.promise,
            self.attack,
            often if self.times or not self.skipped else f"not tried: {self.skipped}",
            str(self.lost or "nothing") if self.times else "–",
            f"`{self.test}`",
        )
        return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


class Table:
    """Gathers what the attacks of a session report, and writes it.

    Args:
        path: The file to write.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._rows: dict[str, Row] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Take note of an attack; with several workers, this is told in the first process."""
        told: dict[str, Any] | None = dict(report.user_properties).get("attack")
        if told is None or (report.when != "call" and report.passed):
            return
        test = report.nodeid.partition("[")[0].rpartition("tests/faults/")[2]
        row = self._rows.setdefault(test, Row(told["promise"], told["attack"], test))
        if report.skipped:
            row.skipped = str(report.longrepr[2]) if isinstance(report.longrepr, tuple) else ""
            return
        row.kinds.update(told["kinds"] or {"": 1})
        row.lost += report.failed

    def pytest_deselected(self, items: Sequence[pytest.Item]) -> None:
        """An attack that is left out is in the table, as what it is."""
        for item in items:
            if (mark := item.get_closest_marker("attack")) is not None:
                test = item.nodeid.partition("[")[0].rpartition("tests/faults/")[2]
                skipped = "left out when this table was made"
                self._rows[test] = Row(**mark.kwargs, test=test, skipped=skipped)

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Write the table."""
        rows = [self._rows[test] for test in sorted(self._rows)]
        text = HEAD.format(
            date=time.strftime("%Y-%m-%d"),
            commit=_commit(session.config.rootpath),
            attacks=len(rows),
            times=sum(row.times for row in rows),
            lost=sum(row.lost for row in rows) or "nothing",
        )
        titles = {name: _title(HERE / name) for name in dict.fromkeys(_file(row) for row in rows)}
        for title in dict.fromkeys(titles.values()):
            lines = [row.line() for row in rows if titles[_file(row)] == title]
            text += "\n".join([f"\n## {title}", "", *COLUMNS, *lines, ""])
        self._path.write_text(text, encoding="utf-8")


def _file(row: Row) -> str:
    return row.test.partition("::")[0]


def _title(path: Path) -> str:
    """The first line of a file's docstring, without what follows a colon or the full stop."""
    text = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or path.stem
    return text.splitlines()[0].partition(":")[0].rstrip(".")


def _commit(root: Path) -> str:
    words = ["git", "-C", str(root), "describe", "--always", "--dirty"]
    answer = subprocess.run(words, capture_output=True, text=True, check=False)
    return answer.stdout.strip() or "unknown"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Only a session that begins in this folder knows the option."""
    parser.addoption("--reliability", type=Path, help="write the table of attacks to this file")


def pytest_configure(config: pytest.Config) -> None:
    """Make the mark known, and gather where the table is asked for, once for all workers."""
    config.addinivalue_line("markers", "attack(promise, attack): a promise, and what may break it")
    path = config.getoption("--reliability", None)
    if path is not None and not hasattr(config, "workerinput"):
        config.pluginmanager.register(Table(path), "reliability")


@pytest.fixture(autouse=True)
def tried(request: pytest.FixtureRequest) -> Tried:
    """Counts what an attack tries; every attack is reported, whether it counts or not."""
    counter = Tried()
    mark = request.node.get_closest_marker("attack")
    if mark is not None:
        told = {**mark.kwargs, "kinds": counter.kinds}
        request.node.user_properties.append(("attack", told))
    return counter


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
        self, *words: str, die_at: int = 0, places: tuple[Path, ...] = (), **environment: str
    ) -> Process:
        """Start ``benchbed WORDS``.

        Args:
            *words: Its command line.
            die_at: It is killed just before this file operation, counted from 1; 0 for never.
            places: Operations in these folders count.
            **environment: Added to this process's.
        """
        self._count += 1
        output, stdout = (self._folder / f"{self._count}.{kind}" for kind in ("err", "out"))
        job = {
            "words": words,
            "environment": {**os.environ, "COLUMNS": "400", **environment},
            "folder": str(self._folder),
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


@pytest.fixture(scope="session")
def forker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Forker]:
    """One for all tests: it takes seconds to start, and each command milliseconds."""
    made = Forker(tmp_path_factory.mktemp("forker"))
    yield made
    made.close()


@pytest.fixture
def hostile(with_plugin: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The plugin that misbehaves, beside the example plugin."""
    folder = HERE / "hostile"
    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join((str(folder), str(with_plugin))))
    registry_module.registry.cache_clear()
    return folder
