"""The committed table of attacks matches the tests."""

from __future__ import annotations

import ast
from pathlib import Path

HERE = Path(__file__).parent
TABLE = HERE.parents[1] / "docs" / "reliability.md"


def _attacks() -> dict[str, dict[str, str]]:
    """Return the arguments of every attack marker, by file and name of the test."""
    attacks_by_test: dict[str, dict[str, str]] = {}
    for path in sorted(HERE.glob("test_*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.FunctionDef):
                continue
            for mark in node.decorator_list:
                if isinstance(mark, ast.Call) and ast.unparse(mark.func) == "pytest.mark.attack":
                    arguments = {k.arg: ast.literal_eval(k.value) for k in mark.keywords if k.arg}
                    attacks_by_test[f"{path.name}::{node.name}"] = arguments
    return attacks_by_test


def test_every_attack_declares_its_guarantee_and_attack() -> None:
    assert len(_attacks()) > 50
    assert all(arguments.keys() == {"guarantee", "attack"} for arguments in _attacks().values())


def test_the_committed_table_matches_the_attacks() -> None:
    """Run `make reliability` to update it."""
    lines = [line for line in TABLE.read_text(encoding="utf-8").splitlines() if "::" in line]
    rows = {line.rstrip(" |").rpartition("`")[0].rpartition("`")[2]: line for line in lines}
    attacks = _attacks()
    assert rows.keys() == attacks.keys()
    for name, arguments in attacks.items():
        assert arguments["guarantee"] in rows[name]
        assert arguments["attack"] in rows[name]


def test_the_committed_table_has_no_failures() -> None:
    """A dash marks an attack that was skipped."""
    lines = [line for line in TABLE.read_text(encoding="utf-8").splitlines() if "::" in line]
    assert all(line.split(" | ")[-2] in ("0", "–") for line in lines)
