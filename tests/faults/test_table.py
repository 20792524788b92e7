"""The committed table of attacks names those that there are."""

from __future__ import annotations

import ast
from pathlib import Path

HERE = Path(__file__).parent
TABLE = HERE.parents[1] / "docs" / "reliability.md"


def _attacks() -> dict[str, dict[str, str]]:
    """Every test that is marked as an attack: file and name, to what its mark says."""
    found: dict[str, dict[str, str]] = {}
    for path in sorted(HERE.glob("test_*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.FunctionDef):
                continue
            for mark in node.decorator_list:
                if isinstance(mark, ast.Call) and ast.unparse(mark.func) == "pytest.mark.attack":
                    says = {k.arg: ast.literal_eval(k.value) for k in mark.keywords if k.arg}
                    found[f"{path.name}::{node.name}"] = says
    return found


def test_an_attack_says_what_is_promised_and_what_is_done() -> None:
    """In literal text, which the table shows."""
    assert len(_attacks()) > 50
    assert all(says.keys() == {"promise", "attack"} for says in _attacks().values())


def test_the_committed_table_names_every_attack_and_no_other() -> None:
    """`make reliability` writes it anew."""
    lines = [line for line in TABLE.read_text(encoding="utf-8").splitlines() if "::" in line]
    told = {line.rstrip(" |").rpartition("`")[0].rpartition("`")[2]: line for line in lines}
    attacks = _attacks()
    assert told.keys() == attacks.keys()
    for name, says in attacks.items():
        assert says["promise"] in told[name]
        assert says["attack"] in told[name]


def test_nothing_is_lost() -> None:
    """A dash stands where a machine could not try."""
    lines = [line for line in TABLE.read_text(encoding="utf-8").splitlines() if "::" in line]
    assert all(line.split(" | ")[-2] in ("nothing", "–") for line in lines)
