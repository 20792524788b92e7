"""The path of `benchbed run` in the architecture page is that of the imports."""

from __future__ import annotations

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/architecture.md").read_text(encoding="utf-8")
SECTION = PAGE.split("## From `benchbed run` to the record")[1].split("\n## ")[0]
FILES = re.findall(r"^\| `([\w/]+\.py)` \|", SECTION, re.MULTILINE)
MAX_FILES = 15


def _read_modules(file: str) -> set[str]:
    """Return the modules that a file imports, anywhere in it, or names as ``"module:object"``."""
    modules: set[str] = set()
    for node in ast.walk(ast.parse((ROOT / file).read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module:
            modules |= {node.module, *(f"{node.module}.{name.name}" for name in node.names)}
        elif isinstance(node, ast.Import):
            modules |= {name.name for name in node.names}
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            modules.add(node.value.partition(":")[0])
    return modules


def _get_module(file: str) -> str:
    return file.removesuffix(".py").replace("/", ".")


def test_path_is_short_and_its_files_exist() -> None:
    assert 0 < len(FILES) <= MAX_FILES
    assert [file for file in FILES if not (ROOT / file).is_file()] == []


def test_each_file_is_imported_by_an_earlier_one() -> None:
    imported: set[str] = set()
    missing = []
    for number, file in enumerate(FILES):
        if number and _get_module(file) not in imported:
            missing.append(file)
        imported |= _read_modules(file)
    assert missing == []
