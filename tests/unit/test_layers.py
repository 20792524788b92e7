"""The architecture: imports run one way, the core names no plugin, specs are cheap."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

from benchbed.api.specs import DatasetSpec, MethodSpec
from benchbed.registry.lookup import get_registry

ROOT = Path(__file__).parents[2]
CORE = ROOT / "benchbed"

# From the bottom up. A module may import from its own layer and from those below it.
LAYERS = (
    ("aside", "errors", "files", "paths", "phantoms", "protocol"),
    ("settings",),
    ("api",),
    ("hookspecs",),
    ("builtin", "plugins"),
    ("registry",),
    ("nn",),
    ("data",),
    ("metrics", "training"),
    ("tasks",),
    ("runs",),
    ("report", "suites"),
    ("scaffold", "testing"),
    ("cli",),
    ("__main__",),
)
LEVEL = {name: level for level, names in enumerate(LAYERS) for name in names}


def _imports(path: Path) -> set[str]:
    """Every module of benchbed that a file imports, for types alone or in functions too."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            found.add(node.module)
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
    return {name for name in found if name.split(".")[0] == "benchbed"}


def _layer(module: str) -> str | None:
    parts = module.split(".")
    return parts[1] if len(parts) > 1 and parts[1] in LEVEL else None


@pytest.mark.parametrize("path", sorted(CORE.rglob("*.py")), ids=lambda p: str(p.relative_to(CORE)))
def test_imports_run_one_way(path: Path) -> None:
    own = path.relative_to(CORE).parts[0].removesuffix(".py")
    if own == "__init__":
        return
    assert own in LEVEL, f"{own} has no place in the layers"
    upwards = {
        name
        for name in _imports(path)
        if (layer := _layer(name)) is not None and LEVEL[layer] > LEVEL[own]
    }
    assert not upwards, f"{own} imports from above itself: {sorted(upwards)}"


def test_layers_are_all_there() -> None:
    """A layer that was renamed would make the check above pass for nothing."""
    present = {p.name.removesuffix(".py") for p in CORE.iterdir() if not p.name.startswith("__p")}
    assert present - {"__init__", "py.typed", "benchmarks"} <= LEVEL.keys()


def test_the_core_names_no_method_and_no_data_set() -> None:
    names = [*get_registry().get_specs(MethodSpec), *get_registry().get_specs(DatasetSpec)]
    assert len(names) >= 5
    words = "|".join(sorted({re.escape(name) for name in names} | {"pix2pix", "wgan", "pggan"}))
    pattern = re.compile(rf"(?<![\w-])({words})(?![\w-])", re.IGNORECASE)
    guilty = {
        str(path.relative_to(CORE)): sorted(set(hits))
        for path in CORE.rglob("*.py")
        if (hits := pattern.findall(path.read_text(encoding="utf-8")))
    }
    assert not guilty


@pytest.mark.parametrize(
    "path", sorted((ROOT / "plugins").rglob("*.py")), ids=lambda p: f"{p.parent.name}/{p.name}"
)
def test_plugins_import_only_what_benchbed_exports(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module:
            open_to_all = ("benchbed", "benchbed.nn", "benchbed.phantoms")
            assert node.module in open_to_all or not node.module.startswith("benchbed."), (
                f"{path.name} reaches into {node.module}"
            )


@pytest.mark.parametrize("module", [p.module for p in get_registry().plugins])
def test_specs_import_nothing_heavy(module: str) -> None:
    heavy = ("torch", "numpy", "pydantic", "rich")
    code = f"import sys, {module}; print([m for m in {heavy} if m in sys.modules])"
    answer = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert answer.stdout.strip() == "[]"


def test_a_list_of_commands_imports_none_of_them() -> None:
    code = (
        "import sys; from benchbed.cli.main import app\n"
        "try:\n    app(['--help'])\nfinally:\n"
        "    print([m for m in sys.modules if m.endswith('_command')])"
    )
    answer = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert "Train a method" in answer.stdout
    assert answer.stdout.splitlines()[-1] == "[]"


def test_files_and_functions_stay_small() -> None:
    """A file has one subject and a function fits a screen: 400 and 60 lines at the most."""
    long: list[str] = []
    for path in [*CORE.rglob("*.py"), *(ROOT / "plugins").rglob("*.py")]:
        text = path.read_text(encoding="utf-8")
        if len(text.splitlines()) > 400:
            long.append(path.name)
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef) and node.body:
                first = (
                    node.body[1] if len(node.body) > 1 and ast.get_docstring(node) else node.body[0]
                )
                if (node.end_lineno or 0) - first.lineno > 60:
                    long.append(f"{path.name}:{node.name}")
    assert not long
