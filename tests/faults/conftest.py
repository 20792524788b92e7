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
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from benchbed.config.run_config import compute_run_hash
from benchbed.registry import lookup as registry_module
from benchbed.sharing.archive import (
    PROTOCOL_NAME,
    RECORD_NAME,
    read_archive,
    to_json_bytes,
    write_archive,
)
from benchbed.utils.files import hash_json

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


@pytest.fixture
def hostile(with_plugin: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The plugin that misbehaves, beside the example plugin."""
    folder = HERE / "hostile"
    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join((str(folder), str(with_plugin))))
    registry_module.get_registry.cache_clear()
    return folder


Change = Callable[[dict[str, Any]], None]

EXPORT = HERE.parent / "historic/schema-1/run.zip"


@pytest.fixture
def forged(tmp_path: Path) -> Callable[[Change], Path]:
    """Makes an archive of a sound one whose record is changed, and all else so that it agrees."""

    def forge(change: Change) -> Path:
        sound = read_archive(EXPORT)
        members = {name: sound.read_member(name) for name in sound.manifest.members}
        content = json.loads(members[RECORD_NAME])
        change(content)
        protocol = content["protocol"]
        content["protocol_hash"] = hash_json(protocol)
        hashed = compute_run_hash({**content, "pairs": None, "masks": None})
        content["id"] = f"{content['id'].rpartition('-')[0]}-{hashed}"
        members |= {RECORD_NAME: to_json_bytes(content), PROTOCOL_NAME: to_json_bytes(protocol)}
        path = tmp_path / "forged.zip"
        manifest = sound.manifest.model_copy(update={"run": content["id"]})
        write_archive(path, manifest, members)
        return path

    return forge
