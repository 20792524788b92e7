"""Attacks on the guarantees of the design, and the table of their results.

An attack is a test that declares a guarantee and how it tries to break it, as literal text::

    @pytest.mark.attack(
        guarantee="An undecodable file is named in the error message.",
        attack="truncated, zero-byte and wrongly named images",
    )
    def test_broken_images(count_attempt: CountAttempt, ...) -> None:
        for kind in KINDS:
            ...
            count_attempt(kind)

The first line of a file's docstring is the heading of its part of the table. ``count_attempt``
counts the attempts; a test without it is one attempt. A failed test is a failure of the guarantee.
``make reliability`` runs every attack, including slow ones, and writes ``docs/reliability.md``.
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

HEAD = """# Reliability

The tests in `tests/faults/` try to break each of these guarantees. `make reliability` runs them
all and generates this page.

Generated on {date} at commit {commit}: {attacks} attacks, {attempts} attempts, {failures} failures.
"""

COLUMNS = ("| guarantee | attack | attempts | failures | test |", "|---|---|---|---|---|")


@dataclass
class AttemptCounter:
    """Counts the attempts of an attack by kind.

    Attributes:
        kinds: Number of attempts by kind; the kind is empty if there is only one.
    """

    kinds: dict[str, int] = field(default_factory=dict)

    def __call__(self, kind: str = "", times: int = 1) -> None:
        """Count attempts that did not break the guarantee."""
        self.kinds[kind] = self.kinds.get(kind, 0) + times


@dataclass
class Row:
    """One attack in the table; a parametrized test is one attack.

    Attributes:
        guarantee: The guarantee.
        attack: How the test tries to break it.
        test: File and name of the test.
        kinds: Number of attempts by kind.
        failures: Number of attempts that broke the guarantee.
        skipped: Reason for skipping the test, or empty.
    """

    guarantee: str
    attack: str
    test: str
    kinds: Counter[str] = field(default_factory=Counter)
    failures: int = 0
    skipped: str = ""

    @property
    def attempts(self) -> int:
        """Number of attempts."""
        return self.kinds.total()

    def line(self) -> str:
        """Return the line of the table."""
        named = [f"{kind} {count}" for kind, count in self.kinds.items() if kind]
        attempts = f"{self.attempts}" + (f" ({', '.join(named)})" if named else "")
        cells = (
            self.guarantee,
            self.attack,
            attempts if self.attempts or not self.skipped else f"skipped: {self.skipped}",
            str(self.failures) if self.attempts else "–",
            f"`{self.test}`",
        )
        return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


class Table:
    """Pytest plugin that collects the results of all attacks and writes the table.

    Args:
        path: File to write.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._rows: dict[str, Row] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Add the result of an attack; with xdist, only the main process receives all reports."""
        properties: dict[str, Any] | None = dict(report.user_properties).get("attack")
        if properties is None or (report.when != "call" and report.passed):
            return
        test = report.nodeid.partition("[")[0].rpartition("tests/faults/")[2]
        row = self._rows.setdefault(test, Row(properties["guarantee"], properties["attack"], test))
        if report.skipped:
            row.skipped = str(report.longrepr[2]) if isinstance(report.longrepr, tuple) else ""
            return
        row.kinds.update(properties["kinds"] or {"": 1})
        row.failures += report.failed

    def pytest_deselected(self, items: Sequence[pytest.Item]) -> None:
        """Add deselected attacks to the table as skipped."""
        for item in items:
            if (mark := item.get_closest_marker("attack")) is not None:
                test = item.nodeid.partition("[")[0].rpartition("tests/faults/")[2]
                skipped = "deselected"
                self._rows[test] = Row(**mark.kwargs, test=test, skipped=skipped)

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Write the table."""
        rows = [self._rows[test] for test in sorted(self._rows)]
        text = HEAD.format(
            date=time.strftime("%Y-%m-%d"),
            commit=_commit(session.config.rootpath),
            attacks=len(rows),
            attempts=sum(row.attempts for row in rows),
            failures=sum(row.failures for row in rows),
        )
        titles = {name: _title(HERE / name) for name in dict.fromkeys(_file(row) for row in rows)}
        for title in dict.fromkeys(titles.values()):
            lines = [row.line() for row in rows if titles[_file(row)] == title]
            text += "\n".join([f"\n## {title}", "", *COLUMNS, *lines, ""])
        self._path.write_text(text, encoding="utf-8")


def _file(row: Row) -> str:
    return row.test.partition("::")[0]


def _title(path: Path) -> str:
    """Return the first line of a file's docstring, up to a colon or full stop."""
    text = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or path.stem
    return text.splitlines()[0].partition(":")[0].rstrip(".")


def _commit(root: Path) -> str:
    command = ["git", "-C", str(root), "describe", "--always", "--dirty"]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    return result.stdout.strip() or "unknown"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option; it exists only if pytest is started with this folder."""
    parser.addoption("--reliability", type=Path, help="write the table of attacks to this file")


def pytest_configure(config: pytest.Config) -> None:
    """Register the marker, and the table in the main process if it is requested."""
    config.addinivalue_line(
        "markers", "attack(guarantee, attack): a guarantee, and how the test tries to break it"
    )
    path = config.getoption("--reliability", None)
    if path is not None and not hasattr(config, "workerinput"):
        config.pluginmanager.register(Table(path), "reliability")


@pytest.fixture(autouse=True)
def count_attempt(request: pytest.FixtureRequest) -> AttemptCounter:
    """Counts the attempts of an attack; attacks are reported even if they do not use it."""
    counter = AttemptCounter()
    mark = request.node.get_closest_marker("attack")
    if mark is not None:
        properties = {**mark.kwargs, "kinds": counter.kinds}
        request.node.user_properties.append(("attack", properties))
    return counter


@pytest.fixture
def hostile(with_plugin: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The misbehaving plugin, installed together with the example plugin."""
    folder = HERE / "hostile"
    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join((str(folder), str(with_plugin))))
    registry_module.get_registry.cache_clear()
    return folder


Change = Callable[[dict[str, Any]], None]

EXPORT = HERE.parent / "historic/schema-1/run.zip"


@pytest.fixture
def make_forged_archive(tmp_path: Path) -> Callable[[Change], Path]:
    """Return a function that makes an archive with a changed record and matching hashes."""

    def forge(change: Change) -> Path:
        valid = read_archive(EXPORT)
        members = {name: valid.read_member(name) for name in valid.manifest.members}
        content = json.loads(members[RECORD_NAME])
        change(content)
        protocol = content["protocol"]
        content["protocol_hash"] = hash_json(protocol)
        identity_hash = compute_run_hash({**content, "pairs": None, "masks": None})
        content["id"] = f"{content['id'].rpartition('-')[0]}-{identity_hash}"
        members |= {RECORD_NAME: to_json_bytes(content), PROTOCOL_NAME: to_json_bytes(protocol)}
        path = tmp_path / "forged.zip"
        manifest = valid.manifest.model_copy(update={"run": content["id"]})
        write_archive(path, manifest, members)
        return path

    return forge
