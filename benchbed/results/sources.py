"""The code of the methods of a run, as hashes, so that an edited plugin is noticed."""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Iterable, Mapping
from importlib.util import find_spec
from pathlib import Path


def hash_sources(references: Iterable[str]) -> dict[str, str]:
    """Hash the packages of objects such as ``"my_gan.networks:Generator"``.

    Args:
        references: ``"module:object"`` of each.

    Returns:
        Package to 12 hexadecimal digits. Layout, comments and docstrings do not count. A package
        without readable sources is left out.
    """
    names = sorted({reference.partition(":")[0].partition(".")[0] for reference in references})
    hashes = {name: _hash_package(name) for name in names}
    return {name: digest for name, digest in hashes.items() if digest}


def find_changed_packages(old: Mapping[str, str], new: Mapping[str, str]) -> list[str]:
    """Return the packages that are in both and have different hashes."""
    return [name for name in old if name in new and old[name] != new[name]]


def _hash_package(name: str) -> str:
    spec = find_spec(name)
    if spec is None or spec.origin is None:
        return ""
    origin = Path(spec.origin)
    is_package = spec.submodule_search_locations is not None
    files = sorted(origin.parent.rglob("*.py")) if is_package else [origin]
    state = hashlib.sha256()
    for path in files:
        try:
            code = _normalize(path.read_text(encoding="utf-8"))
        except (OSError, SyntaxError, ValueError):
            return ""
        state.update(f"{path.relative_to(origin.parent).as_posix()}\n{code}\n".encode())
    return state.hexdigest()[:12]


def _normalize(text: str) -> str:
    """Return the syntax tree without docstrings and positions."""
    tree = ast.parse(text)
    for node in ast.walk(tree):
        if not isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef):
            continue
        if ast.get_docstring(node):
            node.body = node.body[1:]
    return ast.dump(tree)
