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
LAYERS = {
    "benchbed": (
        ("errors", "utils", "phantoms"),
        ("api",),
        ("config",),
        ("registry",),
        ("nn",),
        ("data",),
        ("training", "metrics"),
        ("tasks",),
        ("results",),
        ("runs",),
        ("sharing", "suites", "report"),
        ("testing", "scaffold"),
        ("cli",),
        ("__main__",),
    ),
    "benchbed.data": (
        ("stamps",),
        ("stored_files",),
        ("io", "cache"),
        ("sources",),
        ("preprocessing",),
        ("download", "loader", "contact_sheet", "image_folder"),
        ("image_comparison",),
    ),
    "benchbed.report": (("significance",), ("statistics",), ("model",), ("render",), ("write",)),
    "benchbed.metrics": (
        ("bootstrap", "distances"),
        ("features",),
        (
            "baseline",
            "fid",
            "kid",
            "prdc",
            "swd",
            "ms_ssim",
            "histogram_kl",
            "paired",
            "masks",
            "memorisation",
        ),
        ("slices",),
    ),
}
LEVELS = {
    package: {name: level for level, names in enumerate(layers) for name in names}
    for package, layers in LAYERS.items()
}


def _module(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {_module(path): path for path in sorted(CORE.rglob("*.py"))}


def _find_imports(tree: ast.AST, *, with_types: bool = True) -> set[str]:
    """Return every module of benchbed that a file imports, in functions too."""
    found: set[str] = set()
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and not with_types and "TYPE_CHECKING" in ast.dump(node.test):
            continue
        if isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            names = (f"{node.module}.{alias.name}" for alias in node.names)
            found |= {name if name in MODULES else node.module for name in names}
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        found |= _find_imports(node, with_types=with_types)
    return found & MODULES.keys()


IMPORTS = {
    module: _find_imports(ast.parse(path.read_text(encoding="utf-8"))) - {module}
    for module, path in MODULES.items()
}
RUNTIME_IMPORTS = {
    module: _find_imports(ast.parse(path.read_text(encoding="utf-8")), with_types=False) - {module}
    for module, path in MODULES.items()
}


def _part(module: str, package: str) -> str | None:
    """Return the part of `package` that a module is in; None for other modules."""
    inside = module.startswith(f"{package}.")
    return module.removeprefix(f"{package}.").split(".")[0] if inside else None


def _find_cycles(graph: dict[str, set[str]]) -> set[str]:
    """Return what reaches itself."""

    def reach(start: str) -> set[str]:
        seen: set[str] = set()
        queue = [start]
        while queue:
            new = graph[queue.pop()] - seen
            seen |= new
            queue += new
        return seen

    return {name for name in graph if name in reach(name)}


@pytest.mark.parametrize("package", LAYERS)
def test_imports_run_one_way(package: str) -> None:
    level = LEVELS[package]
    upwards = {
        (module, name)
        for module, names in IMPORTS.items()
        for name in names
        if (own := _part(module, package)) and (other := _part(name, package))
        if level[other] > level[own]
    }
    assert not upwards


@pytest.mark.parametrize("package", LAYERS)
def test_every_module_has_a_layer(package: str) -> None:
    """A layer that was renamed would make the check above pass for nothing."""
    parts = {part for module in MODULES if (part := _part(module, package))}
    assert parts == LEVELS[package].keys()


def test_no_import_cycles() -> None:
    """Imports in functions count, those for types alone do not."""
    assert not _find_cycles(RUNTIME_IMPORTS)


@pytest.mark.parametrize("package", LAYERS)
def test_no_import_cycles_between_packages(package: str) -> None:
    parts = {name: set[str]() for name in LEVELS[package]}
    for module, names in RUNTIME_IMPORTS.items():
        if own := _part(module, package):
            parts[own] |= {other for name in names if (other := _part(name, package))} - {own}
    assert not _find_cycles(parts)


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
