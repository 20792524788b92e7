"""Every hook is documented with its exact signature, and its specs are used."""

from __future__ import annotations

import inspect
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest

from benchbed.registry import hooks

ROOT = Path(__file__).parents[2]
HOOKS = sorted(name for name in vars(hooks) if name.startswith("benchbed_"))


@pytest.mark.parametrize("hook", HOOKS)
def test_plugin_rules_show_the_exact_signature(hook: str) -> None:
    signature = f"def {hook}{inspect.signature(getattr(hooks, hook))}: ..."
    plain = signature.replace("'", "")
    assert plain in (ROOT / "docs/reference/plugins.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def record(
    third_party: Path, shared_cache: Path, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Any]:
    """Return the record of a run that uses a third-party plugin through every hook."""
    folder = tmp_path_factory.mktemp("hooks")
    environment = {"PYTHONPATH": str(third_party), "BENCHBED_CACHE": str(shared_cache)}
    words = (
        "run", "--method", "tiny-lsgan", "--dataset", "discs", "--task", "glance", "--size", "16",
        "--kimg", "0.1", "--json",
    )  # fmt: skip
    answer = _run_benchbed(words, folder, environment)
    assert answer.returncode == 0, answer.stderr
    found: dict[str, Any] = json.loads(answer.stdout)
    return found


def _run_benchbed(
    words: Iterable[str], folder: Path, environment: dict[str, str]
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "benchbed", *words],
        capture_output=True, text=True, cwd=folder, env={**os.environ, **environment}, check=False,
    )  # fmt: skip


BEHAVIOUR: dict[str, Callable[[dict[str, Any]], bool]] = {
    "benchbed_methods": lambda r: r["method"] == "tiny-lsgan" and r["training"]["steps"] > 0,
    "benchbed_datasets": lambda r: (
        r["dataset"] == "discs" and r["cases"] == {"train": 24, "test": 8}
    ),
    "benchbed_metrics": lambda r: [m["metric"] for m in r["metrics"]] == ["brightness-gap"],
    "benchbed_tasks": lambda r: r["task"] == "glance" and r["metrics"][0]["n_fake"] == 1,
}
"""For each hook, whether the record shows that its specs were used."""


@pytest.mark.parametrize("hook", HOOKS)
def test_specs_of_a_hook_are_used(hook: str, record: dict[str, Any]) -> None:
    assert BEHAVIOUR[hook](record)
